"""What the page process owns: open projects, the lock around their changes, the thread that ticks."""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from synthstudio.errors import StudioError
from synthstudio.jobs import Studio
from synthstudio.step import STEPS
from synthstudio.ui.curves import Curves, Rates
from synthstudio.ui.place import HOME, Place

log = logging.getLogger("synthstudio")

_TICK_SECONDS = 0.3
Opener = Callable[[Path, str], Studio]


class House:
    """A home with one project of it open. Reads may come from any thread, changes take the lock."""

    def __init__(self, home: Path, project: str, opener: Opener = Studio) -> None:
        self.home = Path(home).absolute()
        self.project = project
        self.studio = opener(self.home, project)
        self.curves = Curves()
        self.rates = Rates()
        self.opened = time.time()
        self.computing = 0  # workers that hold a device, as of the last tick
        self.lock = threading.RLock()
        self._opener = opener

    def tick(self) -> None:
        """One look of the owner at its workers."""
        with self.lock:
            self.studio.tick()
            working = self.studio.active()
            self.rates.note(working)
            self.computing = sum(STEPS[run.kind].computes for run in working)

    def open(self, project: str) -> None:
        """Switch to another project; the page follows with its next look."""
        with self.lock:
            if project == self.project:
                return
            opened = self._opener(self.home, project)
            opened.launcher = self.studio.launcher
            self.studio.close()
            self.studio, self.project, self.opened = opened, project, time.time()

    def projects(self) -> list[str]:
        """The names of all projects of this home, the open one first."""
        names = []
        for about in sorted(self.home.glob("projects/*/project.json")):
            with contextlib.suppress(ValueError, KeyError, OSError):
                names.append(str(json.loads(about.read_bytes())["name"]))
        return [self.project, *(name for name in names if name != self.project)]

    def close(self) -> None:
        """Release the catalog; workers go on."""
        with self.lock:
            self.studio.close()


class StudioSession:
    """The page's own house: everybody who reaches the page works in it."""

    def __init__(self, home: Path, project: str = "default", where: Place = HOME) -> None:
        self.where = where
        self.own = self._opened(Path(home), project)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="studio tick")

    def _opened(self, home: Path, project: str) -> House:
        return House(home, project)

    @property
    def house(self) -> House:
        """The house of who asks."""
        return self.own

    @property
    def home(self) -> Path:
        """The folder of the house of who asks."""
        return self.house.home

    @property
    def project(self) -> str:
        """The name of the open project."""
        return self.house.project

    @property
    def studio(self) -> Studio:
        """The open project."""
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
        for house in self.houses():
            house.close()

    def houses(self) -> list[House]:
        """Every open house."""
        return [self.own]

    @contextlib.contextmanager
    def acting(self) -> Iterator[Studio]:
        """The studio, while nothing else changes it. Keep it short: the clock waits meanwhile."""
        self.check_writable()
        house = self.house
        with house.lock:
            yield house.studio

    def check_writable(self) -> None:
        """BadInput where who asks may only look. At home nobody is a stranger."""

    def check_sources(self, data: str, *models: str) -> None:
        """BadInput if who asks may not use these data or models. At home every path of the machine may be named."""

    def check_room(self, coming_bytes: int) -> None:
        """BadInput if who asks has no room for so many bytes more. At home only the disk says no."""

    def open(self, project: str) -> None:
        """Switch to another project; the page follows with its next look."""
        self.check_writable()
        self.house.open(project)

    def projects(self) -> list[str]:
        """The names of all projects, the open one first."""
        return self.house.projects()

    def _run(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            self.tick()

    def tick(self) -> None:
        """Tick every house. The clock must outlive any one failure, or every run would seem to stand still."""
        for house in self.houses():
            try:
                house.tick()
            except StudioError:
                log.exception("this tick failed; the next one tries again")
            except Exception:
                log.exception("this tick failed unexpectedly; the next one tries again")
                self._over.wait(2.0)
