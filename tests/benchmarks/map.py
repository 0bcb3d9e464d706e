"""How long a map takes: to fit, to place the rest, to answer, and to draw in a browser without a graphics card.

    python -m tests.benchmarks.map 2000 20000 100000
    python -m tests.benchmarks.map 1000000 --draw

Vectors of 512 numbers, a hundred clouds. Fitted to 2,000 of them, as `measure.map` does; one thread. `--draw`: without
fitting. Frames are counted by requestAnimationFrame over five seconds of dragging, 1,300 by 700 pixels;
while it is dragged, a map draws 150,000 points at most.
"""

import functools
import http.server
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402 - after the number of threads
from sklearn.manifold import trustworthiness  # noqa: E402

from synthstudio import projection  # noqa: E402
from synthstudio.artifacts import Image  # noqa: E402
from synthstudio.catalog import Catalog  # noqa: E402
from synthstudio.catalog.decisions import Act  # noqa: E402
from synthstudio.catalog.review import Query  # noqa: E402
from synthstudio.events import Made  # noqa: E402
from synthstudio.jobs.knowing.maps import Map  # noqa: E402
from synthstudio.resources import Resources  # noqa: E402
from synthstudio.steps.measure.map import FITTED_TO, _rows  # noqa: E402
from synthstudio.ui.api.map_routes import _packed  # noqa: E402
from synthstudio.workspace import Workspace  # noqa: E402
from tests.benchmarks.review_speed import timed  # noqa: E402
from tests.jobs.counting import Paint  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WIDTH, CLOUDS, SECONDS = 512, 100, 5
_PAGE = """<!doctype html><body style="margin:0"><canvas id="c"></canvas><script type="module">
import { Camera, Index, read } from "/assets/page/grid/points.js";
import { Raster } from "/assets/page/grid/raster.js";
import { coloured, sizeOf, strideOf } from "/assets/page/grid/map_colours.js";
window.drag = async (seconds) => {
  const begun = performance.now();
  const points = read(await (await fetch("/points")).arrayBuffer());
  const index = new Index(points);
  const raster = new Raster(document.querySelector("#c")), camera = new Camera();
  raster.resize(1300, 700);
  camera.fit(1300, 700);
  const theme = { ground: [255, 255, 255], ink: [20, 20, 20], accent: [0, 120, 110] };
  const look = { points, camera, ...coloured(points, "class", theme), ...theme,
    holes: [], selection: [], size: sizeOf(points.placed, 1, 1) };
  raster.draw(look);
  const loaded = performance.now() - begun;
  let frames = 0;
  const first = performance.now();
  look.stride = strideOf(points.total);
  while (performance.now() - first < 1000 * seconds) {
    camera.pan(3 * Math.sin(frames / 9), 2 * Math.cos(frames / 7));
    raster.draw(look);
    await new Promise(requestAnimationFrame);
    frames++;
  }
  const rate = (1000 * frames) / (performance.now() - first);
  const round = (at) => [0.5 + 0.3 * Math.cos(at / 31.8), 0.5 + 0.3 * Math.sin(at / 31.8)];
  const corners = Array.from({ length: 200 }, (_, at) => round(at));
  const before = performance.now();
  const inside = index.inside(corners).length;
  return { loaded, rate, lasso: performance.now() - before, inside };
};
window.ready = true;
</script>"""


def vectors(images: int) -> np.ndarray:
    """Unit vectors around a hundred directions."""
    random = np.random.default_rng(0)
    centres = 1.5 * random.standard_normal((CLOUDS, WIDTH), np.float32)
    found = centres[np.arange(images) % CLOUDS] + random.standard_normal((images, WIDTH), np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def laid(images: int) -> tuple[dict[str, float], np.ndarray]:
    """Seconds to fit and to place, and the places."""
    if "--draw" in sys.argv:
        return {}, np.random.default_rng(0).random((images, 2), np.float32)
    given = vectors(images)
    anchors = given[:FITTED_TO]
    fitting, fitted = timed(lambda: projection.fit(anchors))
    placing, rest = timed(lambda: projection.place(given[FITTED_TO:], anchors, fitted))
    kept = trustworthiness(anchors, fitted.places, n_neighbors=10)
    rows = {"fitted, s": fitting / 1000, "the rest placed, s": placing / 1000, "trustworthiness (10)": kept}
    return rows, np.concatenate([fitted.places, rest])


def answered(places: np.ndarray, folder: Path) -> tuple[dict[str, float], bytes]:
    """What the catalog takes to answer, and the answer."""
    digests = [f"{number * 2654435761 % (1 << 60):015x}{number:049x}" for number in range(len(places))]
    known = Map(f"map:{'0' * 64}", "r1", "eye@0123456789ab", "tsne", _rows(digests, places, anchor=False))
    with Catalog(Workspace(folder / str(len(places))).catalog) as catalog:
        catalog.runs.add("r1", Paint(), Resources())
        origins = ("real", "synthetic")
        lines = [
            (1.0, Made(index=n, image=Image(d, f"class {n % CLOUDS}", origins[n % 20 > 0], 8, 8)))
            for n, d in enumerate(digests)
        ]
        catalog.ingest("r1", lines, 10)
        query = catalog.review.settle(Query())
        catalog.review.size(query)
        first, _ = timed(lambda: _packed(catalog.points.of(query, known.id, known.rows), known))
        again, answer = timed(lambda: _packed(catalog.points.of(query, known.id, known.rows), known), 3)
        standings, _ = timed(lambda: catalog.points.standings(query), 3)
        scattered = [(place, place) for place in range(0, len(places), 2)][:100_000]
        act = Act("lasso", "t", catalog.review.chosen(query, scattered), "reject")
        decided, _ = timed(lambda: catalog.decisions.decide([act], "me"))
    rows = {"first answer, ms": first, "next answer, ms": again, "standings, ms": standings}
    return rows | {"answer, MB": len(answer) / 1e6, "every second image rejected, ms": decided}, answer


class _Files(http.server.SimpleHTTPRequestHandler):
    """The page's own modules, a page for them and the points."""

    points = b""

    def do_GET(self) -> None:
        """Points and page from memory, modules from the disk."""
        known = {"/": ("text/html", _PAGE.encode()), "/points": ("application/octet-stream", self.points)}
        if self.path not in known:
            super().do_GET()
            return
        kind, body = known[self.path]
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def drawn(answer: bytes) -> dict[str, float]:
    """Frames a second while somebody drags, in chromium without a graphics card."""
    from playwright.sync_api import sync_playwright

    _Files.points = answer
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(ROOT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1360, "height": 760})
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_function("() => window.ready")
        found = page.evaluate(f"drag({SECONDS})")
        browser.close()
    server.shutdown()
    return {"read and first drawn, ms": found["loaded"], "frames a second": found["rate"], "lasso, ms": found["lasso"]}


def main() -> None:
    """Print one column per size."""
    sizes = [int(text) for text in sys.argv[1:] if text.isdigit()] or [2_000, 20_000, 100_000]
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        for images in sizes:
            rows, places = laid(images)
            more, answer = answered(places, Path(folder))
            tables.append(rows | more | drawn(answer))
    print(json.dumps({"load": os.getloadavg()[0], "at": time.strftime("%Y-%m-%d %H:%M")}))
    print(f"{'images':56}", *(f"{images:>12,}" for images in sizes))
    for name in tables[0]:
        print(f"{name:56}", *(f"{table[name]:12.2f}" for table in tables))


if __name__ == "__main__":
    main()
