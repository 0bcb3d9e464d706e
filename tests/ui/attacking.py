"""The page in a process of its own, as whoever attacks it sees it."""

import base64
import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
CANARY = "canary-3f9a1c-nobody-may-read-this"
PASSWORD = "the password of this test"  # noqa: S105
BASIC = {"authorization": "Basic " + base64.b64encode(f"studio:{PASSWORD}".encode()).decode()}


class Attacked:
    """The page in a process of its own, asked with addresses exactly as they are written here."""

    def __init__(self, home, *password):
        home.mkdir()
        (home.parent / "canary.txt").write_text(CANARY)
        (home / "inside.txt").write_text(CANARY)
        self.home, self.log, self.kept, self.upload = home, home.parent / "log.txt", None, ""
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.ui.attacked", str(home), *password], cwd=ROOT, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=out,
            )  # fmt: skip
        for line in self.process.stdout:
            if line.startswith(b"{"):
                said = json.loads(line)
                break
        else:
            raise AssertionError(self.log.read_text())
        self.routes = [(path, method) for path, methods in said["routes"] for method in methods]
        self.host = urlsplit(said["url"]).netloc

    def ask(self, method, path, body=None, **headers):
        """(status, beginning of the body). A stream is left after its headers."""
        kept, self.kept = self.kept, None
        connection = kept or http.client.HTTPConnection(self.host, timeout=20)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            data = body or b""
            headers = {"content-length": str(len(data)), **headers} if method == "POST" else headers
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(data or None)
            answer = connection.getresponse()
            if "event-stream" in (answer.getheader("content-type") or ""):
                connection.close()
                return answer.status, b""
            found = answer.status, answer.read()
            self.kept = connection if not answer.will_close else None
        except ConnectionError:
            connection.close()
            if kept is not None:  # the server may end a line that was idle
                return self.ask(method, path, body, **headers)
            raise
        if self.kept is None:
            connection.close()
        return found

    def pour(self, path, pieces, **headers):
        """POST chunks without saying how many: (status, bytes sent); the status is 0 where the line was just cut."""
        name, port = self.host.split(":")
        sent = 0
        with socket.create_connection((name, int(port)), timeout=20) as line:
            asked = {"host": self.host, "transfer-encoding": "chunked", "content-type": "application/json", **headers}
            head = "".join(f"{key}: {value}\r\n" for key, value in asked.items())
            line.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    line.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                    sent += len(piece)
            try:
                found = re.match(rb"HTTP/1.1 (\d+)", line.recv(1000))
            except ConnectionResetError:
                found = None
        return int(found.group(1)) if found else 0, sent

    def token(self):
        """A new upload in the place of the one before: a person may hold a few only."""
        if self.upload:
            self.ask("POST", f"/studio/uploads/{self.upload}/discard")
        self.upload = json.loads(self.ask("POST", "/studio/uploads/new")[1])["token"]
        return self.upload

    def stop(self):
        if self.kept is not None:
            self.kept.close()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)
