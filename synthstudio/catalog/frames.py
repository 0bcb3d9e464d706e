"""What the catalog knows as pandas tables: one row per thing, times in UTC, nothing cut off."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from synthstudio.catalog.database import Database
from synthstudio.catalog.names import Names
from synthstudio.catalog.review_tables import ReviewTables

if TYPE_CHECKING:
    from pandas import DataFrame

_IMAGES = """
    select r.digest as image, r.label as made_as, coalesce(nullif(r.given, ''), r.label) as label,
           case r.verdict when 'keep' then 'accepted' when 'reject' then 'rejected' else 'pending' end as review,
           r.origin, r.held as held_out, r.width, r.height, u.id as run, u.kind as step,
           to_timestamp(i.created) as created, i.made
    from review r join runs u on u.position = r.run
    join (select run_id, digest, arg_min(made, plan_index) as made, min(created) as created from images
          group by run_id, digest) i on i.run_id = u.id and i.digest = r.digest
    order by r.number
"""
_SCORES = """
    select r.digest as image, l.scorer, l.value, u.id as run from latest_scores l
    join review r on r.number = l.number join runs u on u.position = l.run order by l.scorer, l.number
"""
_RUNS = """
    select r.id as run, n.name, r.kind as step, r.state, to_timestamp(r.created) as created,
           to_timestamp(r.started) as started, to_timestamp(r.finished) as finished, r.seconds, r.peak_memory_mb,
           r.device, r.done, r.total, r.unit, r.attempt, r.error, s.body as fields
    from runs r join steps s on s.id = r.step_id left join names n on n.id = r.id order by r.position desc
"""
_SETS = """
    select i.id as set, n.name, i.role, i.size, i.run_id as run, to_timestamp(i.created) as created
    from image_sets i left join names n on n.id = i.id order by i.created desc
"""
_MEMBERS = "select image, label, given from members where set_id = ? order by label, image"
_METRICS = """
    select m.run_id as run, m.name, m.arm, m.label, m.fold, m.value, m.low, m.high, m.n, m.split from metrics m
    join runs r on r.id = m.run_id order by r.position desc, m.name, m.arm, m.label, m.fold
"""


class Frames:
    """Tables of images, scores, runs and sets."""

    def __init__(self, database: Database, tables: ReviewTables, names: Names) -> None:
        self._database = database
        self._tables = tables
        self._names = names

    def images(self) -> "DataFrame":
        """Every picture of the project once, photos too: its class as made and as it stands, what people decided, who
        made it, and how (`made.seed`, `made.prompt` and the like).
        """
        self._tables.upto()
        return _flat(self._frame(_IMAGES), "made")

    def scores(self) -> "DataFrame":
        """The newest value that each scorer gave each image, one row each."""
        self._tables.upto()
        return self._frame(_SCORES)

    def runs(self) -> "DataFrame":
        """Every run, newest first, with the fields of its Step (`fields.seed` and the like)."""
        self._names.take_in()
        found = self._frame(_RUNS)
        found["fields"] = [json.dumps(json.loads(body)["fields"]) for body in found["fields"]]
        return _flat(found, "fields")

    def metrics(self) -> "DataFrame":
        """Every number that an evaluation or a measurement found, with its 95 % interval, as a whole and per class."""
        return self._frame(_METRICS)

    def sets(self) -> "DataFrame":
        """Every set of images, newest first."""
        self._names.take_in()
        return self._frame(_SETS)

    def members(self, set_id: str) -> "DataFrame":
        """The images of a set with their classes."""
        return self._frame(_MEMBERS, [set_id])

    def _frame(self, sql: str, values: Sequence[Any] = ()) -> "DataFrame":
        found = self._database.frame(sql, values)
        for name in found.select_dtypes("datetimetz"):  # the database answers in the time zone of the machine
            found[name] = found[name].dt.tz_convert("UTC")
        return found


def _flat(found: "DataFrame", column: str) -> "DataFrame":
    """The table with a column of JSON objects spread over columns of its own, `column.key`, at the end.

    Whole numbers stay whole where some are missing: a seed of 63 bits does not fit into a float.
    """
    import pandas as pd

    objects = [json.loads(text) for text in found[column]]
    inside = pd.DataFrame(objects, index=found.index, dtype=object).convert_dtypes().add_prefix(f"{column}.")
    return pd.concat([found.drop(columns=column), inside], axis="columns")
