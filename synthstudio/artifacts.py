"""What a Run makes. Everything is named by the digest of its content."""

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from synthstudio.errors import BadInput

Origin = Literal["real", "synthetic", "distilled"]
Role = Literal["pool", "set", "test"]


def digest_of(data: bytes) -> str:
    """The name of a blob: SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def canonical(body: Any) -> bytes:
    """The one JSON form of a value; changing it changes every digest."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def split_id(artifact_id: str) -> tuple[str, str]:
    """('set', '9f…') from 'set:9f…'."""
    prefix, _, digest = artifact_id.partition(":")
    if not digest:
        raise BadInput(f"{artifact_id!r} is not an artifact id; ids look like set:9f86d0…")
    return prefix, digest


@dataclass(frozen=True)
class Image:
    """One picture: its blob, what it shows, where it came from.

    `made` holds what the maker knows of this very image (prompt, seed, guidance_scale, strength, parent, file name);
    the Run knows the rest.
    """

    digest: str
    label: str
    origin: Origin
    width: int
    height: int
    made: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class Member:
    """A place in an ImageSet. `given` is the split the source itself declared, if any."""

    label: str
    image: str
    given: str = ""


@dataclass(frozen=True)
class ImageSet:
    """A frozen list of (image, label) with a digest.

    The role is part of the name: a pool is not yet split, a set may be used by any step, and a test set can be
    named only by evaluation, because no other step has a field that accepts a `test:` id.
    """

    role: Role
    members: tuple[Member, ...]

    @classmethod
    def of(cls, role: Role, members: Iterable[Member]) -> "ImageSet":
        """Sort and drop repeats, so that equal content gives an equal id."""
        return cls(role, tuple(sorted(set(members))))

    @classmethod
    def from_bytes(cls, data: bytes) -> "ImageSet":
        """Read a manifest back."""
        body = json.loads(data)
        return cls(body["role"], tuple(Member(*row) for row in body["members"]))

    def to_bytes(self) -> bytes:
        """The manifest whose digest names the set."""
        rows = [[m.label, m.image, m.given] for m in self.members]
        return canonical({"role": self.role, "members": rows})

    @functools.cached_property
    def id(self) -> str:
        """'set:…', 'pool:…' or 'test:…'."""
        return f"{self.role}:{digest_of(self.to_bytes())}"

    @functools.cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes, in a fixed order."""
        return tuple(sorted({m.label for m in self.members}))

    def by_label(self) -> dict[str, list[Member]]:
        """Members of each class, classes and members in order."""
        groups: dict[str, list[Member]] = {label: [] for label in self.labels}
        for member in self.members:
            groups[member.label].append(member)
        return groups

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)
