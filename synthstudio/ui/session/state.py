"""What the page process owns: open projects, the lock around their changes, the thread that ticks."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from synthstudio.errors import BadInput, StudioError, UnknownName
from synthstudio.jobs import Studio
from synthstudio.jobs.knowing.curves import Curves, Rates
from synthstudio.jobs.public.ledger import Ledger
from synthstudio.ui.session import address
from synthstudio.ui.session.houses import House, Houses, known_projects, project_name
from synthstudio.ui.session.place import HOME, Place
from synthstudio.workspace import slug, write_atomically

log = logging.getLogger("synthstudio")

_TICK_SECONDS = 0.3
_OPEN_PROJECTS = 8
_FIRST = "default"
_LONGEST_NAME = 120
_LAST = "last-project"  # a file of the home: the slug of the project that was opened last


class StudioSession:
    """The page's own house: everybody who reaches the page works in it."""

    def __init__(self, home: Path, project: str | None = None, where: Place = HOME) -> None:
        """Open a project of a home: this one, else the one that was opened last."""
        self.where = where
        self.looks: Callable[[Path], int] = lambda home: 0  # at uploaded files, of a home
        self._own_home = Path(home).absolute()
        self._ledger = Ledger(home)  # at home only the disk says no
        self.open_houses = Houses(*self._most_open())
        self._last: dict[Path, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="studio tick")
        first = project or self._last_name(self._own_home)
        self._entered(self._own_home, first)  # a mistake is said now, not to the first who asks
        if project:
            self._note_last(self._own_home, slug(project))

    def _most_open(self) -> tuple[int, int]:
        """How many projects may be open: of one home, and of all."""
        return _OPEN_PROJECTS, _OPEN_PROJECTS

    def _opened(self, home: Path, project: str) -> House:
        return House(home, project)

    def _entered(self, home: Path, project: str) -> House:
        return self.open_houses.get(home, slug(project), lambda: self._opened(home, project))

    @property
    def home(self) -> Path:
        """The folder of who asks, which holds their projects."""
        return self._own_home

    @property
    def recipe_home(self) -> Path:
        """Whose recipes are offered: those of the owner of this page, whoever asks."""
        return self._own_home

    @property
    def house(self) -> House:
        """The open project that who asks means: the one in the address, else the one that was opened last.

        UnknownName if there is none of that name: only `open` makes projects.
        """
        home, asked = self.home, address.wanted()
        if asked is None:
            return self._entered(home, self._last_name(home))
        found = self.open_houses.open_one(home, asked)
        if found is not None:
            return found
        name = self.find(asked)
        if name is None:
            raise UnknownName(f"There is no project {asked[:80]!r} here. Open another on the Start tab.")
        return self._entered(home, name)

    def find(self, text: str) -> str | None:
        """The name of the project that an address or a program means by its slug or its name; None if none is there."""
        if not _can_be_name(text):
            return None
        found = project_name(self.home, text) or project_name(self.home, slug(text))
        return _FIRST if found is None and text == _FIRST else found

    def last(self) -> str:
        """The name of the project that who asks opened last."""
        return self._last_name(self.home)

    def note_opened(self, project: str) -> None:
        """Remember that this project was opened last, for an address that names none."""
        self._note_last(self.home, slug(project))

    def _last_name(self, home: Path) -> str:
        if home not in self._last:
            try:
                self._last[home] = (home / _LAST).read_text(encoding="utf-8")[:64]
            except (OSError, ValueError):  # nothing was opened yet
                self._last[home] = _FIRST
        found = self.open_houses.open_one(home, self._last[home])
        return found.project if found is not None else project_name(home, self._last[home]) or _FIRST

    def _note_last(self, home: Path, name: str) -> None:
        if self._last.get(home) == name:
            return
        self._last[home] = name
        try:
            write_atomically(home / _LAST, name.encode())
        except StudioError as error:  # nothing but a convenience is lost by it
            log.warning("which project was opened last cannot be kept: %s", error)

    @property
    def project(self) -> str:
        """The name of the project that who asks means."""
        return self.house.project

    @property
    def slug(self) -> str:
        """Its name in an address."""
        return self.house.slug

    @property
    def studio(self) -> Studio:
        """The project that who asks means."""
        return self.house.studio

    @property
    def curves(self) -> Curves:
        """Curves of runs, read once."""
        return self.house.curves

    @property
    def rates(self) -> Rates:
        """How quick the working runs are."""
        return self.house.rates

    @property
    def opened(self) -> float:
        """When the open project was opened, seconds since 1970."""
        return self.house.opened

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def close(self) -> None:
        """Stop ticking and release the catalogs; workers go on."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self.open_houses.close()

    def houses(self) -> list[House]:
        """Every open project of everybody."""
        return self.open_houses.all()

    def neighbours(self) -> list[House]:
        """Every open project of who asks, the one that is asked for first."""
        here = self.house
        return [here, *(one for one in self.open_houses.all(here.home) if one is not here)]

    @contextlib.contextmanager
    def acting(self) -> Iterator[Studio]:
        """The studio, while nothing else changes it. Keep it short: the clock waits meanwhile."""
        self.check_writable()
        house = self.house
        with house.lock:
            yield house.studio

    @contextlib.contextmanager
    def admitting(self, coming_bytes: int = 0, coming_files: int = 0) -> Iterator[Studio]:
        """As `acting`, for what adds to the disk; BadInput, before it begins, where there is no room for that."""
        with self.acting() as studio, self.ledger.admitting(coming_bytes, coming_files):
            yield studio

    @property
    def ledger(self) -> Ledger:
        """The account of what who asks may hold."""
        return self._ledger

    def check_writable(self) -> None:
        """BadInput where who asks may only look. At home nobody is a stranger."""

    def check_sources(self, data: str, *models: str) -> None:
        """BadInput if who asks may not use these data or models. At home every path of the machine may be named."""

    def open(self, project: str) -> str:
        """Open a project, made if it is new; returns its slug, which is its place in an address."""
        self.check_writable()
        name = project.strip()
        if not name:
            raise BadInput("The project needs a name.")
        if not _can_be_name(name):
            raise BadInput(f"The name of a project is a text of {_LONGEST_NAME} characters at most. Shorten it.")
        return self._entered(self.home, self.find(name) or name).slug

    def projects(self) -> dict[str, str]:
        """The names of all projects of who asks, by slug."""
        return known_projects(self.home) or {_FIRST: _FIRST}

    def _run(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            self.tick()

    def tick(self) -> None:
        """Tick every house, then close those that nobody looks at. The clock must outlive any one failure, or every run
        would seem to stand still.
        """
        self.open_houses.rotate()
        for house in self.houses():
            try:
                house.tick()
            except StudioError:
                log.exception("this tick failed; the next one tries again")
            except Exception:
                log.exception("this tick failed unexpectedly; the next one tries again")
                self._over.wait(2.0)
        try:
            self.open_houses.close_idle()
        except StudioError:
            log.exception("a project that nobody looks at could not be closed; the next tick tries again")


def _can_be_name(text: str) -> bool:
    """Whether a project may be called so: half a character can be in no file."""
    return len(text) <= _LONGEST_NAME and not any("\ud800" <= letter <= "\udfff" for letter in text)
