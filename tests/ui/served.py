"""`python app.py` in a process of its own, asked over HTTP; and cookies as gradio's sign-in makes them."""

import base64
import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import itsdangerous

ROOT = Path(__file__).parents[2]
STANDIN = Path(__file__).parent / "standin"
SECRET = "a secret of this test"  # noqa: S105
SPACE = {
    "SYSTEM": "spaces",
    "SPACE_ID": "somebody/synthstudio",
    "SPACE_HOST": "somebody-synthstudio.hf.space",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "OAUTH_CLIENT_ID": "client",
    "OAUTH_CLIENT_SECRET": SECRET,
    "OAUTH_SCOPES": "openid profile",
    "OPENID_PROVIDER_URL": "http://127.0.0.1:9",
    "SYNTHSTUDIO_DEMO": "off",
}
ORIGIN = {"origin": "https://somebody-synthstudio.hf.space"}


def cookie(name, secret=SECRET, lasts=3600.0):
    """The Cookie header of somebody who signed in, made as Starlette's session middleware makes it."""
    info = {"access_token": "hf_token_of_the_visitor", "expires_at": time.time() + lasts,
            "userinfo": {"preferred_username": name, "name": name, "sub": name, "picture": ""}}  # fmt: skip
    key = hashlib.sha256((secret + "-v4").encode()).hexdigest()
    data = base64.b64encode(json.dumps({"oauth_info": info}).encode())
    return {"cookie": "session=" + itsdangerous.TimestampSigner(key).sign(data).decode()}


class Page:
    """The page process; `get` and `post` ask it."""

    def __init__(self, home, environment=None, arguments=()):
        self.home = Path(home)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.home.with_suffix(".log")
        command = [sys.executable, "app.py", "--home", str(self.home), "--port", str(self.port), *arguments]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out,
                                            env={**os.environ, **(environment or {})})  # fmt: skip
        self.client = httpx.Client(base_url=self.url, timeout=60)
        deadline = time.monotonic() + 300
        while True:
            with contextlib.suppress(httpx.TransportError):
                self.client.get("/gradio_api/startup-events")
                return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the page did not start in time"
            time.sleep(0.2)

    def get(self, path, **headers):
        return self.client.get(path, headers=headers)

    def post(self, path, body=None, **headers):
        return self.client.post(path, json=body or {}, headers=headers)

    def event(self, name, arguments, **headers):
        """Run a public endpoint as gradio_client does; returns the lines of its stream."""
        asked = self.client.post(f"/gradio_api/call/{name}", json={"data": arguments}, headers=headers)
        if asked.status_code != 200:
            return asked.text
        return self.client.get(f"/gradio_api/call/{name}/{asked.json()['event_id']}", headers=headers).text

    def stop(self):
        self.client.close()
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
