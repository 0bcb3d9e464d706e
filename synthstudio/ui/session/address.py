"""Which project a request is about: the one in its address.

The page is `/?project=SLUG`, so gradio's events carry it in their query; our own routes are `/studio/@SLUG/...`, so
pictures and downloads carry it in their path. The guard reads it once (`read`), everything below asks `wanted()`.
Nothing here says that there is such a project: `StudioSession.find` does.
"""

import contextlib
import contextvars
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, quote

from gradio.context import LocalContext
from starlette.types import Scope

SCOPE_KEY = "synthstudio.project"
PARAMETER = "project"
_PATH = re.compile(r"/studio/@([a-z0-9-]{1,64})(/.*)", re.DOTALL)
_wanted: contextvars.ContextVar[str | None] = contextvars.ContextVar("project of the address", default=None)
_within: contextvars.ContextVar[str | None] = contextvars.ContextVar("project of this call", default=None)


def wanted() -> str | None:
    """The project that is asked for, as it was written; None where the address names none."""
    named = _within.get()
    if named is not None:
        return named
    # As in `visitors`: an event of gradio's queue runs in a task of its own.
    asked = LocalContext.request.get(None)
    if asked is not None:
        scope = getattr(getattr(asked, "request", asked), "scope", {})
        found = scope.get(SCOPE_KEY)
        return found if isinstance(found, str) else None
    return _wanted.get()


def read(scope: Scope) -> Scope:
    """The same request with its project beside it and not in its path, so that routes need not know."""
    inside = _PATH.fullmatch(scope["path"])
    if inside is None:
        return {**scope, SCOPE_KEY: _parameter(scope)}
    path = f"/studio{inside[2]}"
    return {**scope, "path": path, "raw_path": quote(path).encode(), SCOPE_KEY: inside[1]}


def _parameter(scope: Scope) -> str | None:
    try:
        found = parse_qs(scope.get("query_string", b"").decode("ascii"), max_num_fields=50, errors="strict")
    except ValueError:  # of no address that we made
        return None
    return found.get(PARAMETER, [None])[0]


def enter(project: str | None) -> contextvars.Token[str | None]:
    """Say which project the rest of this task is about; give the token to `leave`."""
    return _wanted.set(project)


def leave(token: contextvars.Token[str | None]) -> None:
    """The task of a request is over."""
    _wanted.reset(token)


@contextlib.contextmanager
def within(project: str) -> Iterator[None]:
    """Work in this project whatever the address says; an empty text changes nothing."""
    token = _within.set(project or _within.get())
    try:
        yield
    finally:
        _within.reset(token)
