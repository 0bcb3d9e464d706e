"""Images, the sets they are frozen into, and their scores."""

import json
import re
import time
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.database import Database, insert
from synthstudio.catalog.freed import Freed
from synthstudio.catalog.review_tables import held_back
from synthstudio.catalog.selection import narrowing
from synthstudio.filters import Condition

_SETS = ("set:", "pool:", "test:")
_TAUGHT = re.compile("(?:set|adapter|experts|classifier):[0-9a-f]{64}")


class Images:
    """Queries and changes of images, image sets and scores."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, run_id: str) -> int:
        """How many images a run made."""
        return int(self._database.rows("select count(*) from images where run_id = ?", [run_id])[0][0])

    def total(self) -> int:
        """How many images all runs of the project made."""
        return int(self._database.rows("select count(*) from images")[0][0])

    def kept(self) -> int:
        """How many of them there still are: what was thrown away on purpose takes no room."""
        gone = Freed(self._database).images()
        sql = "select count(*) from images where digest in (select unnest(?::text[]))"
        return self.total() - (int(self._database.rows(sql, [sorted(gone)])[0][0]) if gone else 0)

    def made_by(self, run_id: str, limit: int = 100, offset: int = 0) -> list[dict[str, Any]]:
        """Images of a run in plan order, with how each was made."""
        rows = self._database.records(
            "select plan_index, digest, label, origin, width, height, made from images where run_id = ?"
            " order by plan_index limit ? offset ?",
            [run_id, limit, offset],
        )
        return [{**row, "made": json.loads(row["made"])} for row in rows]

    def newest_of_each(self, run_id: str, limit: int) -> list[dict[str, Any]]:
        """The newest images of a run, of every class one before any has two: a plan goes class by class."""
        rows = self._database.records(
            "select digest, label, made from (select *, row_number() over (partition by label order by plan_index desc)"
            " as nth from images where run_id = ?) order by nth, plan_index desc limit ?",
            [run_id, limit],
        )
        return [{**row, "made": json.loads(row["made"])} for row in rows]

    def makers(self) -> dict[str, str]:
        """The run that first made each image of the project, by digest."""
        return dict(self._database.rows("select digest, arg_min(run_id, created) from images group by digest"))

    def by_set(self) -> dict[str, list[str]]:
        """The images of every set, pool and test set, once each."""
        return dict(self._database.rows("select set_id, list(distinct image) from members group by set_id"))

    def makers_of(self, digests: Iterable[str]) -> dict[str, str]:
        """The run that first made each of these images, by digest."""
        sql = (
            "select digest, arg_min(run_id, created) from images where digest in (select unnest(?::text[]))"
            " group by digest"
        )
        return dict(self._database.rows(sql, [sorted(digests)]))

    def provenance(self, digest: str) -> list[dict[str, Any]]:
        """Every known origin of an image: its run, its step and what the maker said of it."""
        rows = self._database.records(
            "select i.run_id, i.label, i.origin, i.made, i.plan_index, i.created, s.id as step_id, s.body as step"
            " from images i join runs r on r.id = i.run_id join steps s on s.id = r.step_id"
            " where i.digest = ? order by i.created",
            [digest],
        )
        return [{**row, "made": json.loads(row["made"]), "step": json.loads(row["step"])} for row in rows]

    def real_among(self, digests: Iterable[str]) -> set[str]:
        """Those of these images that were brought in by a person, whatever else they are. One query."""
        rows = self._database.rows(
            "select distinct digest from images where origin = 'real' and list_contains(?, digest)", [list(digests)]
        )
        return {str(digest) for (digest,) in rows}

    def add_set(self, image_set: ImageSet, run_id: str) -> None:
        """Index a frozen set, so that sets can be asked about their members."""
        with self._database.transaction() as cursor:
            created = time.time()
            if store_set(cursor, image_set, run_id, created):
                self._database.keep({"set": image_set.id, "run_id": run_id, "created": created})

    def test_images_in(self, set_ids: list[str], tests: Sequence[str] = ()) -> list[tuple[str, str]]:
        """(set, image) pairs of the named sets whose image is in one of these test sets, or in any of the project."""
        return [
            (str(set_id), str(image))
            for set_id, image in self._database.rows(
                "select distinct m.set_id, m.image from members m join members t on t.image = m.image"
                " join image_sets s on s.id = t.set_id where list_contains(?, m.set_id) and s.role = 'test'"
                " and (len(?) = 0 or list_contains(?, s.id))",
                [set_ids, list(tests), list(tests)],
            )
        ]

    def photos_in(self, set_id: str) -> set[str]:
        """The images of a set that were imported."""
        rows = self._database.rows(
            "select distinct i.digest from images i join members m on m.image = i.digest"
            " where m.set_id = ? and i.origin = 'real'",
            [set_id],
        )
        return {str(image) for (image,) in rows}

    def knows_set(self, set_id: str) -> bool:
        """Whether the members of a set are in the catalog; a set that a run is still writing has none yet."""
        return bool(self._database.rows("select 1 from image_sets where id = ?", [set_id]))

    def sets_behind(self, ids: Iterable[str]) -> set[str]:
        """Sets that taught what is named: of every image that is no photo, and of every adapter, expert or classifier,
        the sets its maker was given, and so on back to photos.
        """
        seen: set[str] = set()
        todo = set(ids)
        while todo:
            made = self._database.rows(
                "select distinct s.body::text from runs r join steps s on s.id = r.step_id where r.id in ("
                " select i.run_id from members m join images i on i.digest = m.image"
                " where m.set_id in (select unnest(?::text[])) and i.origin <> 'real' union all"
                " select run_id from outputs where json_extract_string(value, '$') in (select unnest(?::text[])))",
                [sorted(todo), sorted(one for one in todo if not one.startswith(_SETS))],
            )
            named = {one for (body,) in made for one in _TAUGHT.findall(body)}
            seen, todo = seen | named, named - seen
        return {one for one in seen if one.startswith("set:")}

    def scores(self, digests: list[str]) -> dict[str, dict[str, float]]:
        """The latest value of every scorer for each image."""
        rows = self._database.rows(
            "select s.image, s.scorer, s.value from scores s join runs r on r.id = s.run_id"
            " where list_contains(?, s.image) qualify row_number() over"
            " (partition by s.image, s.scorer order by r.position desc) = 1",
            [digests],
        )
        found: dict[str, dict[str, float]] = {}
        for image, scorer, value in rows:
            found.setdefault(image, {})[scorer] = value
        return found

    def sets_by_origin(self, most: int) -> dict[bool, list[str]]:
        """Sets that are no test set and hold no test image, the newest first: True those of photos alone, False the
        others.
        """
        rows = self._database.rows(
            "with newest as (select id, created from image_sets where role = 'set' order by created desc limit ?),"
            " photos as (select distinct digest from images where origin = 'real'),"
            " tested as (select m.image from members m join image_sets s on s.id = m.set_id where s.role = 'test')"
            " select n.id, bool_and(m.image in (from photos)) from newest n join members m on m.set_id = n.id"
            " group by n.id, n.created having not bool_or(m.image in (from tested)) order by n.created desc",
            [most],
        )
        return {real: [str(set_id) for set_id, photos in rows if photos == real] for real in (True, False)}

    def passing(self, run_id: str, filters: Sequence[Condition]) -> dict[str, tuple[int, int]]:
        """Of each class of a run, how many images it made so far and how many pass filters by the scores it gave."""
        kept, bound = narrowing(filters)
        rows = self._database.rows(
            "with candidates as (select distinct digest as image, label from images where run_id = ?),"  # noqa: S608
            f" scores as (select image, scorer, value from scores where run_id = ?), kept as ({kept})"
            " select c.label, count(*), count(k.image) from candidates c left join kept k using (image, label)"
            " group by c.label",
            [run_id, run_id, *bound],
        )
        return {str(label): (int(made), int(passed)) for label, made, passed in rows}

    def looks_at(self, test_set: str) -> int:
        """How many finished evaluations have read this test set: each look makes it a little less untouched."""
        return int(
            self._database.rows(
                "select count(*) from runs r join steps s on s.id = r.step_id where r.state = 'done'"
                " and starts_with(r.kind, 'evaluate.') and contains(s.body::text, ?)",
                [test_set],
            )[0][0]
        )


def store_set(cursor: duckdb.DuckDBPyConnection, image_set: ImageSet, run_id: str, created: float) -> bool:
    """Rows of a set and its members; whether it was new."""
    if cursor.execute("select 1 from image_sets where id = ?", [image_set.id]).fetchall():
        return False
    insert(
        cursor, "members", ("set_id", "image", "label", "given"),
        [(image_set.id, m.image, m.label, m.given) for m in image_set],
    )  # fmt: skip
    if image_set.role == "test":
        held_back(cursor, image_set.id)
    cursor.execute(
        "insert into image_sets (id, role, size, run_id, created) values (?, ?, ?, ?, ?)",
        [image_set.id, image_set.role, len(image_set), run_id, created],
    )
    return True
