"""A query of Review as one English sentence, for lists, tooltips and terminals."""

from collections.abc import Mapping, Sequence

from synthstudio.catalog.review import Query

_NAMED = 3  # of many classes or sets, so many are named and the others counted
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
    parts = [_images(query) + _classes(query.labels), *_where_from(query, names), _score(query)]
    which = ", ".join(part for part in parts if part)
    order = (_BY_LIKENESS if query.similar_to else {}).get(query.sort) or _ORDERS[query.sort]
    return f"{which[0].upper()}{which[1:]}; {order}."


def things_in(query: Query) -> list[str]:
    """The ids of runs and sets that a query names."""
    return [one for one in (query.run, query.image_set, *query.image_sets) if one]


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
    return bool(query.labels or things_in(query)) or limited


def _classes(labels: Sequence[str]) -> str:
    return f" of the {'class' if len(labels) == 1 else 'classes'} {listed(labels)}" if labels else ""


def _where_from(query: Query, names: Mapping[str, str]) -> list[str]:
    made = f"made by {called(query.run, names)}" if query.run else ""
    inside = f"in the set {called(query.image_set, names)}" if query.image_set else ""
    sets = [called(one, names) for one in query.image_sets]
    among = f"in the {'set' if len(sets) == 1 else 'sets'} {listed(sets, 'or')}" if sets else ""
    return [made, inside, among]


def _score(query: Query) -> str:
    """What is said of the score: the limits, and what it is where there are none."""
    if not (query.similar_to or query.scorer):
        return ""
    name = f"likeness to image {query.similar_to[:8]}" if query.similar_to else query.scorer.replace("_", " ")
    low, high = (None if limit is None else f"{limit:.4g}" for limit in (query.low, query.high))
    if low is not None and high is not None:
        return f"with {name} from {low} to {high}"
    if low is not None or high is not None:
        return f"with {name} of at {'most' if low is None else 'least'} {high if low is None else low}"
    return f"with their {name}"
