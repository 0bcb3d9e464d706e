"""Are these photos ready to learn from? One set of rules for the look before an import, the import and the page."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "block"]
_FEW, _UNEVEN = 4, 5
_LISTED = 10
_CLOSE = "They differ only in capitals and stay apart. Rename one if they are the same."


class Remark(NamedTuple):
    """One sentence; `action` names what helps: more photos (`add`), or to go on (`recipe`)."""

    level: Level
    text: str
    action: str = ""


def remarks(counts: Mapping[str, int], declared: Iterable[str] = ()) -> list[Remark]:
    """What is to be said of so many usable photos per class; `declared` are the classes that the source names."""
    if not counts:
        return [Remark("block", "No usable photos. Add one folder of pictures per class.", "add")]
    found = []
    if len(counts) < 2:
        found.append(
            Remark(
                "block", "There is only one class. A classifier needs at least two to tell apart; add another.", "add"
            )
        )
    else:
        text = f"{_photos(sum(counts.values()))} in {len(counts)} classes: ready for a recipe."
        found.append(Remark("ok", text, "recipe"))
    return [*found, *_thin(counts), *_uneven(counts), *_names(counts, declared)]


def refused(count: int) -> list[Remark]:
    """What is to be said of files that are not used."""
    verb = "is" if count == 1 else "are"
    return [Remark("warn", f"{count} file{'' if count == 1 else 's'} {verb} not used; each says why.")] if count else []


def listed(labels: Collection[str]) -> str:
    """Names for a sentence, in quotes, the first ten."""
    shown = ", ".join(f"“{label}”" for label in list(labels)[:_LISTED])
    return f"{shown} and {len(labels) - _LISTED} more" if len(labels) > _LISTED else shown


def _photos(count: int) -> str:
    return "1 photo" if count == 1 else f"{count} photos"


def _thin(counts: Mapping[str, int]) -> Iterable[Remark]:
    single = [label for label, count in counts.items() if count == 1]
    few = [label for label, count in counts.items() if 1 < count < _FEW]
    if single:
        yield Remark(
            "warn",
            f"Only one photo in {listed(single)}: it can be trained on but not tested. Add at least one.",
            "add",
        )
    if few:
        yield Remark("warn", f"Fewer than {_FEW} photos in {listed(few)}: such numbers are very uncertain.", "add")


def _uneven(counts: Mapping[str, int]) -> Iterable[Remark]:
    least, most = min(counts.values()), max(counts.values())
    if most > _UNEVEN * least:
        text = f"Uneven: {least} to {most} photos per class. Choose shots that all have."
        yield Remark("warn", text, "recipe")


def _names(counts: Mapping[str, int], declared: Iterable[str]) -> Iterable[Remark]:
    empty = sorted(set(declared) - counts.keys())
    if empty:
        yield Remark("warn", f"No usable photos in {listed(empty)}: the class is left out. Add photos, or ignore this.")
    alike = defaultdict(list)
    for label in counts:
        alike[label.casefold()].append(label)
    for labels in alike.values():
        if len(labels) > 1:
            yield Remark("warn", f"Two classes are called {listed(labels)}. {_CLOSE}")
