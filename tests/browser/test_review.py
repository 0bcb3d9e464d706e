"""Reviewing in a real browser: keys, undo, reload, a second tab, and a server that is killed in the middle."""

import json
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

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120_000
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-extensions"]


class Server:
    """The page in a process of its own, which can be killed and started again on the same port."""

    def __init__(self, home):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.home = f"http://127.0.0.1:{self.port}", home
        self.start()

    def start(self):
        command = [sys.executable, "-m", "tests.browser.review_page", str(self.home), str(self.port)]
        with (self.home / "page.log").open("ab") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        deadline = time.monotonic() + 120
        while True:
            try:
                return self.get("/studio/review/start")
            except (OSError, urllib.error.URLError):
                assert self.process.poll() is None, (self.home / "page.log").read_text()[-3000:]
                assert time.monotonic() < deadline, "the page did not start"
                time.sleep(0.2)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return json.loads(answer.read())

    def decided(self):
        """The last verdict of every decided image."""
        return {image: verdict for image, verdict, *_ in self.get("/studio/review/changes?since=0")["rows"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    code = f"from tests.browser.review_page import import_digits; import_digits({str(home)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    running = Server(home)
    yield running
    running.kill()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, server):
    """A fresh tab on the grid; at its end there were no errors and no outside requests."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    tab.problems = []
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    tab.on("console", lambda said: tab.problems.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("request", lambda asked: None if asked.url.startswith((server.url, "data:", "blob:")) else
           tab.problems.append(f"outside: {asked.url}"))  # fmt: skip
    open_grid(tab, server)
    yield tab
    context.close()
    assert [text for text in tab.problems if "ERR_CONNECTION" not in text] == []


def open_grid(tab, server):
    tab.goto(server.url, wait_until="commit")
    tab.wait_for_function("[...document.querySelectorAll('.ss-tile img')].some(image => image.naturalWidth)")
    tab.locator(".ss-grid").focus()


def saved(tab):
    tab.wait_for_function("document.querySelector('.ss-saved').dataset.kind === 'good'")


def digest_at(server, place):
    query = json.dumps(server.get("/studio/review/view?q=%7B%7D")["query"])
    rows = server.get(f"/studio/review/page?q={urllib.request.quote(query)}&start={place}&count=1")
    return rows[0][0]


def standing(tab, place):
    tab.wait_for_selector(f"#ss-tile-{place}[data-standing]")
    return tab.locator(f"#ss-tile-{place}").get_attribute("data-standing")


def test_reject_two_undo_one_reload_keeps_and_a_second_tab_sees(page, server):
    first, second = digest_at(server, 0), digest_at(server, 1)
    page.keyboard.press("Home")
    page.keyboard.press("u")
    page.keyboard.press("u")
    page.keyboard.press("Home")
    page.keyboard.press("x")
    page.keyboard.press("x")
    page.keyboard.press("Control+z")
    saved(page)
    assert (server.decided()[first], server.decided()[second]) == ("reject", "clear")
    page.reload(wait_until="commit")
    page.wait_for_selector("#ss-tile-0[data-standing]")
    assert (standing(page, 0), standing(page, 1)) == ("rejected", "undecided")
    other = page.context.new_page()
    open_grid(other, server)
    other.keyboard.press("Home")
    other.keyboard.press("p")
    page.bring_to_front()
    page.wait_for_selector("#ss-tile-0[data-standing=accepted]")


def test_only_what_is_in_sight_exists(page):
    page.keyboard.press("End")
    page.wait_for_selector("#ss-tile-1796[data-standing]")
    assert page.locator(".ss-tile").count() < 200
    page.keyboard.press("Home")
    page.wait_for_selector("#ss-tile-0[data-standing]")


def test_a_selection_is_decided_at_once_and_undone_at_once(page, server):
    before = server.decided()
    page.locator("#ss-tile-4").click()
    page.locator("#ss-tile-8").click(modifiers=["Shift"])
    page.locator("#ss-tile-10").click(modifiers=["Control"])
    page.keyboard.press("x")
    saved(page)
    digests = [digest_at(server, place) for place in (4, 5, 6, 7, 8, 10)]
    assert all(server.decided()[digest] == "reject" for digest in digests)
    page.keyboard.press("Control+z")
    saved(page)
    assert all(server.decided()[digest] == before.get(digest, "clear") for digest in digests)


def test_keys_typed_elsewhere_decide_nothing(page, server):
    before = server.get("/studio/review/changes?since=0")["last"]
    page.get_by_role("tab", name="Other").click()
    page.locator("#note textarea").fill("")
    page.keyboard.type("pxu123")
    page.locator("#note textarea").blur()
    page.keyboard.type("pxu123")
    page.get_by_role("tab", name="Review").click()
    assert server.get("/studio/review/changes?since=0")["last"] == before


def test_a_killed_server_loses_nothing_that_was_acknowledged_and_the_tab_comes_back(page, server):
    page.evaluate("window.notReloaded = true")
    page.locator("#ss-tile-20").click()
    for number in range(30):
        page.keyboard.press("x" if number % 3 else "p")
        if number == 12:
            acknowledged = server.decided()
            server.kill()
    page.wait_for_selector(".ss-saved[data-kind=bad]")
    assert page.locator(".ss-tile.problem").count() > 0
    server.start()
    assert {image: server.decided()[image] for image in acknowledged} == acknowledged
    saved(page)
    assert page.evaluate("window.notReloaded")
    decided = server.decided()
    expected = ["reject" if number % 3 else "keep" for number in range(30)]
    assert [decided[digest_at(server, 20 + number)] for number in range(30)] == expected
