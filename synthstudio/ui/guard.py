"""Who may talk to the page: our own origin, known hosts, the password if there is one, bodies of bearable size.

Plain ASGI, because Starlette's BaseHTTPMiddleware would break gradio's event streams.
"""

import base64
import binascii
import collections
import hmac
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MB = 1 << 20
_CLOSED = ("/monitoring", "/gradio_api/deep_link", "/gradio_api/vibe", "/gradio_api/dev/", "/gradio_api/upload")
_CLOSED_ANYWHERE = ("/file=", "/proxy=", "/stream/")
_OPEN = ("/gradio_api/startup-events", "/startup-events")  # gradio asks itself for it while it starts
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
        b" img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:;"
        b" object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self' https://huggingface.co",
    ),
]


@dataclass(frozen=True)
class Rules:
    """What the guard lets through. No hosts: any; no password: everyone who reaches the port."""

    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    origins: tuple[str, ...] = ()
    user: str = "studio"
    password: str | None = None
    body_bytes: int = 2 * _MB
    upload_bytes: int = 4096 * _MB
    tries_per_minute: int = 20
    read_only: bool = False


class Guard:
    """Wraps the whole application: gradio's routes and ours."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        self._failures = _Failures(rules.tries_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with one sentence, or pass on with safe headers and a counted body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {key.decode().lower(): value.decode("latin1") for key, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        limit = self._limit(scope["path"])
        if _length(headers) > limit:
            await _answer(send, 413, "The body is too large.")
            return
        await self._app(scope, _counted(receive, limit), _with_headers(send))

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        host, origin, path = headers.get("host", ""), headers.get("origin"), scope["path"]
        if self._rules.hosts and _name(host) not in self._rules.hosts:
            return 400, "Unknown host."
        if origin is not None and origin.partition("://")[2] != host and origin not in self._rules.origins:
            return 403, "Requests from other sites are refused."
        if headers.get("sec-fetch-site") == "cross-site" and scope["method"] not in ("GET", "HEAD"):
            return 403, "Requests from other sites are refused."
        if self._rules.read_only and path.startswith("/studio/") and scope["method"] not in ("GET", "HEAD"):
            return 403, "This public copy can only be looked at."
        if path.startswith(_CLOSED) or any(part in path for part in _CLOSED_ANYWHERE):
            return 404, "Not here."
        return self._password_refusal(scope, headers, path)

    def _password_refusal(self, scope: Scope, headers: dict[str, str], path: str) -> tuple[int, str] | None:
        if self._rules.password is None or path in _OPEN:
            return None
        address = (scope.get("client") or ("?", 0))[0]
        if self._failures.too_many(address):
            return 429, "Too many wrong passwords. Wait a minute."
        given = _basic(headers.get("authorization", ""))
        right = f"{self._rules.user}:{self._rules.password}"
        if given is not None and hmac.compare_digest(given.encode(), right.encode()):
            return None
        if given is not None:
            self._failures.note(address)
        return 401, "A name and a password are needed."

    def _limit(self, path: str) -> int:
        return self._rules.upload_bytes if path.startswith("/studio/uploads/") else self._rules.body_bytes


@dataclass
class _Failures:
    """Wrong passwords of the last minute, by address."""

    most: int
    _seen: dict[str, collections.deque[float]] = field(default_factory=dict)

    def note(self, address: str) -> None:
        if len(self._seen) > 10_000:
            self._seen.clear()
        self._seen.setdefault(address, collections.deque(maxlen=self.most)).append(time.monotonic())

    def too_many(self, address: str) -> bool:
        seen = self._seen.get(address)
        return seen is not None and len(seen) >= self.most and time.monotonic() - seen[0] < 60


def _name(host: str) -> str:
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host


def _length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdigit() else 0


def _basic(header: str) -> str | None:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _counted(receive: Receive, limit: int) -> Receive:
    """A body without a declared length is cut off where the limit is."""
    got = 0

    async def counted() -> Message:
        nonlocal got
        message = await receive()
        if message["type"] == "http.request":
            got += len(message.get("body", b""))
            if got > limit:
                return {"type": "http.disconnect"}
        return message

    return counted


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_HEADERS]
        await send(message)

    return sending


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="SynthStudio", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
