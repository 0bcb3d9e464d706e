"""Who is at the other end of a line, for counting: one IPv4 address, or one /64, of which everybody has a whole one."""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

_KEPT = 10_000


def network_of(address: str) -> str:
    """What counts as one peer; a text that is no address is a peer of its own."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:100]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
        found = found.ipv4_mapped
    return str(found)


def within(peer: str, networks: Iterable[str]) -> bool:
    """Whether a peer, as `network_of` names it, lies in one of these networks or is what one of them counts as."""
    try:
        found = ipaddress.ip_network(peer)
    except ValueError:
        return False
    known = [ipaddress.ip_network(one) for one in networks]
    return any(one.version == found.version and one.overlaps(found) for one in known)


@dataclass
class Failures:
    """Wrong passwords of the last minute, by peer and of everybody together."""

    most: int
    most_of_all: int
    _seen: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    _all: deque[float] = field(default_factory=deque)

    def note(self, address: str) -> bool:
        """Count one more; True once there have been too many. The peers heard of longest ago are forgotten first."""
        now, peer = time.monotonic(), network_of(address)
        seen = self._seen.setdefault(peer, deque())
        self._seen.move_to_end(peer)
        if len(self._seen) > _KEPT:
            self._seen.popitem(last=False)
        return _too_many(seen, now, self.most) | _too_many(self._all, now, self.most_of_all)


def _too_many(seen: deque[float], now: float, most: int) -> bool:
    while seen and now - seen[0] > 60:
        seen.popleft()
    if len(seen) >= most:
        return True
    seen.append(now)
    return False
