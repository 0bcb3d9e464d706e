"""The data a project can use: the bundled digits, and what a person brought in."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from synthstudio.intake.sources import DIGITS
from synthstudio.ui.session import StudioSession

_DIGITS_COUNT = 1797
ABOUT = "about.json"


@dataclass(frozen=True)
class Stock:
    """A source of photos: what to show, what to hand to a recipe, how many photos it holds."""

    title: str
    data: str
    photos: int | None


def stock(session: StudioSession) -> list[Stock]:
    """Everything that can be chosen as data, the newest import first."""
    found = []
    for about in sorted(folder(session).glob(f"*/{ABOUT}"), reverse=True):
        with suppress(ValueError, KeyError, OSError):
            body = json.loads(about.read_bytes())
            found.append(Stock(str(body["title"]), str(about.parent / body["path"]), int(body["photos"])))
    return [*found, Stock("Handwritten digits (bundled, 1,797 photos)", DIGITS, _DIGITS_COUNT)]


def folder(session: StudioSession) -> Path:
    """Where confirmed uploads of the open project live."""
    return session.studio.workspace.root / "sources"


def title_of(session: StudioSession, data: object) -> str:
    """What to call a source in a sentence."""
    known = next((one.title for one in stock(session) if one.data == data), None)
    return known or str(data).rstrip("/").rpartition("/")[2]


def photos_in(session: StudioSession, data: str) -> int | None:
    """How many photos a source holds, if that is known already."""
    return next((one.photos for one in stock(session) if one.data == data), None)
