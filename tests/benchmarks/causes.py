"""Why images were rejected: how long the answer takes, how often it is wrong, how soon it is right.

    python -m tests.benchmarks.causes                    # 100,000 and 1,000,000 images; 200 reviews of each kind
    python -m tests.benchmarks.causes 100000 --reviews 0

Speed: the first half of the images was decided about, those of one domain of five mostly rejected; then the second half
too. Error rates: reviews of sampled images as people do them, from the first image on, with what is good kept or
passed by. Rejections at random have no cause, so whatever is told is wrong; with a planted cause 80 % of one domain of
three are rejected and 10 % of the others. Found is the planted setting alone; whatever else is told counts as wrong.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query
from synthstudio.cause_terms import Condition
from synthstudio.jobs.curating import causes
from synthstudio.jobs.studio import Studio
from synthstudio.resources import Resources
from tests.benchmarks.review_speed import show
from tests.catalog.projects import opened
from tests.jobs.reviewed import decide, sampled, words

DOMAINS = ("photo", "sketch", "cartoon", "painting", "toy")
FILL = """
    insert into images
    select 'r' || (1 + range % 2), range, sha256(range::text), 'class ' || (range % 100), 'synthetic', 512, 512,
           json_object(
               'prompt', 'a ' || domain || ' of a class ' || (range % 100), 'negative_prompt', '', 'domain', domain,
               'seed', range, 'guidance_scale', round(1 + (hash(range) % 8000) / 1000, 3), 'strength', null,
               'parent', null, 'inference_steps', 50, 'sampler', 'dpm++', 'backbone', 'pico@000000000000',
               'adapter', null, 'adapter_scale', null
           ), 0
    from (select range, (?::text[])[1 + (range // 100) % 5] as domain from range(?))
"""
HALF = "select t.number from review t join images i on i.digest = t.digest where t.number <= ? and {bad}"
BAD = "json_extract_string(i.made, '$.domain') = 'cartoon' and hash(t.number) % 10 < 8 or hash(t.number) % 10 = 9"
WALKED = (60, 120, 250, 500)  # images of a review at random
STRIDE = 25  # images between two looks at the panel
RATES = (0.1, 0.2, 0.4)
CARTOON = (Condition(field="domain", text="cartoon"),)


def speed(images: int, folder: Path) -> dict[str, float]:
    """Milliseconds in a project of so many images."""
    rows: dict[str, float] = {}
    with opened(folder / str(images)) as studio:
        catalog = studio.catalog
        labels = tuple(f"class {number}" for number in range(100))
        for number in range(2):
            catalog.runs.add(f"r{number + 1}", words(labels=labels, domains=DOMAINS, seed=number), Resources())
        with catalog.database.transaction() as cursor:
            cursor.execute(FILL, [list(DOMAINS), images])
        query = catalog.review.settle(Query())
        catalog.review.size(query)
        for verdict, bad in (("reject", f"({BAD})"), ("keep", f"not ({BAD})")):
            catalog.decisions.decide([Act(verdict, "tab", Chosen(HALF.format(bad=bad), [images // 2]), verdict)], "me")
        rows["images looked at"] = float(len(catalog.made_with.looked_at(query).numbers))
        rows["causes found"], found = timed(lambda: causes.found(studio, query))
        rows["asked again"], _ = timed(lambda: causes.found(studio, query))
        assert [one.conditions for one in found] == [CARTOON], found
        rows["pending images of the cause"] = float(found[0].pending)
        rows["branch rejected"], outcome = timed(lambda: causes.reject(studio, query, CARTOON, "me"))
        rows["branches told"], _ = timed(lambda: causes.standing(studio))
        undo = Act("undo", "causes", undoes=outcome.id)
        rows["taken back"], undone = timed(lambda: catalog.decisions.decide([undo], "me"))
        assert outcome.changed == undone[0].changed == found[0].pending
        rest = Chosen("select number from review where number > ? and number % 10 > 0", [images // 2])
        catalog.decisions.decide([Act("rest", "tab", rest, "keep")], "me")
        rows["all but the last looked at"] = float(len(catalog.made_with.looked_at(query).numbers))
        rows["causes found, then"], _ = timed(lambda: causes.found(studio, query))
    return rows


def timed(work):  # noqa: ANN001, ANN201 - whatever is measured
    """Milliseconds of one call, and its result."""
    started = time.perf_counter()
    result = work()
    return 1000 * (time.perf_counter() - started), result


def at_random(studio: Studio, digests: list[str], reviews: int) -> Iterator[str]:
    """Lines about reviews without a cause."""
    wrong = 0
    for number in range(reviews):
        dice = random.Random(number)
        walked = digests[: dice.choice(WALKED)]
        rejected = dice.sample(walked, max(1, round(len(walked) * dice.choice(RATES))))
        wrong += bool(told(studio, dice, walked, rejected))
    yield f"rejections at random: a cause is told in {wrong} of {reviews} reviews ({100 * wrong / reviews:.1f} %)"


def watched(studio: Studio, digests: list[str], reviews: int) -> Iterator[str]:
    """Lines about reviews without a cause whose panel is read again and again."""
    wrong = 0
    for number in range(reviews):
        dice = random.Random(number)
        rate = dice.choice(RATES)
        for start in range(0, WALKED[-1], STRIDE):
            part = digests[start : start + STRIDE]
            rejected = [one for one in part if dice.random() < rate]
            decide(studio.catalog, "reject", rejected)
            decide(studio.catalog, "keep", sorted(set(part) - set(rejected))[::2])
            if causes.found(studio, Query()):
                wrong += 1
                break
        decide(studio.catalog, "clear", digests[: WALKED[-1]])
    yield (
        f"the same, read after every {STRIDE} of {WALKED[-1]} images: told at some time in {wrong} of {reviews} reviews"
        f" ({100 * wrong / reviews:.1f} %)"
    )


def planted(studio: Studio, rows: dict, reviews: int) -> Iterator[str]:
    """Lines about reviews with a cause, after so many rejections."""
    for wanted in (20, 50, 100):
        found = wrong = 0
        for number in range(reviews):
            dice = random.Random(number)
            walked, rejected = [], []
            for digest, row in rows.items():
                if len(rejected) == wanted:
                    break
                walked.append(digest)
                if dice.random() < (0.8 if row.domain == "cartoon" else 0.1):
                    rejected.append(digest)
            said = told(studio, dice, walked, rejected)
            found += CARTOON in said
            wrong += any(one != CARTOON for one in said)
        yield (
            f"planted, {wanted} rejections: found in {found} of {reviews} ({100 * found / reviews:.1f} %), something"
            f" else told in {wrong} ({100 * wrong / reviews:.1f} %)"
        )


def told(studio: Studio, dice: random.Random, walked: list[str], rejected: list[str]) -> list[tuple[Condition, ...]]:
    """What a review is told that walks over some images: half of the good ones are kept, half passed by."""
    good = sorted(set(walked) - set(rejected))
    decide(studio.catalog, "reject", rejected)
    decide(studio.catalog, "keep", dice.sample(good, len(good) // 2))
    said = [one.conditions for one in causes.found(studio, Query())]
    decide(studio.catalog, "clear", walked)
    return said


def error_rates(folder: Path, reviews: int) -> Iterator[str]:
    """Both kinds of reviews, on images of ten classes, two runs with settings of their own, templates and words."""
    with opened(folder / "reviews") as studio:
        labels = tuple(f"class {number}" for number in range(10))
        own = {"templates": ("a {domain} of a {word} {label}",), "vocabulary": ("red", "blue", "old", "small")}
        first = sampled(studio.catalog, words(labels=labels, images_per_class=40, **own), run="r1")
        second = sampled(
            studio.catalog,
            words(labels=labels, images_per_class=40, guidance_scale=2, seed=1, sampler="ddim"),
            run="r2",
        )
        mixed = dict(zip(first, first.values(), strict=True)) | second
        order = list(mixed)
        yield from at_random(studio, order, reviews)
        yield from watched(studio, order, reviews)
        yield from planted(studio, mixed, reviews)


def main() -> None:
    """Print one column per size, then one line per kind of review."""
    parser = argparse.ArgumentParser(description="Why images were rejected: speed and error rates.")
    parser.add_argument("images", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--reviews", type=int, default=200)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        show(asked.images, [speed(images, Path(folder)) for images in asked.images])
        for line in error_rates(Path(folder), asked.reviews) if asked.reviews else ():
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
