"""A real page in a real browser: `python app.py` in a process of its own, Debian's chromium without a window.

One page process over one project serves all of these tests, so each of them leaves the project usable for the next.
A small recipe has ended well in that project before: it is run once, whatever the number of processes that test.
Playwright's event loop lives only as long as this folder's tests: other folders may run loops of their own.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[2]
NO_BROWSER = (
    "These tests need a browser: apt-get install -y --no-install-recommends chromium-headless-shell fonts-dejavu-core, "
    "or set CHROMIUM to the path of one."
)
SMALL = """
adapter.training_steps=20
adapter.warmup_steps=2
adapter.batch_size=4
sample.images_per_class=3
sample.inference_steps=6
keep.minimum_per_class=2
real_only.training_steps=20
synthetic_only.training_steps=20
real_and_synthetic.training_steps=20
""".strip()  # a recipe that is quick, not good
# Without its own windows and menus, which take a quarter of its time here, before the whole browser.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-extensions"]
# What chromium says of a request or an answer that ended with the server.
_CUT = (
    "ERR_CONNECTION",
    "ERR_SOCKET_NOT_CONNECTED",
    "ERR_EMPTY_RESPONSE",
    "ERR_INCOMPLETE_CHUNKED",
    "ERR_CONTENT_LENGTH_MISMATCH",
)
_START_SECONDS = 300
_PATIENCE = 120_000  # milliseconds; a busy machine is slow, not wrong


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below this folder carries the marker `browser`. Where several processes test, the first one makes the
    finished recipe while the others begin with the files that do not need it.
    """
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    waiting = [item.path for item in ours if "finished_home" in item.fixturenames]
    for item in ours:
        item.add_marker(pytest.mark.browser)
    first = items.index(ours[0]) if ours else 0
    items[first : first + len(ours)] = sorted(ours, key=lambda item: item.path in waiting and item.path != waiting[0])


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
            # No hub: a test that asks for a download is told so, on a machine with a network too.
            nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(self.home.with_suffix(".hub"))}
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as where a shell runs the tests in the background:
                signal.signal(signal.SIGINT, signal.default_int_handler)  # the page would inherit it, and not end
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, **nowhere})
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

    def get(self, path: str, **parameters: object):
        """What a route answers to a question."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        with urllib.request.urlopen(self.url + "/studio" + path + query, timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, **body: object):
        """What a route answers to a request, as the page's own buttons send it."""
        request = urllib.request.Request(
            f"{self.url}/studio{path}", json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def until(self, holds, seconds: float = 150):
        """Ask again and again until `holds()` gives something; returns it."""
        deadline = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < deadline, f"waited {seconds} s\n{self.log.read_text()[-3000:]}"
            time.sleep(0.2)
        return found


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory):
    """A home with a small recipe that has ended well; tests work on copies."""
    ours = tmp_path_factory.getbasetemp()
    home = (ours.parent if "PYTEST_XDIST_WORKER" in os.environ else ours) / "finished" / "home"
    home.parent.mkdir(exist_ok=True)
    with FileLock(home.with_suffix(".lock")):
        if not home.exists():
            aside = home.with_suffix(".part")
            drawn = f"{SMALL}\nsample.guidance_to=8"  # images that differ in a setting
            settings = [part for line in drawn.splitlines() for part in ("--set", line)]
            command = [sys.executable, "-m", "synthstudio", "run", "datadream", "--data", "digits", "--shots", "16"]
            subprocess.run([*command, *settings, "--home", aside], cwd=ROOT, check=True)
            aside.rename(home)
    return home


@pytest.fixture(scope="package")
def served(tmp_path_factory, finished_home):
    page = Served(tmp_path_factory.mktemp("page") / "home")
    shutil.copytree(finished_home, page.home)
    page.start()
    yield page
    page.stop()


@pytest.fixture(scope="package")
def finished(served):
    """The id of a recipe that has ended well."""
    return next(
        one["id"] for one in served.get("/state")["pipelines"] if (one["recipe"], one["state"]) == ("datadream", "done")
    )


def recipe(served, settings="") -> str:
    """The id of a quick recipe on digits, run now to its end."""
    from gradio_client import Client

    client = Client(served.url, verbose=False)
    pipeline = client.predict(recipe="datadream", data="digits", shots=16, settings=settings, api_name="/run_recipe")
    client.close()
    served.until(lambda: served.get("/state", pipeline=pipeline)["pipeline"]["state"] == "done", 1800)
    return pipeline


@pytest.fixture(scope="package")
def chromium():
    from playwright.sync_api import sync_playwright

    names = (os.environ.get("CHROMIUM", ""), *_BROWSERS)
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(NO_BROWSER, pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS, timeout=_PATIENCE)
        yield browser
        browser.close()


class Watched:
    """A page whose console and requests are remembered."""

    def __init__(self, page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.may_lose_server = False  # then a refused connection on the console is no complaint
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._asked)
        page.on("request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else self.foreign.append(r.url))

    def _heard(self, message) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _asked(self, dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        """Nothing was said on the console and nothing was asked of other machines."""
        assert self.foreign == []
        cut = _CUT if self.may_lose_server else ()
        assert [text for text in self.complaints if not any(word in text for word in cut)] == []


@pytest.fixture
def watched(chromium, served):
    """Open pages of a certain width and colour scheme; at the end none of them has complained, and all are closed."""
    contexts, opened = [], []

    def open_page(path="/", width=1360, scheme="light", context=None, height=900):
        if context is None:
            context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme,
                                           accept_downloads=True)  # fmt: skip
            context.set_default_timeout(_PATIENCE)
            contexts.append(context)
        found = Watched(context.new_page(), served.url)
        opened.append(found)
        found.page.goto(served.url + path)
        ready(found.page)
        return found

    yield open_page
    for context in contexts:
        context.close()
    for one in opened:
        one.check()


_STAYS = """async (box, text) => {
  for (let frame = 0; frame < 30; frame++) {
    await new Promise(requestAnimationFrame);
    if (box.value !== text) return false;
  }
  return true;
}"""


def write(box, text: str) -> None:
    """Fill a box that was opened just now: gradio sets what it mounts a second time some frames later."""
    deadline = time.monotonic() + _PATIENCE / 1000
    box.fill(text)
    while not box.evaluate(_STAYS, text):
        assert time.monotonic() < deadline, "the box does not keep what is written into it"
        box.fill(text)


def ready(page) -> None:
    """Wait until gradio has mounted the tabs, filled its forms, our own parts have drawn once and the lists are new."""
    page.wait_for_selector("#ss-tabs button[role=tab][aria-selected=true]", state="attached")
    page.wait_for_selector("html.ss-ready.ss-listed", state="attached")
