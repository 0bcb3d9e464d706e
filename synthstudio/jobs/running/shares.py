"""Shares of a plan for a worker that others help: handed over one at a time, by files in the run's folder.

The worker keeps its model between shares. Who gives them (`cluster/node.py`) gives the next one when one is done.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from synthstudio.steps import Share
from synthstudio.workspace import write_atomically

_GIVEN = "share.json"
_DONE = "share-done"
_POLL_SECONDS = 0.05


def give(folder: Path, number: int, share: Share | None) -> None:
    """Let the worker make this share; None: there are no more. Numbers count from 1."""
    rows = None if share is None else [share.start, share.stop, sorted(share.made)]
    write_atomically(folder / _GIVEN, json.dumps([number, rows]).encode())


def done(folder: Path) -> int:
    """The number of the share that was made last; 0: none yet."""
    try:
        return int((folder / _DONE).read_bytes())
    except FileNotFoundError:
        return 0


def given(folder: Path, stopped: Callable[[], bool]) -> Iterator[Share]:
    """Each share as it is given, said to be done when the next one is asked for; until there are no more."""
    number = 0
    while not stopped():
        found = _read(folder)
        if found is None or found[0] == number:
            time.sleep(_POLL_SECONDS)
            continue
        number, rows = found
        if rows is None:
            return
        yield Share(rows[0], rows[1], frozenset(rows[2]))
        write_atomically(folder / _DONE, str(number).encode())


def _read(folder: Path) -> tuple[int, Any] | None:
    try:
        number, rows = json.loads((folder / _GIVEN).read_bytes())
    except FileNotFoundError:
        return None
    return number, rows
