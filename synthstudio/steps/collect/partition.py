"""Who may see which real image: a pure function of the members, their near-duplicate groups and the request.

Images are ranked by a hash of their digest, not drawn in turn: adding a photo or asking for another fold moves no
other image between training and test.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from synthstudio.artifacts import Member

VALIDATION_SHARE = 5  # without a number of shots, one image in five of a class may validate


@dataclass(frozen=True)
class Dropped:
    """A training-side image that shows the same photograph as a held-out one."""

    image: str
    twin: str
    split: str


@dataclass
class Partition:
    """The outcome, as indices into the members."""

    test: list[int] = field(default_factory=list)
    shots: list[int] = field(default_factory=list)
    validation: list[int] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    untrained: list[str] = field(default_factory=list)  # classes without a training image; out of the test set too


def hold_out(members: Sequence[Member], groups: Sequence[Sequence[int]], test_fraction: float, seed: int) -> Partition:
    """Decide the test set: what the source declared, else a share of each class. Knows neither fold nor shots."""
    test = {i for i, member in enumerate(members) if member.given == "test"}
    if not test:
        test = _drawn(members, groups, test_fraction, f"{seed}/test")
    found = Partition()
    for group in groups:
        found.dropped += _leaks(members, group, test, "test")
    leaked = {dropped.image for dropped in found.dropped}
    trained = {
        m.label for i, m in enumerate(members) if i not in test and m.image not in leaked and m.given != "validation"
    }
    found.test = sorted(i for i in test if members[i].label in trained)
    found.untrained = sorted({m.label for m in members} - trained)
    return found


def draw_shots(
    found: Partition,
    members: Sequence[Member],
    groups: Sequence[Sequence[int]],
    shots: int | None,
    validation_per_class: int,
    salt: str,
) -> None:
    """Fill shots and validation from what the test set leaves; no photograph stands in both."""
    test, leaked = set(found.test), {dropped.image for dropped in found.dropped}
    declared = {i for i, m in enumerate(members) if m.given == "validation" and m.image not in leaked and i not in test}
    for group in groups:
        found.dropped += _leaks(members, [i for i in group if members[i].image not in leaked], declared, "validation")
    leaked = {dropped.image for dropped in found.dropped}
    usable = [i for i, m in enumerate(members) if i not in test and m.given != "test" and m.image not in leaked]
    for label in sorted({m.label for m in members} - set(found.untrained)):
        own = {i for i in usable if members[i].label == label}
        free = own - declared
        parts = _ranked([[i for i in group if i in free] for group in groups], members, salt)
        given = _ranked([[i] for i in own & declared], members, salt)
        if shots is None:
            count = 0 if declared else min(validation_per_class, sum(map(len, parts)) // VALIDATION_SHARE)
            validation, rest = _take(parts, count)
            found.shots += [i for part in rest for i in part]
        else:
            chosen, rest = _take(parts, shots)
            found.shots += chosen
            validation = [] if declared else _take(rest, validation_per_class)[0]
        found.validation += _take(given, validation_per_class)[0] if declared else validation
    group_of = {i: number for number, group in enumerate(groups) for i in group}
    seen = {group_of[i] for i in found.shots}
    found.validation = sorted(i for i in found.validation if group_of[i] not in seen)
    found.shots.sort()


def _drawn(members: Sequence[Member], groups: Sequence[Sequence[int]], fraction: float, salt: str) -> set[int]:
    """A share of each class, whole groups only, always leaving the class a group to learn from."""
    test: set[int] = set()
    for label in sorted({m.label for m in members}):
        own = [group for group in groups if members[group[0]].label == label]
        parts = _ranked([g for g in own if all(members[i].given != "validation" for i in g)], members, salt)
        count = sum(map(len, parts))
        if len(parts) < 2:
            continue
        quota = min(max(1, round(count * fraction)), count - 1)
        taken: list[int] = []
        for part in parts:
            if len(taken) + len(part) <= quota:
                taken += part
        test.update(taken or sorted(parts, key=len)[0])
    return test


def _leaks(members: Sequence[Member], group: Sequence[int], held: set[int], split: str) -> list[Dropped]:
    """The members of a group that must go because another member is held out."""
    inside = [i for i in group if i in held]
    if not inside:
        return []
    return [Dropped(members[i].image, members[inside[0]].image, split) for i in group if i not in held]


def _ranked(groups: Sequence[Sequence[int]], members: Sequence[Member], salt: str) -> list[list[int]]:
    """Groups, and images within each, in an order that looks random and depends only on salt and digests."""

    def rank(index: int) -> bytes:
        return hashlib.sha256(f"{salt}/{members[index].label}/{members[index].image}".encode()).digest()

    return sorted((sorted(group, key=rank) for group in groups if group), key=lambda group: rank(group[0]))


def _take(groups: Sequence[Sequence[int]], count: int) -> tuple[list[int], list[Sequence[int]]]:
    """`count` images, one per group as far as that goes, and the groups that were not touched."""
    firsts = [group[0] for group in groups]
    others = [i for group in groups for i in group[1:]]
    return (firsts + others)[:count], list(groups[count:])
