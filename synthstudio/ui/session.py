"""What the page process owns: the open project, the lock around its changes, the thread that ticks."""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from synthstudio.errors import BadInput, StudioError
from synthstudio.jobs import Studio
from synthstudio.ui.curves import Curves, Rates

log = logging.getLogger("synthstudio")

_TICK_SECONDS = 0.3


class StudioSession:
    """One open project for the whole page process. Reads may come from any thread, changes take the lock."""

    def __init__(self, home: Path, project: str = "default", read_only: bool = False) -> None:
        self.read_only = read_only
        self.home = Path(home).absolute()
        self.project = project
        self.studio = Studio(self.home, project)
        self.curves = Curves()
        self.rates = Rates()
        self.opened = time.time()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="studio tick")

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def close(self) -> None:
        """Stop ticking and release the catalog; workers go on."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self.studio.close()

    @contextlib.contextmanager
    def acting(self) -> Iterator[Studio]:
        """The studio, while nothing else changes it. Keep it short: the clock waits meanwhile."""
        self.check_writable()
        with self._lock:
            yield self.studio

    def check_writable(self) -> None:
        """BadInput where visitors may only look."""
        if self.read_only:
            raise BadInput(
                "This public copy can only be looked at. Run your own: duplicate it, or python app.py at home."
            )

    def open(self, project: str) -> None:
        """Switch to another project; the page follows with its next look."""
        self.check_writable()
        with self._lock:
            if project == self.project:
                return
            opened = Studio(self.home, project, self.studio.launcher)
            self.studio.close()
            self.studio, self.project, self.opened = opened, project, time.time()

    def projects(self) -> list[str]:
        """The names of all projects of this home, the open one first."""
        names = []
        for about in sorted(self.home.glob("projects/*/project.json")):
            with contextlib.suppress(ValueError, KeyError, OSError):
                names.append(str(json.loads(about.read_bytes())["name"]))
        return [self.project, *(name for name in names if name != self.project)]

    def _run(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            try:
                with self._lock:
                    self.studio.tick()
                    self.rates.note(self.studio.catalog.runs.in_state("running", "stopping"))
            except StudioError:
                log.exception("this tick failed; the next one tries again")
            except Exception:
                # The clock must outlive any one failure, or every run would seem to stand still.
                log.exception("this tick failed unexpectedly; the next one tries again")
                self._over.wait(2.0)
