"""Kill the page process again and again while somebody reviews quickly: `python -m tests.benchmarks.kill_review`.

    python -m tests.benchmarks.kill_review --kills 30 --seed 0

One tab of a real chromium stays open over `python app.py`. In every round keys are pressed as fast as they are taken,
kill -9 hits the page process at a random key, it is started again, and the tab has to come back by itself. Then the
log of decisions must hold every key pressed so far exactly once and in order; whatever the server had acknowledged
before the kill is looked at on its own. All keys together stay within the pictures the tab has asked for at first: a
picture that it does not know yet, and cannot ask for while there is no server, takes no key.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"x": "reject", "p": "keep"}
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
PATIENCE = 240_000


class PageProcess:
    """`python app.py` over a home, on a port that stays the same."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.home, self.url, self.log = home, f"http://127.0.0.1:{self.port}", home.parent / "page.log"

    def start(self) -> None:
        """Start and wait for the first answer."""
        with self.log.open("ab") as out:
            command = [sys.executable, "app.py", "--home", str(self.home), "--port", str(self.port)]
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
        deadline = time.monotonic() + 240
        while True:
            with contextlib.suppress(OSError, urllib.error.URLError):
                self.get("/studio/review/start")
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.log.read_text()[-3000:])
            time.sleep(0.2)

    def kill(self) -> None:
        """Nothing can be tidied up after this."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def get(self, path: str) -> dict:
        """The JSON of one of the page's own routes."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return json.loads(answer.read())

    def decisions(self) -> list[tuple[str, str]]:
        """(image, verdict) of every decision in the log, in order."""
        rows, since = [], 0
        while found := self.get(f"/studio/review/changes?since={since}")["rows"]:
            rows += [(image, verdict) for image, verdict, _, _ in found]
            since = found[-1][3]
        return rows


def fill(home: Path) -> None:
    """The bundled digits, imported by the process that owns the catalog for now."""
    from synthstudio.jobs.running.launchers import ProcessLauncher
    from synthstudio.jobs.studio import Studio
    from synthstudio.step import build

    with Studio(home, launcher=ProcessLauncher()) as studio:
        run_id, _ = studio.submit(build("collect.import_images", {"source": "source:digits"}))
        assert studio.wait(run_id).state == "done"


def review(home: Path, kills: int, presses: int, dice: random.Random) -> dict[str, float]:
    """Carry out the rounds; raises AssertionError for the first decision that is lost, doubled or out of order."""
    from playwright.sync_api import sync_playwright

    page = PageProcess(home)
    page.start()
    try:
        with sync_playwright() as started:
            browser = started.chromium.launch(executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
                                              args=FLAGS, timeout=PATIENCE)  # fmt: skip
            try:
                return rounds(page, browser.new_page(), kills, presses, dice)
            finally:
                browser.close()
    finally:
        page.kill()


def open_grid(page: PageProcess, tab: Any) -> None:
    """The Review tab, ready for keys."""
    tab.set_default_timeout(PATIENCE)
    tab.goto(f"{page.url}/?tab=review", wait_until="commit")
    tab.wait_for_selector("#ss-tile-0 img[src]")
    # A question of gradio's own that is cut off makes gradio load the page anew; after this the page asks none.
    tab.wait_for_selector("html.ss-listed", state="attached")
    tab.locator(".ss-grid").focus()


def rounds(page: PageProcess, tab: Any, kills: int, presses: int, dice: random.Random) -> dict[str, float]:
    """Press keys, kill, start again, compare."""
    acknowledged: list[str] = []
    tab.on("response", lambda said: acknowledged.append(said.url) if said.url.endswith("/decide") and said.ok else None)
    open_grid(page, tab)
    tab.evaluate("window.notReloaded = true")
    tab.keyboard.press("Home")
    images = [row[0] for row in _places(page, kills * presses)]
    expected: list[tuple[str, str]] = []
    back: list[float] = []
    for number in range(kills):
        fatal = dice.randrange(2, presses)
        for press in range(presses):
            key = dice.choice(list(KEYS))
            tab.keyboard.press(key)
            expected.append((images[len(expected)], KEYS[key]))
            if press == fatal:
                known = page.decisions() if number % 2 else None  # every other time without any pause before the kill
                page.kill()
        page.start()
        at = time.monotonic()
        if known is not None:
            assert page.decisions()[: len(known)] == known, "an acknowledged decision is gone"
        tab.wait_for_function("document.querySelector('.ss-saved').dataset.kind === 'good'")
        back.append(time.monotonic() - at)
        found = page.decisions()
        assert found == expected, f"after kill {number + 1}: {len(found)} decisions for {len(expected)} keys"
        sys.stdout.write(f"kill {number + 1}: {len(found)} decisions, the tab was back after {back[-1]:.1f} s\n")
        sys.stdout.flush()
    assert tab.evaluate("window.notReloaded"), "the tab was reloaded"
    assert acknowledged
    return {
        "kills": kills,
        "decisions": len(expected),
        "back_median": sorted(back)[len(back) // 2],
        "back_max": max(back),
    }


def _places(page: PageProcess, count: int) -> list[list]:
    query = urllib.request.quote(json.dumps(page.get("/studio/review/view?q=%7B%7D")["query"]))
    rows: list[list] = []
    while len(rows) < count:
        rows += page.get(f"/studio/review/page?q={query}&start={len(rows)}&count=500")
    return rows


def main() -> None:
    """Print one line per kill and one at the end."""
    parser = argparse.ArgumentParser(description="Kill the page while somebody reviews.")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--presses", type=int, default=12, help="keys per round")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        fill(home)
        found = review(home, asked.kills, asked.presses, random.Random(asked.seed))
    print(", ".join(f"{name} {value:g}" for name, value in found.items()), "- none lost, none doubled, in order")


if __name__ == "__main__":
    main()
