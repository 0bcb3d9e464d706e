"""In which order a person should decide: accuracy after so many decisions, where the truth is known.

    python -m tests.benchmarks.order_pays            # digits, a fifth of the labels wrong, three seeds
    python -m tests.benchmarks.order_pays --speed    # processor seconds for 100,000 images of 1,280 numbers each

The pool are photos of digits, of which a fifth carry another class. The person walks through an order and rejects
exactly the photos whose label is wrong; what was not looked at stays as it is. After so many decisions a linear probe
learns from what is left and is asked about photos that nothing else has seen. Only `score.influence` looks at
validation photos and only `score.label_agreement` at shots, two of each class. All orders of a seed meet the same
photos and the same wrong labels; intervals are Student's t over seeds, and of a difference over the differences.
`leave_one_out` is the change of the validation loss alone, without the chance that the person rejects the photo.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthstudio import influence, models
from synthstudio.artifacts import ImageSet, Member
from synthstudio.engine import probe
from synthstudio.intake.digits import Digits
from synthstudio.statistics import mean_over_draws
from synthstudio.step import build
from synthstudio.steps import encoding
from tests.steps.kit import PlainWork, outputs, work_in

CLASSES = 10
SEEDS = (11, 12, 13)
WRONG, POOL, SHOTS, TEST = 0.2, 400, 2, 600
VALIDATION = (60, 200)
LOOKED = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)  # of the pool
ORDERS = ("influence", "leave_one_out", "label_quality", "label_agreement", "random")


class Photos(NamedTuple):
    """Every digit: its file, its class, and its embedding."""

    digests: list[str]
    truth: NDArray[np.int64]
    vectors: NDArray[np.float32]


class Walk(NamedTuple):
    """What an order led to: accuracy at every stop, the wrong labels found by then, and the gain that was decided."""

    accuracy: list[float]
    found: list[float]
    banked: list[float]


def photos(work: PlainWork, encoder: str) -> Photos:
    """The digits, looked at once."""
    entries = [entry for entry in Digits() if entry is not None]
    digests = [work.workspace.put(entry.read()) for entry in entries]
    looking = encoding.embeddings(work, encoder, digests)
    while True:
        try:
            next(looking)
        except StopIteration as end:
            return Photos(digests, np.array([int(entry.label) for entry in entries]), end.value)


def stored(work: PlainWork, known: Photos, places: NDArray[np.int64], labels: NDArray[np.int64]) -> str:
    members = [Member(str(label), known.digests[place]) for place, label in zip(places, labels, strict=True)]
    return work.workspace.put_set(ImageSet.of("set", members))


def scored(work: PlainWork, kind: str, known: Photos, pool: NDArray[np.int64], **fields: object) -> NDArray[np.float64]:
    """What a scorer says of the pool."""
    made, _ = outputs(build(kind, fields), work)
    said = dict(work.workspace.document(made["scores"])["values"])
    return np.array([said[known.digests[place]] for place in pool], dtype=float)


def accuracy(known: Photos, shown: NDArray[np.int64], labels: NDArray[np.int64], asked: NDArray[np.int64]) -> float:
    """Of a linear probe without words, so that nothing but the images counts."""
    part = probe.Examples(known.vectors[shown], labels)
    head = probe.fit({"real": part}, None, CLASSES, scale=1.0, penalty=probe.PENALTY, real_weight=1.0)
    answers = (known.vectors[asked] @ head["weight"].numpy().T + head["bias"].numpy()).argmax(1)
    return float((answers == known.truth[asked]).mean())


def study(work: PlainWork, encoder: str, known: Photos, seed: int, validation: int) -> dict[str, Walk]:
    """One seed: every order over the same pool."""
    random = np.random.default_rng(seed)
    turn = random.permutation(len(known.truth))
    pool, photos_kept, rest = turn[:POOL], turn[POOL : POOL + validation], turn[POOL + max(VALIDATION) :]
    asked, shots = rest[-TEST:], few(known.truth, rest[:-TEST])
    wrong = random.random(POOL) < WRONG
    labels = np.where(wrong, (known.truth[pool] + random.integers(1, CLASSES, POOL)) % CLASSES, known.truth[pool])
    given = {"images": stored(work, known, pool, labels), "encoder": encoder}
    references = stored(work, known, shots, known.truth[shots])
    held = stored(work, known, photos_kept, known.truth[photos_kept])
    pays = scored(work, "score.influence", known, pool, validation=held, **given)
    alone = influence.harm(
        influence.Labelled(known.vectors[pool], labels),
        influence.Labelled(known.vectors[photos_kept], known.truth[photos_kept]),
        CLASSES,
    )
    orders = {
        "influence": np.argsort(-pays),
        "leave_one_out": np.argsort(-alone.values),
        "label_quality": np.argsort(scored(work, "score.label_quality", known, pool, **given)),
        "label_agreement": np.argsort(
            scored(work, "score.label_agreement", known, pool, references=references, **given)
        ),
        "random": random.permutation(POOL),
    }
    return {name: walk(known, pool, labels, asked, wrong, order, pays) for name, order in orders.items()}


def few(truth: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([among[truth[among] == label][:SHOTS] for label in range(CLASSES)])


def walk(  # noqa: PLR0913 - the parts of one study
    known: Photos, pool: NDArray[np.int64], labels: NDArray[np.int64], asked: NDArray[np.int64],
    wrong: NDArray[np.bool_], order: NDArray[np.int64], pays: NDArray[np.float64],
) -> Walk:  # fmt: skip
    found = Walk([], [], [])
    gain = pays.clip(0)
    for share in LOOKED:
        looked = order[: round(share * POOL)]
        left = np.setdiff1d(np.arange(POOL), looked[wrong[looked]])
        found.accuracy.append(accuracy(known, pool[left], labels[left], asked))
        found.found.append(float(wrong[looked].sum() / wrong.sum()))
        found.banked.append(float(gain[looked].sum() / gain.sum()))
    return found


def said(values: list[float], scale: float = 100) -> str:
    """'91.2 (89.0 to 93.4)', in percent."""
    value, low, high = (scale * one for one in mean_over_draws(values))
    return f"{value:.1f} ({low:.1f} to {high:.1f})"


def table(studies: list[dict[str, Walk]]) -> None:
    stops = [f"{100 * share:.0f} % looked at" for share in LOOKED]
    print(f"| accuracy, % | {' | '.join(stops)} |\n|{'---|' * (len(stops) + 1)}")
    for name in ORDERS:
        print(f"| {name} | {' | '.join(said([s[name].accuracy[n] for s in studies]) for n in range(len(LOOKED)))} |")
    for other in ORDERS[1:]:
        gaps = [[s["influence"].accuracy[n] - s[other].accuracy[n] for s in studies] for n in range(1, len(LOOKED))]
        print(f"| influence less {other} | | {' | '.join(said(one) for one in gaps)} |")
    for name in ORDERS:
        shares = [100 * np.mean([s[name].found[n] for s in studies]) for n in range(len(LOOKED))]
        print(f"| wrong labels found, {name} | {' | '.join(f'{one:.0f}' for one in shares)} |")
    banked = [100 * np.mean([s["influence"].banked[n] for s in studies]) for n in range(len(LOOKED))]
    print(f"| gain decided, as Review says | {' | '.join(f'{one:.0f}' for one in banked)} |\n", flush=True)


def speed(images: int = 100_000, width: int = 1280, classes: int = 100, validation: int = 2000) -> None:
    """Processor seconds of the closed form alone, and of the probes that judge labels."""
    random = np.random.default_rng(0)

    def some(count: int) -> influence.Labelled:
        labels = random.integers(0, classes, count)
        vectors = (
            random.standard_normal((count, width), dtype=np.float32) + 3 * np.eye(classes, width, dtype="f4")[labels]
        )
        return influence.Labelled(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels)

    pool, held = some(images), some(validation)
    began = time.process_time()
    found = influence.harm(pool, held, classes)
    closed, began = time.process_time() - began, time.process_time()
    size = f"{images:,} images × {width:,}, {classes} classes, {validation:,} validation photos"
    print(f"{size}: closed form {closed:.0f} s, {found.reliability:.2f} reliable", flush=True)
    probe.out_of_fold(probe.Examples(pool.vectors, pool.labels), None, classes, scale=1.0)
    judged = time.process_time() - began
    print(f"doubt of the labels: {judged:.0f} s")


def main(*words: str) -> None:
    """Print the tables, or the seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", action="store_true")
    if parser.parse_args(words).speed:
        speed()
        return
    with tempfile.TemporaryDirectory() as folder:
        work = work_in(Path(folder))
        encoder = models.reference("pico-clip", "encoder", work.workspace)
        known = photos(work, encoder)
        for validation in VALIDATION:
            print(f"{POOL} photos, {validation} validation photos, seeds {', '.join(map(str, SEEDS))}\n")
            table([study(work, encoder, known, seed, validation) for seed in SEEDS])


if __name__ == "__main__":
    main(*sys.argv[1:])
