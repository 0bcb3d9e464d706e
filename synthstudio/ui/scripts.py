"""The browser code of the page (`assets/page`): where it is served, and the one door between it and gradio.

Its modules import each other by relative addresses, so all of them lie below one digest of them all: a browser may keep
each version for ever, and never mixes two.
"""

import functools
import hashlib
import json

from synthstudio.models import ASSETS

PAGE = ASSETS / "page"
KINDS = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_AT = "/studio/page"


@functools.cache
def files() -> frozenset[str]:
    """What is served, by the path below `assets/page`."""
    return frozenset(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.suffix in KINDS)


@functools.cache
def version() -> str:
    """Changes with any of the files, and with their names."""
    found = hashlib.sha256()
    for name in sorted(files()):
        found.update(f"{name}\0".encode() + hashlib.sha256((PAGE / name).read_bytes()).digest())
    return found.hexdigest()[:12]


def address(name: str) -> str:
    """Where a browser finds one of the files."""
    return f"{_AT}/{version()}/{name}"


def head() -> str:
    """Links to the page's own styles and to its one script, which imports the others: they are asked for at once."""
    modules = [name for name in sorted(files()) if name.endswith(".js") and not name.startswith("grid/")]
    return "\n".join(
        [
            f'<link rel="icon" type="image/svg+xml" href="{address("logo.svg")}">',
            *(f'<link rel="stylesheet" href="{address(name)}">' for name in ("style.css", "distil.css")),
            *(f'<link rel="modulepreload" href="{address(name)}">' for name in modules),
            f'<script type="module" src="{address("main.js")}"></script>',
        ]
    )


def call(name: str, *values: object) -> str:
    """What a gradio event runs in the browser: a function of `assets/page/door.js`, given these values, then its own.

    The module is imported by its address: nothing of the page is global, and no order of loading matters.
    """
    given = "".join(f"{json.dumps(value)}, " for value in values)
    return f"async (...all) => (await import({json.dumps(address('door.js'))})).{name}({given}...all)"


def hears(event: str, fires: str) -> str:
    """The other way, for the `js_on_load` of a place: a DOM event of what is in it fires an event of gradio."""
    return f"element.addEventListener({json.dumps(event)}, (event) => trigger({json.dumps(fires)}, event.detail));"
