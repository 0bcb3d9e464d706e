"""The README's pictures: the page as it is, light and dark, wide and on a phone, and a tour of it, as small files.

`SCREENSHOTS=assets/screenshots python -m pytest tests/browser/test_looks.py -k pictures` makes them anew, of the quick
recipe as everybody gets it; without that, a smaller recipe is shown and the pictures are thrown away.
"""

import io
from pathlib import Path

from PIL import Image

from tests.browser.test_a_newcomer import go

MOST_BYTES, MOST_BYTES_OF_THE_TOUR, MOST_BYTES_TOGETHER = 150_000, 250_000, 900_000
SHOWN = {"start": ("Start", "studio-live .ss-answer .ss-arm"), "review": ("Review", "#ss-tile-5 img")}
SIZES = {"phone": (390, 780), "wide": (1280, 900)}
SCHEMES = ("light", "dark")
TOUR = "tour.webp"
NAMES = [f"{name}-{size}-{scheme}.png" for name in SHOWN for size in SIZES for scheme in SCHEMES] + [TOUR]
# What a tab has drawn once it can be looked at, after a recipe.
DRAWN = {
    "Start": "studio-live .ss-answer .ss-arm",
    "Data": "studio-data .ss-card",
    "Adapt": "studio-latest[kind='adapt.'] .ss-card",  # of the newest training, which may have no loss yet
    "Sample": "#ss-sample-preview .ss-plan",
    "Review": "#ss-tile-0 img",
    "Distil": "#ss-distil-plan .ss-plan",
    "Train": "#ss-train-plan .ss-plan",
    "Evaluate": "studio-evaluate .ss-confusion",
    "Runs": "studio-runs .ss-detail h2",
    "Library": "studio-library tbody tr",
    "Export": "#ss-export-go",
}
# The way of the work.
STATIONS = ("Start", "Data", "Adapt", "Sample", "Review", "Train", "Evaluate", "Export")
_STATION_MILLISECONDS = 2500

# Every tile has its picture, and so have the details where they are in sight.
_DRAWN = """() => {
  const tiles = [...document.querySelectorAll('.ss-tile img')], shown = document.querySelector('.ss-drawer img');
  return tiles.length > 5 && [...tiles, ...(shown?.offsetParent ? [shown] : [])].every((one) => one.naturalWidth);
}"""


def most_bytes(name: str) -> int:
    """How large a picture may be."""
    return MOST_BYTES_OF_THE_TOUR if name == TOUR else MOST_BYTES


def take(open_page, pipeline: str, folder: Path) -> list[Path]:
    """Write every picture; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for size, (width, height) in SIZES.items():
        page = open_page(f"/?run={pipeline}&only={pipeline}", width=width, height=height).page
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            for name, (tab, drawn) in SHOWN.items():
                go(page, tab)
                page.wait_for_selector(drawn)
                page.wait_for_function(
                    "() => [...document.images].every((one) => one.offsetParent === null || one.loading === 'lazy'"
                    " || one.complete)"
                )
                if name == "review":
                    page.get_by_label("Order").select_option("shuffled")
                    page.wait_for_timeout(1500)  # the pictures of the order before are there already
                    page.wait_for_function(_DRAWN)
                made.append(folder / f"{name}-{size}-{scheme}.png")
                made[-1].write_bytes(small(page.screenshot()))
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})
    return [*made, _tour(page, folder)]


def _tour(page, folder: Path) -> Path:
    """One moving picture of the tabs in the order of the work."""
    frames = []
    for tab in STATIONS:
        go(page, tab)
        page.wait_for_selector(DRAWN[tab])
        page.wait_for_timeout(1500)  # curves and pictures of the tab
        with Image.open(io.BytesIO(page.screenshot())) as opened:
            frames.append(opened.convert("RGB").resize((960, 600), Image.Resampling.LANCZOS))
    first, *others = frames
    first.save(
        folder / TOUR, save_all=True, append_images=others, duration=_STATION_MILLISECONDS, loop=0, quality=60, method=6
    )
    return folder / TOUR


def small(png: bytes) -> bytes:
    """The picture with as many colours as fit into the limit; a page needs few."""
    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    for colours in (256, 128, 64):
        out = io.BytesIO()
        picture.quantize(palette=palette(picture, colours), dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        if out.tell() <= MOST_BYTES:
            break
    return out.getvalue()


def palette(picture: Image.Image, colours: int) -> Image.Image:
    """Half of it the commonest colours as they are: backgrounds keep their tint. The rest covers what is left."""
    counted = sorted(picture.getcolors(picture.width * picture.height), reverse=True)
    commonest = [channel for _, colour in counted[: colours // 2] for channel in colour]
    # Maximum coverage keeps the few coloured pixels among the many grey ones.
    spread = picture.quantize(colours - len(commonest) // 3, Image.Quantize.MAXCOVERAGE).getpalette()
    found = Image.new("P", (1, 1))
    found.putpalette(commonest + spread)
    return found
