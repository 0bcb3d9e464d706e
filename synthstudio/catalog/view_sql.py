"""A view of Review as the SELECT that a person could ask of the catalog: `python -m synthstudio sql`."""

from collections.abc import Sequence
from typing import Any

from synthstudio.catalog.limits import Sql, condition
from synthstudio.catalog.review import STANDING, Query
from synthstudio.errors import BadInput

_ORDERS = {
    "arrival": "number",
    "newest": "number desc",
    "class": "class, number",
    "decided": "seq desc, number",
    "shuffled": "hash(digest), number",
    "score_high": "score desc nulls last, number",
    "score_low": "score nulls last, number",
}
_SCORED = " left join latest_scores c on c.number = t.number and c.scorer = ?"
_RUN = "(select position from runs where id = ?)"


def as_sql(query: Query) -> str:
    """The images of a view as they stand when the question is asked, in its order. BadInput for a view by likeness."""
    if query.by_likeness:
        raise BadInput(
            "Likeness to an image or to words is worked out from vectors, which no table holds. Take that filter away."
        )
    scored = bool(query.scorer)
    score, joined = (", score", _inlined(_SCORED, [query.scorer])) if scored else ("", "")
    order = "arrival" if query.sort.startswith("score") and not scored else query.sort
    lines = [
        f"select digest, class, origin, decision{score} from (",  # noqa: S608 - to be read and asked by a person, of a copy
        "  select t.number, t.digest, t.origin, t.seq, coalesce(nullif(t.given, ''), t.label) as class,",
        f"    t.given not in ('', t.label) as moved{', c.value as score' if scored else ''},",
        f"    {STANDING} as decision",
        f"  from review t{joined}",
        *(f"  {line}" for line in _where([("not t.held", []), *_made(query)])),
        ")",
        *_where(_decided(query)),
        f"order by {_ORDERS[order]}",
    ]
    return "\n".join(lines)


def _made(query: Query) -> list[Sql]:
    """What is asked of the making of a picture `t`."""
    found: list[Sql] = []
    if query.run:
        makers = f"t.number in (select number from makers where run = {_RUN})"  # noqa: S608 - from above
        found.append((f"(t.run = {_RUN} or {makers})", [query.run, query.run]))
    for sets in ((query.image_set,) if query.image_set else (), query.image_sets):
        if sets:
            found.append((f"t.digest in (select image from members where set_id in ({_places(sets)}))", list(sets)))  # noqa: S608
    return [*found, *(condition(limit) for limit in query.limits)]


def _decided(query: Query) -> list[Sql]:
    """What is asked of how it stands."""
    lists = (("class", query.labels), ("origin", query.origins), ("decision", query.standings))
    found: list[Sql] = [(f"{name} in ({_places(wanted)})", list(wanted)) for name, wanted in lists if wanted]
    return [*found, ("moved", [])] if query.relabelled else found


def _where(conditions: Sequence[Sql]) -> list[str]:
    """Lines of a WHERE clause, its values written into it."""
    said = [_inlined(*one) for one in conditions]
    return [f"{'where' if place == 0 else '  and'} {text}" for place, text in enumerate(said)]


def _inlined(sql: str, values: Sequence[Any]) -> str:
    parts = sql.split("?")
    texts = [_text(one) if isinstance(one, str) else repr(one) for one in values]
    return "".join(part + text for part, text in zip(parts, [*texts, ""], strict=True))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _places(values: Sequence[str]) -> str:
    return ", ".join("?" for _ in values)
