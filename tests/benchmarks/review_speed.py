"""How quick the catalog is at reviewing: `python -m tests.benchmarks.review_speed [IMAGES ...]`, default 5,000 and 1M.

Prints milliseconds: the first view and its counts, a page in the middle, one decision committed, counts after it, a
decision about every image of the view at once, then every filter with its counts and a page, all images decided, and
the histogram of a field under two other filters.
`--log` adds how long the same counts take when they are worked out from the log of decisions, as a comparison.
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
from synthstudio.view_terms import Limit

FILL = """
    insert into images
    select 'r' || (1 + range % 2), range, sha256(range::text), 'class ' || (range % 100),
           case range % 5 when 0 then 'real' else 'synthetic' end, 512, 512,
           json_object('prompt', 'a ' || (range % 5000) || 'th drawing of a cat on a sofa', 'seed', hash(range) // 4,
                       'backbone', 'pico@0123456789ab', 'guidance_scale', 1 + range % 80 / 10, 'inference_steps', 20,
                       'sampler', ['ddim', 'dpm', 'euler'][1 + range % 3], 'strength', null),
           0 from range(?)
"""
SCORE = "insert into scores select 'r1', digest, 'sharpness', (plan_index % 1000) / 1000 from images"
FROM_THE_LOG = """
    select t.label, t.origin, s.verdict, count(*) from review t left join (
        select image, arg_max(verdict, seq) as verdict, arg_max(label, seq) as label, max(seq) as seq
        from decisions group by image
    ) s on s.image = t.digest
    where t.digest not in (select m.image from members m join image_sets i on i.id = m.set_id where i.role = 'test')
    group by all
"""
FILTERS = {
    "all": {},
    "a class": {"labels": ("class 7",)},
    "an origin": {"origins": ("real",)},
    "a run": {"run": "r2"},
    "rejected": {"standings": ("rejected",)},
    "a score range": {"scorer": "sharpness", "low": 0.25, "high": 0.75},
    "guidance": {"limits": (Limit(field="guidance_scale", low=2, high=4),)},
    "two solvers": {"limits": (Limit(field="sampler", any_of=("ddim", "dpm")),)},
    "a seed": {"limits": (Limit(field="seed", any_of=("7",)),)},
    "part of the prompt": {"limits": (Limit(field="prompt", contains="42th Drawing"),)},
    "three limits": {
        "limits": (
            Limit(field="score:sharpness", low=0.25, high=0.75),
            Limit(field="guidance_scale", low=2, high=4),
            Limit(field="sampler", any_of=("ddim",)),
        ),
    },
    "newest first": {"sort": "newest"},
    "by class": {"sort": "class"},
    "shuffled": {"sort": "shuffled"},
}


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
    (folder / str(images)).mkdir()
    with Catalog(folder / str(images) / "catalog.duckdb") as catalog:
        catalog.runs.add("r1", Paint(), Resources())
        catalog.runs.add("r2", Paint(images=1), Resources())
        with catalog.database.transaction() as cursor:
            cursor.execute(FILL, [images])
            cursor.execute(SCORE)
        review, decisions = catalog.review, catalog.decisions
        rows["number new images, once"], query = timed(lambda: review.settle(Query()))
        rows["first view"], _ = timed(lambda: review.size(query))
        rows["counts"], _ = timed(lambda: review.tally(query), 5)
        rows["page of 200 in the middle"], page = timed(lambda: review.page(query, images // 2, 200), 5)
        rows["states of a page"], _ = timed(lambda: decisions.states([row["digest"] for row in page]), 5)
        names = iter(row["digest"] for row in page)

        def one():
            act = Act(str(uuid.uuid4()), "t", Chosen.images([next(names)]), "reject")
            return decisions.decide([act], "me")[0]

        rows["one decision"], _ = timed(one, 20)
        thousand = Act(str(uuid.uuid4()), "t", review.chosen(query, [(0, 999)]), "keep")
        rows["decide 1,000"], _ = timed(lambda: decisions.decide([thousand], "me"))
        everything = Act(str(uuid.uuid4()), "t", review.chosen(query, [(0, images - 1)]), "keep")
        rows["decide all"], (outcome,) = timed(lambda: decisions.decide([everything], "me"))
        assert outcome.changed == images
        rows["one more decision"], undone = timed(one, 5)
        rows["undo it"], _ = timed(lambda: decisions.decide([Act(str(uuid.uuid4()), "t", undoes=undone.id)], "me"), 5)
        rows["list of runs"], _ = timed(review.runs, 3)
        for name, filters in FILTERS.items():
            rows |= filtered(catalog, name, filters, one)
        limited = review.settle(Query(**FILTERS["three limits"]))
        for field in ("guidance_scale", "score:sharpness"):
            rows[f"histogram: {field}"], _ = timed(lambda f=field: catalog.spreads.numbers(limited, f), 5)
        rows["values: sampler"], _ = timed(lambda: catalog.spreads.texts(limited, "sampler"), 5)
        if "--log" in sys.argv:
            rows["counts from the log"], _ = timed(lambda: catalog.database.rows(FROM_THE_LOG), 3)
    return rows


def filtered(catalog, name, filters, decide):
    """First page of a view that nobody asked for before, its counts, and the page that is asked for next."""
    review, rows = catalog.review, {"view": [], "counts": [], "next": []}
    for _ in range(3):
        decide()  # or the view would be remembered from the round before
        taken, query = timed(lambda: review.settle(Query(**filters)))
        found, _ = timed(lambda q=query: review.page(q, 0, 200))
        rows["view"].append(taken + found)
        rows["counts"].append(timed(lambda q=query: review.tally(q))[0])
        rows["next"].append(timed(lambda q=query: review.page(q, 200, 200))[0])
    return {
        f"{name}: first page": statistics.median(rows["view"]),
        f"{name}: its counts": statistics.median(rows["counts"]),
        f"{name}: next page": statistics.median(rows["next"]),
    }


def show(sizes, tables):
    """Print one column of milliseconds per size."""
    print(f"{'milliseconds':32}", *(f"{images:>12,}" for images in sizes))
    for name in tables[0]:
        print(f"{name:32}", *(f"{table[name]:12.1f}" for table in tables))


def main():
    """Print one column per size."""
    sizes = [int(text) for text in sys.argv[1:] if text.isdigit()] or [5_000, 1_000_000]
    with tempfile.TemporaryDirectory() as folder:
        tables = [measure(images, Path(folder)) for images in sizes]
    show(sizes, tables)


if __name__ == "__main__":
    main()
