"""A small server that answers as the Hugging Face Hub does, with repositories that a test describes."""

import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_LARGE = 2000  # bytes from which on a file is kept apart, named by its SHA-256


@dataclass
class Repository:
    """Its files, and what the Hub says of it. `cut`: after so many bytes of a file the line is lost, so many times."""

    files: dict[str, bytes]
    licence: str = "mit"
    gated: bool = False
    lost: set[str] = field(default_factory=set)  # listed, and not there
    wrong: set[str] = field(default_factory=set)  # sent with other bytes than listed
    cut: dict[str, tuple[int, int]] = field(default_factory=dict)
    seconds_each: float = 0.0  # for 64 kB

    @property
    def commit(self) -> str:
        """Changes with the files."""
        return hashlib.sha1(json.dumps(sorted(self.files)).encode()).hexdigest()  # noqa: S324 - as Git does


class Hub:
    """Started in a thread; `asked` has (file, first byte asked for) of every download."""

    def __init__(self, **repositories: Repository) -> None:
        self.repositories = {name.replace("__", "/"): one for name, one in repositories.items()}
        self.asked: list[tuple[str, int]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        """What HF_ENDPOINT has to be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def listed(name: str, data: bytes) -> dict:
    """A file as the Hub lists it."""
    git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - as Git does
    found = {"rfilename": name, "size": len(data), "blobId": git}
    if len(data) >= _LARGE:
        found["lfs"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 130}
    return found


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        about = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/main", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)", path)
        found = self.hub.repositories.get((about or file)[1]) if about or file else None
        if found is None:
            self._refuse(404, "RepoNotFound")
        elif found.gated:
            self._refuse(403, "GatedRepo")
        elif about:
            body = {"id": about[1], "modelId": about[1], "sha": found.commit, "cardData": {"license": found.licence},
                    "siblings": [listed(name, data) for name, data in found.files.items()], "tags": []}  # fmt: skip
            self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
        elif file[3] not in found.files or file[3] in found.lost or file[2] != found.commit:
            self._refuse(404, "EntryNotFound")
        else:
            self._file(found, file[3])

    def _file(self, found, name):
        data = found.files[name]
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        self.hub.asked.append((name, start))
        if name in found.wrong:
            data = data[:-1] + bytes([data[-1] ^ 1])
        headers = {"ETag": '"x"', "X-Repo-Commit": found.commit}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self.send_response(206 if start else 200)
        for key, value in {**headers, "Content-Length": str(len(data) - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        end = len(data)
        at, times = found.cut.get(name, (0, 0))
        if times and start <= at:
            found.cut[name] = (at, times - 1)
            end = at
        for piece in range(start, end, 1 << 16):
            try:
                self.wfile.write(data[piece : min(end, piece + (1 << 16))])
            except OSError:
                return
            time.sleep(found.seconds_each)
        if end < len(data):
            self.close_connection = True
            self.connection.close()

    def _refuse(self, code, said):
        self._send(code, b'{"error": "no"}', {"X-Error-Code": said, "X-Error-Message": said})

    def _send(self, code, body, headers):
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
