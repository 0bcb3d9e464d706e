"""The data a project can use: the bundled digits, and what a person brought in."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from synthstudio.intake.sources import DIGITS
from synthstudio.jobs.readable import Readable

DIGITS_COUNT = 1797
ABOUT = "about.json"
BUNDLED = ("Handwritten digits (bundled, 1,797 photos)", DIGITS)


@dataclass(frozen=True)
class Stock:
    """A source of photos: what to show, what to hand to a recipe, how many photos it holds."""

    title: str
    data: str
    photos: int | None


def stock(studio: Readable) -> list[Stock]:
    """Everything that can be chosen as data, the newest import first."""
    found = []
    for about in sorted(folder(studio).glob(f"*/{ABOUT}"), reverse=True):
        with suppress(ValueError, KeyError, OSError):
            body = json.loads(about.read_bytes())
            found.append(Stock(str(body["title"]), str(about.parent / body["path"]), int(body["photos"])))
    return [*found, Stock(*BUNDLED, DIGITS_COUNT)]


def folder(studio: Readable) -> Path:
    """Where confirmed uploads of the open project live."""
    return studio.workspace.root / "sources"


def place_of_upload(studio: Readable, data: str) -> Path | None:
    """The folder of the confirmed upload that this is the data of, if it is one."""
    inside = folder(studio)
    return inside / Path(data).relative_to(inside).parts[0] if Path(data).is_relative_to(inside) else None


def typed(studio: Readable, data: str) -> bool:
    """Whether a place of photos is none of the project's own uploads: somebody wrote it themselves."""
    return place_of_upload(studio, data) is None


def title_of(studio: Readable, data: object) -> str:
    """What to call a source in a sentence."""
    known = next((one.title for one in stock(studio) if one.data == data), None)
    return known or str(data).rstrip("/").rpartition("/")[2]
