"""The lines to the page: how many there may be, how long one may be silent, and how much is written about it.

uvicorn waits for ever for the head of a request, takes as many lines as come, and writes a traceback for each that the
system refuses. A line that does nothing is cheap for its owner and dear for us: the oldest idle one makes room.
"""

import asyncio
import contextlib
import functools
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from synthstudio.ui.access.peers import network_of, within

_FULL = b"The page has too many connections open. Try again in a minute."
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 60\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)
_BACKLOG = 128  # so many are taken up at once, before any of them can be refused
_MOST = 1024


@dataclass(frozen=True)
class Limits:
    """How many lines, and how long in seconds. `proxies` carry many people each, so they have no share of their own."""

    total: int
    per_peer: int
    head_seconds: float = 15.0
    stalled_seconds: float = 60.0
    proxies: tuple[str, ...] = ()

    @classmethod
    def of_system(cls, proxies: tuple[str, ...] = ()) -> "Limits":
        """Half of the files this process may open at most; the soft limit is raised as far as is allowed."""
        total = min(_MOST, _open_files() // 2)
        return cls(total, max(1, total // 2), proxies=proxies)


def _open_files() -> int:
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return 2 * _MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * _MOST if hard == resource.RLIM_INFINITY else min(hard, 4 * _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


class Lines:
    """All lines of one server: who holds how many, and which have been idle for how long."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._count: Counter[str] = Counter()
        self._idle: OrderedDict[Connection, str] = OrderedDict()  # the one that has been idle longest comes first

    def enter(self, line: "Connection", peer: str) -> bool:
        """Whether there is room, be it that an idle line is closed for it: the peer's own if it has its share."""
        full = self._count[peer] >= self.limits.per_peer and not within(peer, self.limits.proxies)
        if full and not self._make_room(peer):
            return False
        if self._count.total() >= self.limits.total and not self._make_room(None):
            return False
        self._count[peer] += 1
        self._idle[line] = peer
        return True

    def leave(self, line: "Connection", peer: str) -> None:
        """A line that had entered is gone."""
        self._idle.pop(line, None)
        self._count[peer] -= 1
        if not self._count[peer]:
            del self._count[peer]

    def idle(self, line: "Connection", peer: str) -> None:
        """Nothing is asked on this line any more."""
        self._idle[line] = peer
        self._idle.move_to_end(line)

    def busy(self, line: "Connection") -> None:
        """Something is asked on this line: it is not closed to make room."""
        self._idle.pop(line, None)

    def _make_room(self, peer: str | None) -> bool:
        oldest = next((one for one, whose in self._idle.items() if peer in (None, whose)), None)
        if oldest is None:
            return False
        oldest.drop()
        return True


class Connection(H11Protocol):
    """One line, closed when the head of a request or the taking of an answer takes too long. Streams live on."""

    lines: ClassVar[Lines]

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._peer: str | None = None  # none: not, or no longer, counted
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the line, or say in one sentence that there is no room."""
        super().connection_made(transport)
        peer = network_of(self.client[0] if self.client else "?")
        if not self.lines.enter(self, peer):
            transport.write(_BUSY)
            transport.close()
            return
        self._peer = peer
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the line is being closed."""
        if self._peer is None:
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """From here on the line has to earn its place again."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there any more."""
        self._let_go()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The other end does not take what it asked for."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(self.lines.limits.stalled_seconds, self.drop)

    def resume_writing(self) -> None:
        """It takes it after all."""
        super().resume_writing()
        _cancel(self._stalled)
        self._stalled = None

    def drop(self) -> None:
        """Close at once, and count the line no more."""
        self._let_go()
        self.transport.abort()

    def _watch(self) -> None:
        if self._peer is None:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            _cancel(self._timer)
            self._timer = None
            self.lines.busy(self)
        elif self._timer is None:  # bytes that drip in win no time
            self._timer = self.loop.call_later(self.lines.limits.head_seconds, self.drop)
            self.lines.idle(self, self._peer)

    def _let_go(self) -> None:
        _cancel(self._timer)
        _cancel(self._stalled)
        self._timer = self._stalled = None
        if self._peer is not None:
            self.lines.leave(self, self._peer)
            self._peer = None


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


class Sparing(logging.Filter):
    """So many lines of a kind a minute; the next one that is written says how many were left out."""

    def __init__(self, most: int = 20) -> None:
        super().__init__()
        self._most = most
        self._kinds: OrderedDict[str, list[float]] = OrderedDict()  # kind → [start of its minute, said, left out]

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        kind, now = f"{record.name} {record.levelno} {str(record.msg)[:80]}", time.monotonic()
        counted = self._kinds.setdefault(kind, [now, 0, 0])
        if len(self._kinds) > 200:
            self._kinds.popitem(last=False)
        left_out = 0
        if now - counted[0] > 60:
            left_out = int(counted[2])
            counted[:] = [now, 0, 0]
        if counted[1] >= self._most:
            counted[2] += 1
            return False
        counted[1] += 1
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more like this were left out)", ()
        return True


@contextlib.contextmanager
def limited(limits: Limits) -> Iterator[None]:
    """A uvicorn started meanwhile has these limits. Gradio starts its own and passes nothing on, hence this way."""
    kind = type("Connection", (Connection,), {"lines": Lines(limits)})
    usual = uvicorn.Config
    # The same loop and no web sockets, whatever else is installed: other packages bring uvloop and websockets along.
    vars(uvicorn)["Config"] = functools.partial(
        usual, http=kind, loop="asyncio", ws="none", backlog=_BACKLOG, proxy_headers=bool(limits.proxies),
        forwarded_allow_ips=list(limits.proxies),
    )  # fmt: skip
    try:
        yield
    finally:
        vars(uvicorn)["Config"] = usual
    sparing = Sparing()
    for name in ("uvicorn.error", "asyncio", "synthstudio"):
        logging.getLogger(name).addFilter(sparing)
