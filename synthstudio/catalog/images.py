"""Images, the sets they are frozen into, and their scores."""

import json
import time
from typing import Any

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.database import Database, insert
from synthstudio.catalog.review_tables import held_back


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

    def made_by(self, run_id: str, limit: int = 100, offset: int = 0) -> list[dict[str, Any]]:
        """Images of a run in plan order, with how each was made."""
        rows = self._database.records(
            "select plan_index, digest, label, origin, width, height, made from images where run_id = ?"
            " order by plan_index limit ? offset ?",
            [run_id, limit, offset],
        )
        return [{**row, "made": json.loads(row["made"])} for row in rows]

    def provenance(self, digest: str) -> list[dict[str, Any]]:
        """Every known origin of an image: its run, its step and what the maker said of it."""
        rows = self._database.records(
            "select i.run_id, i.label, i.origin, i.made, s.id as step_id, s.body as step from images i"
            " join runs r on r.id = i.run_id join steps s on s.id = r.step_id where i.digest = ? order by i.created",
            [digest],
        )
        return [{**row, "made": json.loads(row["made"]), "step": json.loads(row["step"])} for row in rows]

    def add_set(self, image_set: ImageSet, run_id: str) -> None:
        """Index a frozen set, so that sets can be asked about their members."""
        with self._database.transaction() as cursor:
            if cursor.execute("select 1 from image_sets where id = ?", [image_set.id]).fetchall():
                return
            insert(
                cursor, "members", ("set_id", "image", "label", "given"),
                [(image_set.id, m.image, m.label, m.given) for m in image_set],
            )  # fmt: skip
            if image_set.role == "test":
                held_back(cursor, image_set.id)
            cursor.execute(
                "insert into image_sets (id, role, size, run_id, created) values (?, ?, ?, ?, ?)",
                [image_set.id, image_set.role, len(image_set), run_id, time.time()],
            )

    def test_images_in(self, set_ids: list[str]) -> list[tuple[str, str]]:
        """(set, image) pairs of the named sets whose image belongs to a test set of this project."""
        return [
            (str(set_id), str(image))
            for set_id, image in self._database.rows(
                "select distinct m.set_id, m.image from members m join members t on t.image = m.image"
                " join image_sets s on s.id = t.set_id where list_contains(?, m.set_id) and s.role = 'test'",
                [set_ids],
            )
        ]

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

    def looks_at(self, test_set: str) -> int:
        """How many finished evaluations have read this test set: each look makes it a little less untouched."""
        return int(
            self._database.rows(
                "select count(*) from runs r join steps s on s.id = r.step_id where r.state = 'done'"
                " and starts_with(r.kind, 'evaluate.') and contains(s.body::text, ?)",
                [test_set],
            )[0][0]
        )
