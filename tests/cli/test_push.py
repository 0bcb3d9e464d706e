"""A dataset that goes to the Hub: here to a small server that takes what the Hub's own client sends."""

import base64
import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.cli.calling import caller
from tests.steps.kit import stored, work_in
from tests.steps.test_export_image_folder import exported


class Taking(BaseHTTPRequestHandler):
    """Answers as the Hub does where a repository is made and a commit comes whose files are small."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._answer({"id": "me/cats", "sha": "1" * 40, "siblings": []})

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.server.said.append((self.path, self.headers.get("Authorization"), data))
        if self.server.refuses:
            self._answer({"error": "You may not."}, 403)
        elif "/preupload/" in self.path:
            files = json.loads(data)["files"]
            self._answer(
                {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
            )
        elif "/commit/" in self.path:
            address = f"{self.server.address}/datasets/me/cats/commit/{'c' * 40}"
            self._answer({"commitUrl": address, "commitOid": "c" * 40, "success": True, "hookOutput": ""})
        else:
            self._answer({"url": f"{self.server.address}/datasets/me/cats", "name": "me/cats", "id": "1"})

    def _answer(self, body, code=200):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def taking(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    server.said, server.refuses = [], False
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)  # as if it was set before the import
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_TOKEN", "hf_of_this_test")
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    work = work_in(tmp_path_factory.mktemp("push"))
    return exported(work, {"real": stored(work, "set", ["red"], [1])})


@pytest.fixture
def push(monkeypatch, capsys):
    return partial(caller(monkeypatch, capsys), "push")


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(push, folder, taking):
    said = push(folder, "me/cats", "--dry-run")
    assert "Would send 4 files, " in said and f"{taking.address}/datasets/me/cats, private where it is new" in said
    assert "  croissant.json\n" in said and taking.said == []


def test_all_files_come_as_one_commit_of_a_private_repository(push, folder, taking):
    said = push(folder, "me/cats")
    made = next(json.loads(data) for path, _, data in taking.said if path.endswith("/repos/create"))
    assert (made["type"], made.get("visibility") or made["private"]) in (("dataset", "private"), ("dataset", True))
    (commit,) = [data for path, _, data in taking.said if "/commit/" in path]
    lines = [json.loads(line) for line in commit.splitlines()]
    files = {
        line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
    }
    assert files == {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    assert {token for _, token, _ in taking.said} == {"Bearer hf_of_this_test"}
    assert 'load_dataset("me/cats")' in said and "cccccccccccc" in said


def test_what_is_refused_says_what_to_do(push, folder, taking, tmp_path, monkeypatch):
    assert "is no repository of the Hub. Give owner/name." in push(folder, "../cats", code=2)
    assert "is no exported dataset" in push(tmp_path, "me/cats", code=2)
    taking.refuses = True
    assert "The Hub does not take me/cats" in push(folder, "me/cats", code=2)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "Push again when there is a connection" in push(folder, "me/cats", code=2)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    assert "Nobody is signed in to the Hub. Use hf auth login" in push(folder, "me/cats", code=2)
