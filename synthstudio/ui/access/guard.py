"""Who may talk to the page: our own origin, known hosts, the password if there is one, bodies of bearable size.

Plain ASGI, because Starlette's BaseHTTPMiddleware would break gradio's event streams.
"""

import asyncio
import base64
import binascii
import hmac
import json
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synthstudio.ui.access import visitors
from synthstudio.ui.access.peers import Failures
from synthstudio.ui.session import address

_MB = 1 << 20
# Everything the page and gradio_client ask for. Gradio has many more routes (files by path, proxies, recordings, live
# editing of the app, monitoring) and every version adds some: what is not listed here is not reached.
_PAGES = ("/", "/config", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json", "/login", "/logout")
_BELOW = ("/studio/", "/assets/", "/static/", "/svelte/", "/pwa_icon", "/login/")
_GRADIO = "/gradio_api/"
_EVENTS = (
    "info", "startup-events", "heartbeat", "queue", "call", "run", "api", "cancel", "reset", "user", "token",
    "login_check", "app_id", "theme.css",
)  # fmt: skip
_TOO_LARGE = "The body is too large."
_OPEN = ("/gradio_api/startup-events",)  # gradio asks itself for it while it starts
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
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
    """What the guard lets through. No hosts: any; no password: everyone who reaches the port. `public`: strangers may
    look, who is signed in may work. `proxies`: whom X-Forwarded-For is believed.
    """

    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    origins: tuple[str, ...] = ()
    user: str = "studio"
    password: str | None = None
    body_bytes: int = 2 * _MB
    upload_bytes: int = 4096 * _MB
    body_seconds: float = 3600.0
    silence_seconds: float = 60.0
    tries_per_minute: int = 20
    proxies: tuple[str, ...] = ()
    public: bool = False


class Guard:
    """Wraps the whole application: gradio's routes and ours."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        self._failures = Failures(rules.tries_per_minute, 10 * rules.tries_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with one sentence, or pass on with a name, safe headers and a counted body."""
        if scope["type"] == "websocket":  # the page uses none, and the checks below would not hold for one
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = address.read(scope)
        headers = {key.decode("latin1").lower(): value.decode("latin1") for key, value in scope["headers"]}
        name = visitors.signed_in(scope) if self._rules.public else self._rules.password and self._rules.user
        scope[visitors.SCOPE_KEY] = name
        refusal = self._refusal(scope, headers) or self._length_refusal(scope["path"], headers)
        # A body that we do not read is thrown away by the server, which is fine as long as it ends soon.
        endless = "transfer-encoding" in headers or _length(headers) > self._rules.body_bytes
        if refusal is not None:
            await answer(send, scope["path"], *refusal, close=endless or refusal[0] == 429)
            return
        token, project = visitors.enter(name or None), address.enter(scope[address.SCOPE_KEY])
        try:
            body = _Body(receive, send, endless, self._limit(scope["path"]), self._rules)
            await body.handled_by(self._app, scope)
        finally:
            visitors.leave(token)
            address.leave(project)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        host, origin, path = headers.get("host", ""), headers.get("origin"), scope["path"]
        looks = scope["method"] in ("GET", "HEAD")
        if self._rules.hosts and _name(host) not in self._rules.hosts:
            return 400, "Unknown host."
        if origin is not None and origin.partition("://")[2] != host and origin not in self._rules.origins:
            return 403, "Requests from other sites are refused."
        if headers.get("sec-fetch-site") == "cross-site" and not looks:
            return 403, "Requests from other sites are refused."
        if not _used(path):
            return 404, "Not here."
        if self._rules.public and path.startswith("/studio/") and not looks and not scope[visitors.SCOPE_KEY]:
            return _stranger(scope)
        return self._password_refusal(scope, headers, path)

    def _password_refusal(self, scope: Scope, headers: dict[str, str], path: str) -> tuple[int, str] | None:
        if self._rules.password is None or path in _OPEN:
            return None
        given = _basic(headers.get("authorization", ""))
        right = f"{self._rules.user}:{self._rules.password}"
        # Compared before anything is counted: somebody else's guesses must not shut out who knows the password.
        if given is not None and hmac.compare_digest(given.encode(), right.encode()):
            return None
        if given is not None and self._failures.note((scope.get("client") or ("?", 0))[0]):
            return 429, "Too many wrong passwords. Wait a minute."
        return 401, "A name and a password are needed."

    def _length_refusal(self, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        return (413, _TOO_LARGE) if _length(headers) > self._limit(path) else None

    def _limit(self, path: str) -> int:
        return self._rules.upload_bytes if path.startswith("/studio/uploads/") else self._rules.body_bytes


class _Body:
    """A request's body, counted as it comes: one that is too large or never ends is cut off and refused."""

    def __init__(self, receive: Receive, send: Send, endless: bool, limit: int, rules: Rules) -> None:
        self._receive, self._send = receive, send
        self._limit, self._silence = limit, rules.silence_seconds
        self._until = time.monotonic() + rules.body_seconds
        self._got = 0
        self._endless = endless
        self._whole = self._started = False
        self._refused: tuple[int, str] | None = None

    async def handled_by(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application answer, unless the body has to be refused before it did."""
        try:
            await app(scope, self._counted, self._sending)
        except ClientDisconnect:
            if self._refused is None:
                raise
        if self._refused is not None and not self._started:
            await answer(self._send, scope["path"], *self._refused, close=True)

    async def _counted(self) -> Message:
        if self._whole:
            return await self._receive()
        if self._refused is not None:
            return {"type": "http.disconnect"}
        try:
            patience = min(self._silence, self._until - time.monotonic())
            message = await asyncio.wait_for(self._receive(), max(0.0, patience))
        except TimeoutError:
            self._refused = 408, "The request took too long to arrive."
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            self._got += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._got > self._limit:
                self._refused = 413, _TOO_LARGE
                return {"type": "http.disconnect"}
        return message

    async def _sending(self, message: MutableMapping[str, Any]) -> None:
        if self._refused is not None and not self._started:
            return  # what the application says of a body that it did not get
        if message["type"] == "http.response.start":
            self._started = True
            message["headers"] = [*message.get("headers", []), *_HEADERS]
            if self._endless and not self._whole:
                message["headers"].append((b"connection", b"close"))
        await self._send(message)


def _name(host: str) -> str:
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host


def _length(headers: dict[str, str]) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def _basic(header: str) -> str | None:
    kind, _, value = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _used(path: str) -> bool:
    """Whether the page uses this address. Steps upwards, NUL and backslashes are in none of them."""
    if "\0" in path or "\\" in path or ".." in path.split("/"):
        return False
    if path.startswith(_GRADIO):
        return path[len(_GRADIO) :].partition("/")[0] in _EVENTS
    return path in _PAGES or path.rstrip("/") in _PAGES or path.startswith(_BELOW)


def _stranger(scope: Scope) -> tuple[int, str]:
    if visitors.was_signed_in(scope):
        return 401, "Your sign-in has ended. Sign in again; everything that was saved is there."
    return 403, "This public copy can only be looked at until you sign in."


async def answer(send: Send, path: str, status: int, text: str, close: bool = False) -> None:
    """Our own routes are asked by scripts, which read JSON; everything else gets the bare sentence."""
    ours = path.startswith("/studio/")
    body = json.dumps({"detail": text, "error": text}) if ours else text
    kind = b"application/json" if ours else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), *_HEADERS]
    if status == 401 and "password" in text:
        headers.append((b"www-authenticate", b'Basic realm="SynthStudio", charset="UTF-8"'))
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
