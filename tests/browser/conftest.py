"""A real page in a real browser: `python app.py` in a process of its own, Debian's chromium without a window."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_START_SECONDS = 300


class Served:
    """The page process over one home; it can be killed and started again on the same port."""

    def __init__(self, home: Path) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait for the first answer."""
        with self.log.open("ab") as out:
            command = [sys.executable, "app.py", "--home", str(self.home), "--port", str(self.port)]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(self.url, timeout=10).close()
                return
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the page did not start in time"
            time.sleep(0.2)

    def kill(self) -> None:
        """End the page process at once; workers go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as a person would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20)
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    page = Served(tmp_path_factory.mktemp("page") / "home")
    page.start()
    yield page
    page.stop()


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    assert path, "These tests need a browser: apt-get install chromium, or set CHROMIUM to the path of one."
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


# What gradio says of the streams of a page that is being left; nobody reads that console any more.
_LEAVING = ("signal is aborted without reason", "Connection errored out")


class Watched:
    """A page whose console and requests are remembered."""

    def __init__(self, page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else self.foreign.append(r.url))

    def _heard(self, message) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in _LEAVING):
            self.complaints.append(message.text)

    def check(self) -> None:
        """Nothing was said on the console and nothing was asked of other machines."""
        assert self.foreign == []
        assert self.complaints == []


@pytest.fixture
def watched(chromium, served):
    """Open pages of a certain width and colour scheme; all are closed at the end."""
    contexts = []

    def open_page(path="/", width=1360, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.set_default_timeout(120_000)
        contexts.append(context)
        page = context.new_page()
        found = Watched(page, served.url)
        page.goto(served.url + path)
        page.wait_for_selector("#ss-tabs button[role=tab]", state="attached")
        page.wait_for_timeout(500)
        return found

    yield open_page
    for context in contexts:
        context.close()
