"""Decide until the disk refuses: `python -m tests.catalog.filling CATALOG`. The disk is a limit on the size of a file.

Prints one JSON line: acts that were acknowledged, acts that were refused and how, and what was acknowledged after
there was room again.
"""

import json
import resource
import sys
from pathlib import Path

from synthstudio.artifacts import Image
from synthstudio.catalog import Catalog
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query
from synthstudio.errors import StorageFull
from synthstudio.events import Made
from synthstudio.resources import Resources
from tests.jobs.counting import Count


def limit(size: int) -> None:
    """No file of this process may grow beyond this."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def main() -> None:
    """Fill, be refused, get room, go on."""
    path = Path(sys.argv[1])
    said: dict[str, list[str]] = {"acknowledged": [], "refused": [], "why": [], "later": []}
    catalog = Catalog(path)
    catalog.runs.add("r1", Count(), Resources())
    lines = [(1.0, Made(index=n, image=Image(f"{n:064x}", "cat", "synthetic", 8, 8))) for n in range(100)]
    catalog.ingest("r1", lines, 1)
    catalog.review.settle(Query())
    log = path.with_name(path.name + ".wal")
    limit((log.stat().st_size if log.exists() else 0) + 20_000)
    for number in range(400):
        act = Act(f"act {number}", "tab", Chosen.images([f"{number % 100:064x}"]), "reject", why="x" * 200)
        try:
            catalog.decisions.decide([act], "me")
            said["acknowledged"].append(act.id)
        except StorageFull as error:
            said["refused"].append(act.id)
            said["why"].append(str(error))
            if len(said["refused"]) == 3:
                break
    limit(resource.RLIM_INFINITY)
    for number in range(3):
        act = Act(f"later {number}", "tab", Chosen.images([f"{number:064x}"]), "keep")
        catalog.decisions.decide([act], "me")
        said["later"].append(act.id)
    said["known"] = [row[0] for row in catalog.database.rows("select id from acts order by first_seq")]
    sys.stdout.write(json.dumps(said) + "\n")
    catalog.close()


if __name__ == "__main__":
    main()
