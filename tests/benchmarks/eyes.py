"""Which eye sees what: real photographs only, a linear probe on 1, 4 and 16 shots, three draws.

    python tests/benchmarks/eyes.py digits eurosat.parquet flowers17.parquet trashnet.parquet cifar10.parquet
    python tests/benchmarks/eyes.py --named digits eurosat.parquet …    # only: what an eye names of one shot a class
    python tests/benchmarks/eyes.py --words cifar10.parquet …    # only: what eyes name of test images, without any shot

A parquet file has the columns image (bytes), label, split; the probe learns from shots of its training split and is
asked at most 500 images of its test split. `auto` is what the shots would choose, by the rule of `select.eye`.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pyarrow.parquet as parquet  # noqa: E402
from PIL import Image  # noqa: E402

from synthstudio import models  # noqa: E402
from synthstudio.artifacts import ImageSet, Member  # noqa: E402
from synthstudio.engine import probe  # noqa: E402
from synthstudio.events import Measured, Output  # noqa: E402
from synthstudio.statistics import wilson  # noqa: E402
from synthstudio.step import build  # noqa: E402
from synthstudio.steps import encoding  # noqa: E402
from synthstudio.workspace import Workspace  # noqa: E402
from tests.steps.kit import PlainWork  # noqa: E402

SHOTS, SEEDS, ASKED = (1, 4, 16), (0, 1, 2), 500


def rows(data: str) -> list[tuple[bytes, str, bool]]:
    """(file, label, is for training) of a data set."""
    if data == "digits":
        from sklearn.datasets import load_digits

        found, made = load_digits(), []
        for number, (picture, label) in enumerate(zip(found.images, found.target, strict=True)):
            out = io.BytesIO()
            Image.fromarray((255 - picture * 15.9).astype("uint8")).convert("RGB").save(out, "PNG")
            made.append((out.getvalue(), str(label), number % 2 == 0))
        return made
    table = parquet.read_table(data, columns=["image", "label", "split"]).to_pylist()
    return [(r["image"]["bytes"] if isinstance(r["image"], dict) else r["image"], r["label"], r["split"] == "train")
            for r in table]  # fmt: skip


def some(places: np.ndarray, labels: np.ndarray, each: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.concatenate([random.permutation(places[labels[places] == label])[:each] for label in np.unique(labels)])


def embedded(work: PlainWork, ref: str, digests: list[str]) -> np.ndarray:
    saying = encoding.embeddings(work, ref, digests)
    try:
        while True:
            next(saying)
    except StopIteration as ended:
        return ended.value


def measured(work: PlainWork, data: str, eyes: list[str]) -> list[str]:
    """One row of the table per number of shots."""
    found = rows(data)
    names = np.array([label for _, label, _ in found])
    classes, labels = np.unique(names, return_inverse=True)
    train = np.array([is_train for *_, is_train in found])
    asked = some(np.flatnonzero(~train), labels, max(1, ASKED // len(classes)), 0)
    draws = {(n, s): some(np.flatnonzero(train), labels, n, s) for n in SHOTS for s in SEEDS}
    put = {int(i): work.workspace.put(found[i][0]) for i in np.unique(np.concatenate([asked, *draws.values()]))}
    lines = []
    for n in SHOTS:
        hits: dict[str, list[float]] = {ref: [] for ref in eyes}
        auto, choices = [], []
        for seed in SEEDS:
            own = draws[n, seed]
            for ref in eyes:
                model = encoding.encoder(work, ref)
                shown = probe.Examples(embedded(work, ref, [put[int(i)] for i in own]), labels[own])
                words = (
                    model.embed_labels([str(c) for c in classes], ["a photo of a {label}"])
                    if model.reads_words
                    else None
                )
                penalty, _ = probe.best_penalty(shown, words, len(classes), scale=model.scale)
                head = probe.fit(
                    {"real": shown}, words, len(classes), scale=model.scale, penalty=penalty, real_weight=1.0
                )
                vectors = embedded(work, ref, [put[int(i)] for i in asked])
                given = (vectors @ head["weight"].numpy().T + head["bias"].numpy()).argmax(1)
                hits[ref].append(float((given == labels[asked]).mean()))
            shots = ImageSet.of("set", [Member(str(names[i]), put[int(i)]) for i in own])
            step = build("select.eye", {"eyes": eyes, "images": [work.workspace.put_set(shots)]})
            said = {event.name: event.value for event in step.run(work) if isinstance(event, Output)}
            auto.append(hits[said["eye"]][-1])
            choices.append(said["eye"].partition("@")[0])
        cells = " | ".join(f"{100 * np.mean(hits[ref]):.1f} ± {100 * np.std(hits[ref], ddof=1):.1f}" for ref in eyes)
        chosen = ", ".join(f"{name} {choices.count(name)}" for name in sorted(set(choices)))
        lines.append(f"| {Path(data).stem} | {n} | {cells} | {100 * np.mean(auto):.1f} | {chosen} | {len(asked)} |")
        print(lines[-1], flush=True)
    return lines


def named(work: PlainWork, data: str, eyes: list[str]) -> str:
    """What of three draws of one shot a class is named by words alone, and which eye is chosen then."""
    found = rows(data)
    names = np.array([label for _, label, _ in found])
    train = np.flatnonzero([is_train for *_, is_train in found])
    labels = np.unique(names, return_inverse=True)[1]
    draws = []
    for seed in SEEDS:
        shots = [Member(str(names[i]), work.workspace.put(found[i][0])) for i in some(train, labels, 1, seed)]
        draws.append(work.workspace.put_set(ImageSet.of("set", shots)))
    said = list(build("select.eye", {"eyes": eyes, "images": draws}).run(work))
    (row,) = [event for event in said if isinstance(event, Measured)]
    eye = next(str(event.value) for event in said if isinstance(event, Output) and event.name == "eye")
    share = f"{100 * row.value:.0f} % ({100 * row.low:.0f} to {100 * row.high:.0f})"
    return f"| {Path(data).stem} | {share} | {row.n} | {eye.partition('@')[0]} |"


def by_words(work: PlainWork, data: str, eyes: list[str]) -> str:
    """What eyes that read words name of at most 500 test images, by the names of all classes and nothing else."""
    found = rows(data)
    names = np.array([label for _, label, _ in found])
    classes, labels = np.unique(names, return_inverse=True)
    held_back = np.flatnonzero([not is_train for *_, is_train in found])
    asked = some(held_back, labels, max(1, ASKED // len(classes)), 0)
    put = [work.workspace.put(found[i][0]) for i in asked]
    cells = []
    for ref in eyes:
        model = encoding.encoder(work, ref)
        words = model.embed_labels([str(one).replace("_", " ") for one in classes], ["a photo of a {label}"])
        hits = round(((embedded(work, ref, put) @ words.T).argmax(1) == labels[asked]).sum())
        share, low, high = (100 * one for one in wilson(hits, len(asked)))
        cells.append(f"{share:.1f} ({low:.1f} to {high:.1f})")
    return f"| {Path(data).stem} | {len(classes)} | {' | '.join(cells)} | {100 / len(classes):.1f} | {len(asked)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", help="digits, or parquet files")
    parser.add_argument("--home", type=Path, help="where embeddings are kept for the next time")
    parser.add_argument("--named", action="store_true", help="only what is named of one shot a class by words alone")
    parser.add_argument("--words", action="store_true", help="only what is named of test images, without any shot")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    home = given.home or Path(tempfile.mkdtemp())
    work = PlainWork(Workspace.open(home, "eyes"), home / "scratch")
    eyes, left_out = models.at_hand(work.workspace)
    print(*left_out, sep="\n")
    if given.words:
        eyes = [ref for ref in eyes if encoding.encoder(work, ref).reads_words]
        heads = " | ".join(ref.partition("@")[0] for ref in eyes)
        print(f"| data | classes | {heads} | chance | n |", "|" + "---|" * (len(eyes) + 4), sep="\n")
        for data in given.data:
            print(by_words(work, data, eyes), flush=True)
        return
    if given.named:
        print("| data | named by words alone (95 %) | shots | chosen |", "|---|---|---|---|", sep="\n")
        print(*(named(work, data, eyes) for data in given.data), sep="\n")
        return
    heads = [ref.partition("@")[0] for ref in eyes]
    text = [
        "# Which eye sees what", "",
        "Real photographs only; percent right on test images, mean ± standard deviation over three draws of the shots;",
        "a linear probe with cross-validated penalty. `auto`: the eye that `select.eye` chose on the shots alone.", "",
        f"    python tests/benchmarks/eyes.py {' '.join(Path(one).name for one in given.data)}", "",
        f"| data | shots | {' | '.join(heads)} | auto | chosen | n |", "|" + "---|" * (len(heads) + 5),
    ]  # fmt: skip
    for data in given.data:
        text += measured(work, data, eyes)
        if given.out:
            given.out.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
