"""The catalog: one object per noun over one database."""

from pathlib import Path

from synthstudio.artifacts import ImageSet
from synthstudio.catalog.decisions import Decisions
from synthstudio.catalog.frames import Frames
from synthstudio.catalog.freed import Freed
from synthstudio.catalog.images import Images
from synthstudio.catalog.ingest import Ingest
from synthstudio.catalog.ingest import Line as LogLine
from synthstudio.catalog.made_with import MadeWith
from synthstudio.catalog.names import Names
from synthstudio.catalog.opening import Sources, open_catalog
from synthstudio.catalog.pipelines import Pipelines
from synthstudio.catalog.points import Points
from synthstudio.catalog.readings import Readings
from synthstudio.catalog.replay import ReadLog
from synthstudio.catalog.review import Review
from synthstudio.catalog.runs import Runs
from synthstudio.catalog.saved_views import SavedViews
from synthstudio.catalog.spread import Spreads
from synthstudio.catalog.tags import Tags
from synthstudio.embeddings import Likenesses
from synthstudio.workspace import Workspace

_VERSION = """
    select (select bit_xor(hash(id)) from runs where state = 'done'),
           (select bit_xor(hash(id, state)) from pipelines where state <> 'running'),
           (select bit_xor(hash(id)) from image_sets),
           (select bit_xor(hash(id, name)) from names where given),
           (select bit_xor(hash(name, query)) from saved_views)
"""


class Catalog:
    """Open it once per project and process; closing lets another process in.

    It is an index over the project's journal and the logs of its runs, and is made again from them when it is missing
    or damaged; `said` tells a person if that was so. `read_log` gives the lines of a run's log.
    """

    def __init__(
        self, path: Path, read_log: ReadLog | None = None, rebuild: bool = False, root: Path | None = None
    ) -> None:
        """`root` is the project's folder where the catalog is a copy that lies elsewhere."""
        workspace = Workspace(root or path.parent)

        def read_set(set_id: str) -> ImageSet:
            return workspace.image_set(set_id)

        opened = open_catalog(path, Sources(read_log or _no_log, read_set), rebuild)
        self.said = opened.said
        self.incomplete = opened.incomplete
        self.database = opened.database
        self.runs = Runs(self.database)
        self.images = Images(self.database)
        self.pipelines = Pipelines(self.database)
        self.ingest = Ingest(self.database)
        self.vectors = Likenesses(workspace)
        self.readings = Readings(self.database, workspace, self.vectors)
        self.review = Review(self.database, self.vectors.of, self.readings)
        self.spreads = Spreads(self.database, self.review)
        self.points = Points(self.database, self.review)
        self.made_with = MadeWith(self.database, self.review)
        self.decisions = Decisions(self.database)
        self.tags = Tags(self.database)
        self.names = Names(self.database)
        self.views = SavedViews(self.database, self.review, self.names)
        self.freed = Freed(self.database)
        self.frames = Frames(self.database, self.review.tables, self.names)
        self._version = (-1, "")

    def version(self) -> str:
        """A text that changes with whatever there is to choose from: what done runs made, recipe runs that have ended,
        sets, names that people gave. Asked for often: it is made anew only if something was written.
        """
        commits, known = self._version
        if commits != self.database.commits:
            commits = self.database.commits
            known = repr(self.database.rows(_VERSION))
            self._version = commits, known
        return known

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Fold the write-ahead log in and release the file."""
        self.database.close()


def _no_log(_: str, offset: int, __: int) -> tuple[list[LogLine], int]:
    """Without a reader no run has said anything."""
    return [], offset
