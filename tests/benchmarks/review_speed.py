"""How quick the catalog is at reviewing: `python -m tests.benchmarks.review_speed [IMAGES ...]`, default 5,000 and 1M.

Prints milliseconds: the first view and its counts, a page in the middle, one decision committed, counts after it, and
a decision about every image of the view at once.
"""

import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

from synthstudio.catalog import Catalog
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query

FILL = """
    insert into images
    select 'r1', range, sha256(range::text), 'class ' || (range % 100), 'synthetic', 512, 512, '{}', 0 from range(?)
"""


def timed(work, repeat=1):
    """Median milliseconds and the last result."""
    taken = []
    for _ in range(repeat):
        started = time.perf_counter()
        result = work()
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken), result


def measure(images, folder):
    """All rows of the table for a catalog of so many images."""
    from synthstudio.resources import Resources
    from tests.jobs.counting import Paint

    rows = {}
    with Catalog(folder / f"{images}.duckdb") as catalog:
        catalog.runs.add("r1", Paint(), Resources())
        with catalog.database.transaction() as cursor:
            cursor.execute(FILL, [images])
        review, decisions = catalog.review, catalog.decisions
        rows["number new images, once"], query = timed(lambda: review.settle(Query()))
        rows["first view"], _ = timed(lambda: review.size(query))
        rows["counts"], _ = timed(lambda: review.tally(query), 5)
        rows["page of 200 in the middle"], page = timed(lambda: review.page(query, images // 2, 200), 5)
        rows["states of a page"], _ = timed(lambda: decisions.states([row["digest"] for row in page]), 5)
        names = iter(row["digest"] for row in page)
        rows["one decision"], _ = timed(
            lambda: decisions.decide([Act(str(uuid.uuid4()), "t", Chosen.images([next(names)]), "reject")], "me"), 20
        )
        rows["filtered and shuffled view"], _ = timed(
            lambda: review.size(review.settle(Query(standings=("pending",), sort="shuffled")))
        )
        everything = Act(str(uuid.uuid4()), "t", review.chosen(query, [(0, images - 1)]), "keep")
        rows["decide all"], (outcome,) = timed(lambda: decisions.decide([everything], "me"))
        assert outcome.changed == images
        rows["counts after deciding all"], _ = timed(lambda: review.tally(review.settle(Query())), 3)
        rows["one more decision"], _ = timed(
            lambda: decisions.decide([Act(str(uuid.uuid4()), "t", Chosen.images([next(names)]), "reject")], "me"), 5
        )
    return rows


def main():
    """Print one column per size."""
    sizes = [int(text) for text in sys.argv[1:]] or [5_000, 1_000_000]
    with tempfile.TemporaryDirectory() as folder:
        tables = [measure(images, Path(folder)) for images in sizes]
    print(f"{'milliseconds':32}", *(f"{images:>12,}" for images in sizes))
    for name in tables[0]:
        print(f"{name:32}", *(f"{table[name]:12.1f}" for table in tables))


if __name__ == "__main__":
    main()
