"""Who else hears what runs say: CSV, TensorBoard, trackio, where the owner of this machine asks for it.

The owner of a project calls `Listeners.hear` at the one place where it reads what workers wrote. Each listener has a
cursor for each run, kept in the run's folder, so that what is read again is not written again, and what was missed is
written later. A listener that fails is left out for that run, says so once as a note of the run, and harms nothing.
"""

import importlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from synthstudio.catalog import Catalog
from synthstudio.catalog.runs import Run
from synthstudio.errors import BadInput, Missing, UnknownName
from synthstudio.events import Event
from synthstudio.jobs.listeners.listener import Cursor, Listener
from synthstudio.jobs.listeners.numbers import Number, numbers, resumes
from synthstudio.jobs.running.log import EventLog
from synthstudio.workspace import Workspace, write_atomically

log = logging.getLogger("synthstudio")

SETTING = "SYNTHSTUDIO_LOG"
PACKAGES = {"csv": "", "tensorboard": "tensorboard", "trackio": "trackio"}  # what each needs besides our own

Lines = Sequence[tuple[float, Event]]


def chosen(text: str | Iterable[str]) -> tuple[str, ...]:
    """The listeners that a setting names, by commas. UnknownName or Missing say what to write or to install."""
    parts = text.split(",") if isinstance(text, str) else list(text)
    names = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    for name in names:
        if name not in PACKAGES:
            raise UnknownName.among("log", name, list(PACKAGES))
        package = PACKAGES[name]
        if package and find_spec(package) is None:
            raise Missing(
                f"The numbers of runs cannot go to {name}: its package is not installed. Install it with pip install"
                f" {package}, or leave it out of --log and {SETTING}; csv needs no package."
            )
    return names


def load(wanted: str | Iterable[str] | None, workspace: Workspace) -> dict[str, Listener]:
    """The listeners of a project by name: those wanted, or where nobody says, those that `SYNTHSTUDIO_LOG` names.

    UnknownName, Missing or BadInput for one that cannot begin.
    """
    names = chosen(os.environ.get(SETTING, "") if wanted is None else wanted)
    return {name: _loaded(name, workspace) for name in names}


class Listeners:
    """The listeners of one open project, and how far each is."""

    def __init__(self, listeners: Mapping[str, Listener], workspace: Workspace, catalog: Catalog) -> None:
        self._listeners = listeners
        self._workspace = workspace
        self._catalog = catalog
        self._cursors: dict[tuple[str, str], Cursor] = {}
        self._left_out: set[tuple[str, str]] = set()
        self._caught_up = not listeners

    def hear(self, run: Run, start: int, lines: Lines, end: int) -> None:
        """The lines of a run's log between two offsets; before the catalog has them, or a kill could lose them here."""
        for name in self._listeners:
            self._apart(name, run, partial(self._hear, name, run, start, lines, end))

    def catch_up(self) -> None:
        """Once: what was begun here and went on while nobody listened is written to its end."""
        if self._caught_up:
            return
        self._caught_up = True
        known = self._catalog.runs.ids()
        for folder in sorted(self._workspace.runs.glob("*/")):
            end = EventLog(folder).size()
            for name in self._listeners:
                if folder.name in known and 0 < self._cursor(name, folder.name).read_to < end:
                    run = self._catalog.runs.get(folder.name)
                    self._apart(name, run, partial(self._hear, name, run, end, [], end))

    def _apart(self, name: str, run: Run, hear: Callable[[], None]) -> None:
        if (name, run.id) in self._left_out:
            return
        try:
            hear()
        except Exception as error:  # whatever it is, in a package of others or on their disk: the run goes on
            self._left_out.add((name, run.id))
            log.exception("%s hears nothing more of %s", name, run.id)
            self._catalog.runs.say(
                run.id,
                f"Its numbers go to {name} no more: {error or type(error).__name__}. The run itself goes on. Put that"
                " right; when the project is opened again, what is missing there is written.",
            )

    def _hear(self, name: str, run: Run, start: int, lines: Lines, end: int) -> None:
        events = EventLog(self._workspace.run_folder(run.id))
        cursor = self._cursor(name, run.id)
        if not events.ends_line(cursor.read_to) or not self._listeners[name].has(run, cursor):
            cursor = Cursor()  # another log than was read, or what was written is gone
        if cursor.read_to == start:
            cursor = self._write(name, run, cursor, lines, end)
        while cursor.read_to < end:
            missed, after = events.read(cursor.read_to)
            if after == cursor.read_to:
                return
            cursor = self._write(name, run, cursor, missed, after)

    def _write(self, name: str, run: Run, cursor: Cursor, lines: Lines, end: int) -> Cursor:
        new: list[Number] = []
        step, again = cursor.step, cursor.again
        for at, event in lines:
            again = again or resumes(event)
            found = list(numbers(event, at, step, again))
            if found:
                new, step, again = [*new, *found], found[0].step, again and not found[0].again
        size = self._listeners[name].write(run, new, cursor) if new else cursor.size
        moved = Cursor(end, cursor.said + len(new), step, size, again)
        write_atomically(self._file(name, run.id), json.dumps(asdict(moved)).encode())
        self._cursors[name, run.id] = moved
        return moved

    def _cursor(self, name: str, run_id: str) -> Cursor:
        if (name, run_id) not in self._cursors:
            try:
                found = Cursor(**json.loads(self._file(name, run_id).read_bytes()))
            except FileNotFoundError:
                found = Cursor()
            except (ValueError, TypeError):
                log.warning("how far %s is with %s cannot be read; it begins anew", name, run_id)
                found = Cursor()
            self._cursors[name, run_id] = found
        return self._cursors[name, run_id]

    def _file(self, name: str, run_id: str) -> Path:
        return self._workspace.run_folder(run_id) / "listeners" / f"{name}.json"


def _loaded(name: str, workspace: Workspace) -> Listener:
    try:
        module = importlib.import_module(f"{__name__}.to_{name}")
    except Exception as error:  # the package of others is there and does not work
        raise BadInput(
            f"The package {PACKAGES[name]} cannot be used: {error}. Install it again, or leave {name} out of --log and"
            f" {SETTING}."
        ) from error
    made: Listener = module.listener(workspace.logs, workspace.root.name)
    return made
