"""The catalog: one object per noun over one database."""

from pathlib import Path

from synthstudio.catalog.database import Database
from synthstudio.catalog.decisions import Decisions
from synthstudio.catalog.images import Images
from synthstudio.catalog.ingest import Ingest
from synthstudio.catalog.pipelines import Pipelines
from synthstudio.catalog.review import Review
from synthstudio.catalog.runs import Runs


class Catalog:
    """Open it once per project and process; closing lets another process in."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.runs = Runs(self.database)
        self.images = Images(self.database)
        self.pipelines = Pipelines(self.database)
        self.ingest = Ingest(self.database)
        self.review = Review(self.database)
        self.decisions = Decisions(self.database)

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log in and release the file."""
        self.database.close()
