"""Who asks: the name a request is signed with, from the guard through threads and gradio's queue to the house.

The name is put into the request by the guard alone. Everything below asks `visitor()`, which is None for strangers.
"""

import contextvars
import hashlib
import re
import time
from collections.abc import Mapping
from typing import Any

from gradio.context import LocalContext

SCOPE_KEY = "synthstudio.user"
_visitor: contextvars.ContextVar[str | None] = contextvars.ContextVar("visitor", default=None)


def visitor() -> str | None:
    """The signed-in person this work is done for, or None."""
    # An event of gradio's queue runs in a task of its own: only its own request knows who asked.
    asked = LocalContext.request.get(None)
    if asked is not None:
        scope = getattr(getattr(asked, "request", asked), "scope", {})
        return _name(scope.get(SCOPE_KEY))
    return _visitor.get()


def enter(name: str | None) -> contextvars.Token[str | None]:
    """Say who asks for the rest of this task; give the token to `leave`."""
    return _visitor.set(name)


def leave(token: contextvars.Token[str | None]) -> None:
    """The task of a request is over."""
    _visitor.reset(token)


def signed_in(scope: Mapping[str, Any]) -> str | None:
    """The name in the signed cookie of gradio's sign-in, as long as the sign-in is valid."""
    session = scope.get("session")
    info = session.get("oauth_info") if isinstance(session, Mapping) else None
    if not isinstance(info, Mapping):
        return None
    ends = info.get("expires_at")
    if not isinstance(ends, int | float) or ends < time.time():
        return None
    person = info.get("userinfo")
    return _name(person.get("preferred_username")) if isinstance(person, Mapping) else None


def was_signed_in(scope: Mapping[str, Any]) -> bool:
    """Whether the request carries a sign-in, valid or not any more."""
    session = scope.get("session")
    return isinstance(session, Mapping) and "oauth_info" in session


def folder_name(name: str) -> str:
    """A folder for a person. The digest keeps apart whatever looks alike, and no name can spell another's folder."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:24]
    return f"{plain or 'x'}-{hashlib.sha256(name.encode()).hexdigest()[:20]}"


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None
