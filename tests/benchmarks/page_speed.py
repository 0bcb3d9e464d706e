"""How quick the page is, against the bounds it promises: `python -m tests.benchmarks.page_speed [PART ...]`.

Parts: start, answers, review, browsing, polling, crowd, ticks; default all. `start=2` takes two turns, `polling=4000`
so many looks, `crowd=10` so many minutes. Each part prints what it measured, its bound and the load of the machine.
Where another program is the measure, both run in turn in the same run.

    start     the first page against `import gradio` alone; torch is not in the process
    answers   a look, a decision and a form's event while two processes use all they can
    review    5,000 images in chromium: first tiles, key to tile
    browsing  gradio's temporary folder while every tab is opened again and again
    polling   memory of the page process while 20 readers ask as 20 browsers do in an hour
    crowd     50 simulated browsers beside a recipe at work: errors, answers, memory from the first minute to the last
    ticks     processor time of the clock: an idle project, and one with a silent worker
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import psutil

from tests.benchmarks.kill_review import FLAGS, PATIENCE, PageProcess

ROOT = Path(__file__).resolve().parents[2]
HOUR_OF_20_BROWSERS = 20 * 3600 // 3  # a tab that watches nothing asks every three seconds


def say(name: str, value: float, unit: str, bound: float | None = None) -> None:
    """One line of the table."""
    verdict = "" if bound is None else f"   bound {bound:g} {unit}: {'met' if value <= bound else 'MISSED'}"
    print(f"{name:46} {value:9.1f} {unit}{verdict}   (load {os.getloadavg()[0]:.1f})", flush=True)


def quantile(values: list[float], share: float) -> float:
    """A value that this share of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@contextlib.contextmanager
def served(images: int = 0):
    """A page over a fresh home, with so many synthetic images if asked."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        if images:
            paint(home, images)
        page = PageProcess(home)
        page.start()
        try:
            yield page
        finally:
            page.kill()


def paint(home: Path, images: int) -> None:
    """Small pictures that all differ, in the catalog as a run makes them; no model is needed for them."""
    import io

    import numpy as np
    from PIL import Image as Picture

    from synthstudio.artifacts import Image
    from synthstudio.events import Made
    from synthstudio.jobs import Studio
    from synthstudio.resources import Resources
    from synthstudio.step import build
    from tests.examples import EXAMPLES

    noise = np.random.default_rng(0)
    with Studio(home) as studio:
        studio.catalog.runs.add("r1", build("sample.text", EXAMPLES["sample.text"]), Resources())
        lines = []
        for number in range(images):
            out = io.BytesIO()
            Picture.fromarray(noise.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(out, "PNG", compress_level=1)
            digest = studio.workspace.put(out.getvalue())
            image = Image(digest, f"class {number % 10}", "synthetic", 64, 64, {"seed": number})
            lines.append((1.0, Made(index=number, image=image)))
        studio.catalog.ingest("r1", lines, 1)
        studio.catalog.runs.set_state("r1", "done")


def start(turns: int = 4) -> None:
    """Seconds from the command to the first page, and to the end of `import gradio`, in turn."""
    alone, first, cpu = [], [], []
    for turn in range(turns):
        began = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-c", "import gradio"])
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
        imported = time.perf_counter() - began
        with tempfile.TemporaryDirectory() as folder:
            page = PageProcess(Path(folder) / "home")
            began = time.perf_counter()
            page.start()
            urllib.request.urlopen(page.url, timeout=60).read()
            shown = time.perf_counter() - began
            spent = psutil.Process(page.process.pid).cpu_times()
            maps = Path(f"/proc/{page.process.pid}/maps").read_text()
            page.kill()
        if turn or turns == 1:  # the first turn fills the file cache
            alone.append(imported)
            first.append(shown)
            cpu.append((used.ru_utime + used.ru_stime, spent.user + spent.system))
    say("import gradio alone (median)", statistics.median(alone), "s")
    say("first page (median)", statistics.median(first), "s")
    later = statistics.median(f - a for f, a in zip(first, alone, strict=True))
    say("first page later than import gradio", later, "s", 2.0)
    say("import gradio alone, processor time", statistics.median(a for a, _ in cpu), "s")
    say("first page, processor time", statistics.median(b for _, b in cpu), "s")
    say("libraries of torch in the page process", float("libtorch" in maps), "", 0)


def answers() -> None:
    """Milliseconds until an answer while two processes compute without a pause, as a worker on both cores does."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    for one in busy:
        psutil.Process(one.pid).nice(10)  # as workers are
    try:
        with served(images=500) as page:
            looks = [timed(lambda: page.get("/studio/state")) for _ in range(200)]
            query = urllib.request.quote(json.dumps(page.get("/studio/review/view?q=%7B%7D")["query"]))
            rows = page.get(f"/studio/review/page?q={query}&start=0&count=200")
            tab = str(uuid.uuid4())
            acts = [timed(lambda image=row[0]: decide(page, tab, image)) for row in rows]
            event = event_of(page)
            events = [timed(event) for _ in range(100)]
    finally:
        for one in busy:
            one.kill()
    say("state of the project, p95 of 200", quantile(looks, 0.95), "ms", 100)
    say("a decision until it is stored, p95 of 200", quantile(acts, 0.95), "ms", 100)
    say("an event of a form, p95 of 100", quantile(events, 0.95), "ms", 100)


def timed(work) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def post(page: PageProcess, path: str, body: dict) -> bytes:
    """Ask as the page's own scripts do."""
    request = urllib.request.Request(page.url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def decide(page: PageProcess, tab: str, image: str) -> None:
    """One key."""
    act = {"id": str(uuid.uuid4()), "verdict": "reject", "images": [image]}
    post(page, "/studio/review/decide", {"project": "default", "tab": tab, "acts": [act]})


def event_of(page: PageProcess):
    """What the page sends when the recipe form changes: the preview of what the recipe will do."""
    config = page.get("/config")
    place = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "ss-plan")
    asked = next(one for one in config["dependencies"] if one["outputs"] == [place] and len(one["inputs"]) > 5)
    values = {one["id"]: one["props"].get("value") for one in config["components"]}
    data = [values.get(number) for number in asked["inputs"]]
    body = {"data": data, "fn_index": asked["id"], "session_hash": "benchmark", "trigger_id": None}
    return lambda: post(page, f"/gradio_api/run/{asked['api_name'] or 'predict'}", body)


def chromium(started):
    """The browser of this machine."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    return started.chromium.launch(executable_path=path, args=FLAGS, timeout=PATIENCE)


KEY_TO_TILE = """
async () => {
  const grid = document.querySelector('.ss-grid'), taken = [];
  for (let n = 0; n < 200; n += 1) {
    const tile = document.querySelector(`#ss-tile-${n}`);
    const began = performance.now();
    grid.dispatchEvent(new KeyboardEvent('keydown', { key: n % 2 ? 'x' : 'p', bubbles: true, cancelable: true }));
    await new Promise(done => { (function look() {
      const now = document.querySelector(`#ss-tile-${n}`)?.dataset.standing;
      if (now === (n % 2 ? 'rejected' : 'accepted')) requestAnimationFrame(() => requestAnimationFrame(done));
      else if (performance.now() - began > 2000) done(); else setTimeout(look, 1);
    })(); });
    taken.push(performance.now() - began);
  }
  return taken;
}
"""

# What the browser itself says of real keys: from the key to the paint that follows it, in steps of 8 ms. The handler
# asks for its drawing within the key's own frame, so that paint holds the tile.
LISTEN = """() => { window.painted = []; new PerformanceObserver(list => {
  for (const one of list.getEntries()) if (one.name === 'keydown') window.painted.push(one.duration);
}).observe({ type: 'event', durationThreshold: 16 }); }"""


def review() -> None:
    """5,000 images: from opening the tab in a loaded page to the first tiles with pictures; from a key to its tile."""
    from playwright.sync_api import sync_playwright

    with served(images=5000) as page, sync_playwright() as started:
        browser = chromium(started)
        shown, keys, painted = [], [], []
        for _ in range(3):
            tab = browser.new_context(viewport={"width": 1360, "height": 900}).new_page()
            tab.set_default_timeout(PATIENCE)
            tab.goto(page.url, wait_until="commit")
            tab.get_by_role("tab", name="Review", exact=True).first.wait_for()
            tab.wait_for_timeout(3000)
            began = time.perf_counter()
            tab.get_by_role("tab", name="Review", exact=True).first.click()
            tab.wait_for_function("[...document.querySelectorAll('.ss-tile img')].some(one => one.naturalWidth)")
            shown.append(time.perf_counter() - began)
            tab.locator(".ss-grid").focus()
            tab.keyboard.press("Home")
            keys += tab.evaluate(KEY_TO_TILE)
            tab.keyboard.press("Home")
            tab.evaluate(LISTEN)
            for n in range(200):
                tab.keyboard.press("xp"[n % 2])
            tab.wait_for_timeout(500)
            reported = tab.evaluate("window.painted")
            painted += reported + [16.0] * (200 - len(reported))  # quicker than 16 ms is not reported at all
            tab.close()
        browser.close()
    say("Review of 5,000 images, first pictures (median)", statistics.median(shown), "s", 1.0)
    say("key to tile, median of 600", statistics.median(keys), "ms")
    say("... p95 (until the second frame after it)", quantile(keys, 0.95), "ms")
    say("key to paint as chromium reports it, median", statistics.median(painted), "ms")
    say("... p95 of 600", quantile(painted, 0.95), "ms", 50)


def size_of(folder: Path) -> int:
    """Bytes of all files."""
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def browsing() -> None:
    """Bytes in gradio's temporary folder after every tab was opened three times by two readers."""
    from playwright.sync_api import sync_playwright

    tabs = ("Data", "Adapt", "Sample", "Review", "Evaluate", "Runs", "Export", "Start")
    with served(images=300) as page, sync_playwright() as started:
        temporary = page.home / "tmp" / "gradio"
        browser = chromium(started)
        sizes = []
        for _ in range(2):
            tab = browser.new_page()
            tab.set_default_timeout(PATIENCE)
            tab.goto(page.url, wait_until="commit")
            for name in tabs * 3:
                tab.get_by_role("tab", name=name, exact=True).first.click()
                tab.wait_for_timeout(300)
            sizes.append(size_of(temporary) if temporary.exists() else 0)
            tab.close()
        browser.close()
    say("gradio's temporary folder after a reader", sizes[0] / 1024, "KB")
    say("... and what a second reader added", (sizes[1] - sizes[0]) / 1024, "KB", 0)


def polling(looks: int = HOUR_OF_20_BROWSERS) -> None:
    """As many looks as 20 open browsers take in an hour, as quickly as they are answered, over a project at work."""
    with served(images=500) as page:
        process = psutil.Process(page.process.pid)
        ask(page, max(400, looks // 10))
        before = process.memory_info().rss
        asked = ask(page, looks)
        after = process.memory_info().rss
    say("looks asked by 20 readers", float(asked), "")
    say("memory of the page process afterwards", after / 2**20, "MB", 700)
    say("growth per look", (after - before) / asked, "bytes", 100)


def ask(page: PageProcess, total: int) -> int:
    """20 threads, each with looks at what a browser polls."""
    import httpx

    paths = ("/studio/state", "/studio/state", "/studio/review/changes?since=0", "/studio/runs")
    failed = []

    def browse() -> None:
        with httpx.Client(base_url=page.url, timeout=60) as client:
            for number in range(total // 20):
                if client.get(paths[number % len(paths)]).status_code != 200:
                    failed.append(number)

    threads = [threading.Thread(target=browse) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failed
    return total // 20 * 20


CROWD = 50


def crowd(minutes: int = 10) -> None:
    """50 simulated browsers look, page through Review, fetch pictures and decide, while a recipe runs."""
    with served(images=2000) as page:
        asked = {"data": ["datadream", "digits", 4, 1, "quick", "pico", 0, "", ""]}
        post(page, "/gradio_api/call/run_recipe", asked)
        process, until = psutil.Process(page.process.pid), time.monotonic() + 60 * minutes
        browsers = [Browser(page, number, until) for number in range(CROWD)]
        memory = []
        while time.monotonic() < until:
            time.sleep(5)
            memory.append(process.memory_info().rss / 2**20)
        for one in browsers:
            one.join()
        acknowledged = sum(one.decided for one in browsers)
        stored = len(page.decisions())
    taken = [each for one in browsers for each in one.taken]
    errors = [each for one in browsers for each in one.errors]
    say(f"questions of {CROWD} browsers in {minutes} minutes", float(len(taken)), "")
    say("errors", float(len(errors)), "", 0)
    for one in errors[:5]:
        print(f"    {one}")
    say("decisions acknowledged but not stored", float(acknowledged - stored), "", 0)
    say("an answer, median", statistics.median(taken), "ms")
    say("... p95", quantile(taken, 0.95), "ms", 250)
    third = max(1, len(memory) // 3)
    early, late = statistics.median(memory[third : 2 * third]), statistics.median(memory[-third:])
    say("memory of the page process, second third", early, "MB")
    say("... last third", late, "MB", 700)
    say("growth between them", 100 * (late - early) / early, "%", 5)


class Browser(threading.Thread):
    """What one open tab asks for: state every second, now and then a page of tiles, pictures and a decision."""

    def __init__(self, page: PageProcess, number: int, until: float) -> None:
        super().__init__(daemon=True)
        self.page, self.number, self.until = page, number, until
        self.taken: list[float] = []
        self.errors: list[str] = []
        self.decided = 0
        self.start()

    def run(self) -> None:
        """Ask until the time is over; each browser begins at a moment of its own."""
        time.sleep(self.number / CROWD * 3)
        tab, turn = str(uuid.uuid4()), 0
        query = urllib.request.quote(json.dumps(self.page.get("/studio/review/view?q=%7B%7D")["query"]))
        while time.monotonic() < self.until:
            self._timed(lambda: self.page.get("/studio/state"))
            self._timed(lambda: self.page.get("/studio/review/changes?since=0"))
            if turn % 5 == 0:
                start = (self.number * 37 + turn * 11) % 1800
                rows = self._timed(lambda at=start: self.page.get(f"/studio/review/page?q={query}&start={at}&count=60"))
                for row in (rows or [])[:6]:
                    self._timed(lambda name=row[0]: self._picture(name))
                if rows and self._timed(lambda name=rows[0][0]: decide(self.page, tab, name) or True):
                    self.decided += 1
            turn += 1
            time.sleep(1.0)

    def _picture(self, digest: str) -> bool:
        with urllib.request.urlopen(f"{self.page.url}/studio/images/{digest}?size=128", timeout=60) as answer:
            return bool(answer.read())

    def _timed(self, work):
        """The answer, its milliseconds noted; None and a line where there was an error."""
        began = time.perf_counter()
        try:
            found = work()
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
            return None
        self.taken.append(1000 * (time.perf_counter() - began))
        return found


def ticks() -> None:
    """Processor milliseconds of one tick; the page ticks about three times a second."""
    from synthstudio.jobs import Studio
    from synthstudio.jobs.running.launchers import ProcessLauncher
    from synthstudio.step import build

    class Silent(ProcessLauncher):
        """A worker that lives and says nothing: this process."""

        def launch(self, folder, computes):
            return os.getpid(), psutil.Process().create_time()

    with tempfile.TemporaryDirectory() as folder, Studio(Path(folder), launcher=Silent()) as studio:
        say("a tick of an idle project", per_tick(studio), "ms", 1.0)
        studio.submit(build("collect.import_images", {"source": "source:digits"}))
        studio.tick()
        say("a tick with a worker that says nothing", per_tick(studio), "ms", 1.0)
        say("... when the catalog is asked, as after a write", per_tick(studio, write=True), "ms")


def per_tick(studio, write: bool = False, count: int = 200) -> float:
    """Mean processor time."""
    studio.tick()
    began = time.process_time()
    for _ in range(count):
        if write:
            with studio.catalog.database.transaction():
                pass
        studio.tick()
    return 1000 * (time.process_time() - began) / count


PARTS = {"start": start, "answers": answers, "review": review, "browsing": browsing, "polling": polling, "crowd": crowd,
         "ticks": ticks}  # fmt: skip


def main() -> None:
    """Measure the parts that were named."""
    for name in sys.argv[1:] or PARTS:
        part, _, turns = name.partition("=")
        print(f"-- {name}", flush=True)
        PARTS[part](*([int(turns)] if turns else []))


if __name__ == "__main__":
    main()
