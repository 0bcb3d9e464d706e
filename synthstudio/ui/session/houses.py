"""Open projects: each is a house, opened when somebody asks for it and closed when nobody does and nothing works."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from synthstudio.catalog.runs import ACTIVE
from synthstudio.errors import BadInput, CatalogDamaged, StudioError
from synthstudio.jobs import Studio
from synthstudio.jobs.knowing.curves import Curves, Rates
from synthstudio.step import STEPS
from synthstudio.workspace import slug

Opener = Callable[[Path, str], Studio]
_SLUG = re.compile(r"[a-z0-9-]{1,64}")
_IDLE_SECONDS = 900.0
_IN_USE_SECONDS = 60.0  # a page that is looked at asks every few seconds


class House:
    """One open project of a home. Reads may come from any thread, changes take the lock."""

    def __init__(
        self, home: Path, project: str, opener: Opener = Studio, lock: "threading.RLock | None" = None
    ) -> None:  # fmt: skip
        self.home = Path(home).absolute()
        self.project = project
        self.slug = slug(project)
        self.lock = lock or threading.RLock()
        self.curves = Curves()
        self.rates = Rates()
        self.opened = time.time()
        self.computing = 0  # workers that hold a device, as of the last tick
        self._damaged = False  # the catalog has to be made again
        self._closed = False
        self._opener = opener
        self.studio = opener(self.home, project)

    def tick(self) -> None:
        """One look of the owner at its workers."""
        with self.lock:
            if self._closed:
                return
            try:
                if self._damaged:
                    self._open_again()
                self.studio.tick()
            except CatalogDamaged:
                self._damaged = True  # tried again with every tick, should the disk be full at first
                raise
            working = self.studio.active()
            self.rates.note(working)
            self.computing = sum(STEPS[run.kind].computes for run in working if run.kind in STEPS)

    def _open_again(self) -> None:
        """Close a project whose catalog turned out to be damaged and open it again, which makes the catalog anew."""
        launcher = self.studio.launcher
        with contextlib.suppress(StudioError):
            self.studio.close()
        self.studio = self._opener(self.home, self.project)
        self.studio.launcher, self.opened, self._damaged = launcher, time.time(), False

    def working(self) -> bool:
        """Whether something waits or works here: then somebody has to look after it."""
        if self._damaged:
            return True
        catalog = self.studio.catalog
        return bool(catalog.runs.in_state("queued", *ACTIVE) or catalog.pipelines.running())

    def close(self) -> None:
        """Release the catalog; workers go on."""
        with self.lock:
            if not self._closed:
                self._closed = True
                self.studio.close()


@dataclass
class _Place:
    """Where a house stands, or will: whoever opens or closes it holds `lock`."""

    home: Path
    house: House | None = None
    asked: float = 0.0
    lock: "threading.RLock" = field(default_factory=threading.RLock)


class Houses:
    """The open houses by home and slug: at most so many of one home, and so many in all.

    The door is held for moments only. Opening and closing a project takes longer, and holds the place of that project.
    """

    def __init__(self, most_each: int, most: int) -> None:
        self._most_each, self._most = most_each, most
        self._places: dict[tuple[Path, str], _Place] = {}
        self._door = threading.RLock()

    def get(self, home: Path, name: str, make: Callable[[], House]) -> House:
        """The house of the project with this slug, opened with `make` if it is not open.

        BadInput where there is no room: every open one is looked at, or works.
        """
        while True:
            found = self.open_one(home, name)
            if found is not None:
                return found
            self._make_room(home, name)
            with self._door:
                place = self._places.setdefault((home, name), _Place(home))
                place.asked = time.monotonic()
            with place.lock:
                if not self._stands(home, name, place):
                    continue  # it was closed, and forgotten, while we waited for its lock
                if place.house is None:
                    try:
                        place.house = make()
                    except BaseException:
                        self._forget(place)
                        raise
                return place.house

    def open_one(self, home: Path, name: str) -> House | None:
        """The house of the project with this slug if it is open: what `get` would answer at once."""
        with self._door:
            place = self._places.get((home, name))
            if place is None or place.house is None:
                return None
            place.asked = time.monotonic()
            return place.house

    def all(self, home: Path | None = None) -> list[House]:
        """Every open house, or those of one home."""
        with self._door:
            return [one.house for one in self._places.values() if one.house is not None and home in (None, one.home)]

    def rotate(self) -> None:
        """Begin with another one next time, so that everybody's work gets its turn."""
        with self._door:
            if self._places:
                key = next(iter(self._places))
                self._places[key] = self._places.pop(key)

    def close_idle(self) -> None:
        """Close what nobody has asked for in a while and that has no work."""
        with self._door:
            old = [one for one in self._places.values() if time.monotonic() - one.asked > _IDLE_SECONDS]
        for place in old:
            self._let_go(place, _IDLE_SECONDS)

    def close(self) -> None:
        """Close every house."""
        with self._door:
            places = list(self._places.values())
            self._places.clear()
        for place in places:
            with place.lock:
                if place.house is not None:
                    place.house.close()

    def _make_room(self, home: Path, name: str) -> None:
        """Where it is full, whoever was longest away goes, unless their work goes on or they are looked at."""
        for most, homes, sentence in (
            (self._most_each, home, "{} projects are open and in use. Close the page of one, wait for its work, or"
             " come back in a minute."),
            (self._most, None, "Too many people are working here right now. Try again in a few minutes."),
        ):  # fmt: skip
            with self._door:
                here = {key: one for key, one in self._places.items() if homes in (None, one.home)}
                oldest = sorted(here.values(), key=lambda one: one.asked)
            if len(here) < most or (home, name) in here:
                continue
            if not any(self._let_go(place, _IN_USE_SECONDS) for place in oldest):
                raise BadInput(sentence.format(len(here)))

    def _let_go(self, place: _Place, seconds: float) -> bool:
        """Close a house without work that nobody asked for in so many seconds; whether it was closed."""
        with place.lock:
            house = place.house
            # Whoever holds the house may ask for it again meanwhile, and would wait for us while we wait for them.
            if house is None or not house.lock.acquire(blocking=False):
                return False
            try:
                if time.monotonic() - place.asked < seconds or house.working():
                    return False
                place.house = None
                try:
                    house.close()
                finally:
                    self._forget(place)
            finally:
                house.lock.release()
            return True

    def _stands(self, home: Path, name: str, place: _Place) -> bool:
        with self._door:
            return self._places.get((home, name)) is place

    def _forget(self, place: _Place) -> None:
        with self._door:
            for key in [key for key, one in self._places.items() if one is place]:
                del self._places[key]


def known_projects(home: Path) -> dict[str, str]:
    """The names of the projects of a home by slug, in the order of their slugs."""
    slugs = sorted(about.parent.name for about in home.glob("projects/*/project.json"))
    return {one: name for one in slugs if (name := project_name(home, one)) is not None}


def project_name(home: Path, place: str) -> str | None:
    """The name of the project with this slug, which may be any text; None if there is none."""
    if not _SLUG.fullmatch(place):
        return None
    try:
        name = str(json.loads((home / "projects" / place / "project.json").read_bytes())["name"])
    except (ValueError, KeyError, TypeError, OSError):  # not there, or no project of ours
        return None
    return name if slug(name) == place else None  # a copied folder would open the project it was copied from
