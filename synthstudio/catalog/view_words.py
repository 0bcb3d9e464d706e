"""A query of Review as one English sentence, for lists, tooltips and terminals, and as a few words for each filter."""

import re
from collections.abc import Mapping, Sequence

from synthstudio.catalog.review import Query
from synthstudio.view_terms import LIKENESS, SCORE, Limit, words

_NAMED = 3  # of many classes or sets, so many are named and the others counted
_SHOWN = 60  # characters of a text that a sentence shows
_ARTIFACT = re.compile("[a-z]+:[0-9a-f]{64}")
_ID = re.compile("(?:[a-z]+:)?[0-9a-f]{64}")
_DIGEST = re.compile("@[0-9a-f]{12,64}$")
_ORDERS = {
    "arrival": "as they came",
    "newest": "newest first",
    "class": "by class",
    "score_high": "highest score first",
    "score_low": "lowest score first",
    "decided": "last decided first",
    "shuffled": "shuffled",
}
_BY_LIKENESS = {"score_high": "most similar first", "score_low": "least similar first"}


def in_words(query: Query, names: Mapping[str, str]) -> str:
    """'Pending synthetic images of the class cat, in the set kept; newest first.' `names` are those of runs and sets;
    what has none is told by the beginning of its id.
    """
    limits = [_limit(one, names) for one in query.limits]
    parts = [_images(query) + _classes(query.labels), *_where_from(query, names), *limits, _score(query)]
    which = ", ".join(part for part in parts if part)
    order = (_BY_LIKENESS if query.by_likeness else {}).get(query.sort) or _ORDERS[query.sort]
    return f"{which[0].upper()}{which[1:]}; {order}."


def things_in(query: Query) -> list[str]:
    """The ids of runs, sets and other things that a query names."""
    values = [one for limit in query.limits for one in limit.any_of if _ARTIFACT.fullmatch(one)]
    return [one for one in (query.run, query.image_set, *query.image_sets, *values) if one]


def listed(words: Sequence[str], joint: str = "and") -> str:
    """'a', 'a and b', 'a, b and c', 'a, b, c and 4 more'."""
    shown = [*words[:_NAMED], f"{len(words) - _NAMED:,} more"] if len(words) > _NAMED + 1 else list(words)
    return f" {joint} ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)


def called(thing: str, names: Mapping[str, str]) -> str:
    """The name of a run or a set; the beginning of its id where it has none."""
    return names.get(thing) or (f"{thing[:12]}…" if len(thing) > 12 else thing)


def _images(query: Query) -> str:
    moved = ["moved"] if query.relabelled else []
    kinds = [*moved, *filter(None, (listed(query.standings, "or"), listed(query.origins, "or")))]
    return " ".join([*kinds, "images"]) if kinds or _narrowed(query) else "all images"


def _narrowed(query: Query) -> bool:
    limited = query.low is not None or query.high is not None
    return bool(query.labels or things_in(query) or query.limits) or limited


def _classes(labels: Sequence[str]) -> str:
    return f" of the {'class' if len(labels) == 1 else 'classes'} {listed(labels)}" if labels else ""


def _where_from(query: Query, names: Mapping[str, str]) -> list[str]:
    made = f"made by {called(query.run, names)}" if query.run else ""
    inside = f"in the set {called(query.image_set, names)}" if query.image_set else ""
    sets = [called(one, names) for one in query.image_sets]
    among = f"in the {'set' if len(sets) == 1 else 'sets'} {listed(sets, 'or')}" if sets else ""
    return [made, inside, among]


def _score(query: Query) -> str:
    """What is said of the score of a view that does not limit it."""
    if query.similar_to:
        return f"with {_bounds(f'likeness to image {query.similar_to[:8]}', query.low, query.high)}"
    if query.words:
        return f"with {_bounds(f'likeness to “{query.words}”', query.low, query.high)}"
    limited = any(one.field == f"{SCORE}{query.scorer}" for one in query.limits)
    return f"with their {words(SCORE + query.scorer)}" if query.scorer and not limited else ""


def _bounds(name: str, low: float | None, high: float | None) -> str:
    """'guidance from 2 to 4', 'guidance of at least 2'; 'their guidance' where nothing limits it."""
    least, most = (None if bound is None else f"{bound:.4g}" for bound in (low, high))
    if least is not None and most is not None:
        return f"{name} from {least} to {most}"
    if least is None and most is None:
        return f"their {name}"
    return f"{name} of at {'most' if least is None else 'least'} {most if least is None else least}"


def _limit(limit: Limit, names: Mapping[str, str]) -> str:
    """'with guidance from 2 to 4', 'with the solver ddim or without a solver', 'with “sofa” in the prompt'."""
    name = words(limit.field)
    if limit.contains:
        return f"with “{_short(limit.contains)}” in the {name}"
    if not limit.any_of:
        return f"with {_bounds(name, limit.low, limit.high)}"
    values = [_value(one, names) for one in limit.any_of if one]
    without = [f"no {name}"] if "" in limit.any_of else []
    return f"with {listed([*([f'the {name} {values[0]}', *values[1:]] if values else []), *without], 'or')}"


def _value(text: str, names: Mapping[str, str]) -> str:
    """A value of a field as people call it: of things their names, of models no digests."""
    if text in names:
        return names[text]
    return f"{text[:12]}…" if _ID.fullmatch(text) else _short(_DIGEST.sub("", text))


def _short(text: str) -> str:
    return f"{text[:_SHOWN]}…" if len(text) > _SHOWN else text


def _count(values: Sequence[str]) -> str:
    """'a, b, c', of more the first ones and how many more."""
    return ", ".join([*values[:_NAMED], f"{len(values) - _NAMED} more"] if len(values) > _NAMED + 1 else values)


def chips(query: Query, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """What narrows a view, each in a few words, with the part of the query or the field that says it."""
    decisions = [*query.standings, *(["moved"] if query.relabelled else [])]
    found = [
        ("labels", f"class: {_count(query.labels)}" if query.labels else ""),
        ("standings", f"decision: {_count(decisions)}" if decisions else ""),
        ("origins", f"origin: {_count(query.origins)}" if query.origins else ""),
        ("run", f"run: {called(query.run, names)}" if query.run else ""),
        ("image_set", f"set: {called(query.image_set, names)}" if query.image_set else ""),
        (LIKENESS, _range("likeness", query.low, query.high) if (query.low, query.high) != (None, None) else ""),
        *((one.field, _chip(one, names)) for one in query.limits),
    ]
    return [(part, text) for part, text in found if text]


def _chip(limit: Limit, names: Mapping[str, str]) -> str:
    name = words(limit.field)
    if limit.contains:
        return f"{name} has “{_short(limit.contains)}”"
    if limit.any_of:
        return f"{name}: {_count([_value(one, names) or 'none' for one in limit.any_of])}"
    return _range(name, limit.low, limit.high)


def _range(name: str, low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{name} {low:.4g} – {high:.4g}"
    return f"{name} ≤ {high:.4g}" if low is None else f"{name} ≥ {low:.4g}"
