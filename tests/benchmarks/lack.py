"""Images guided towards what a classifier is unsure of, beside the same images without: are they harder, are they still
right, what do they cost, and does a classifier learn more from them?

    python tests/benchmarks/lack.py --out tests/benchmarks/results/lack.md

Digits, four shots of each class, three draws of shots and seeds; variations of the shots by the bundled model. The
classifier is a linear probe of pico-clip on the shots. Agreement is judged by a support vector machine on the pixels of
photos nobody else sees. Accuracy is that of probes on the images alone (CAS) and on shots and images, asked other
photos still. Nothing is chosen on those.
"""

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image  # noqa: E402
from scipy.stats import t as student  # noqa: E402
from sklearn.svm import SVC  # noqa: E402

from synthstudio import models  # noqa: E402
from synthstudio.artifacts import ImageSet, Member  # noqa: E402
from synthstudio.engine import classifier  # noqa: E402
from synthstudio.step import build  # noqa: E402
from synthstudio.steps import encoding  # noqa: E402
from synthstudio.workspace import Workspace  # noqa: E402
from tests.benchmarks.eyes import rows, some  # noqa: E402
from tests.steps.kit import PlainWork, outputs  # noqa: E402

SEEDS, SHOTS, ASKED = (0, 1, 2), 4, 500
FEWEST = 20  # images of a batch, so that all strengths are drawn in batches of one size


class Numbers(NamedTuple):
    """What was measured of the images of one draw and strength."""

    entropy: float
    agreement: float
    recognised: float  # by the classifier that guided them
    cas: float
    both: float
    seconds: float  # of processor time per image


def grey(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture.convert("L").resize((8, 8), Image.Resampling.BOX), float).ravel() / 255


def asked(work: PlainWork, named: str, members: list[Member]) -> np.ndarray:
    """Probabilities (N, classes) that a classifier of the workspace gives to images."""
    document = work.workspace.document(named)
    fitted = classifier.Fitted.read(document, work.workspace.get_weights(document["weights"]))
    model = encoding.encoder(work, document["encoder"])
    return classifier.probabilities(
        fitted, classifier.Images(model, encoding.pixels(work, model, [m.image for m in members]))
    )


def right(work: PlainWork, named: str, members: list[Member]) -> float:
    labels = work.workspace.document(named)["labels"]
    best = asked(work, named, members).argmax(1)
    return float(np.mean([labels[place] == member.label for place, member in zip(best, members, strict=True)]))


class Draw:
    """One draw of shots: photos for the judge, photos to be asked, and the classifier that is to be helped."""

    def __init__(self, work: PlainWork, seed: int, given: argparse.Namespace) -> None:
        self.work, self.seed, self.given = work, seed, given
        found = rows("digits")
        names = np.array([label for _, label, _ in found])
        train = np.array([is_train for *_, is_train in found])
        shots = some(np.flatnonzero(train), names, SHOTS, seed)
        others = np.setdiff1d(np.flatnonzero(train), shots)
        photos = some(np.flatnonzero(~train), names, ASKED // 10, 0)
        self.judge = SVC(gamma="scale", C=10).fit([grey(found[i][0]) for i in others], names[others])
        put = [[Member(str(names[i]), work.workspace.put(found[i][0])) for i in some] for some in (shots, photos)]
        self.photos, self.shots = put[1], work.workspace.put_set(ImageSet.of("set", put[0]))
        self.eye = models.reference("pico-clip", "encoder", work.workspace)
        self.first = self.probe(real=self.shots)

    def probe(self, **sets: str) -> str:
        return outputs(build("train.linear_probe", {"encoder": self.eye, **sets}), self.work)[0]["classifier"]

    def at(self, strength: float) -> Numbers:
        backbone = models.reference("pico", "backbone", self.work.workspace)
        step = build("sample.variation", {
            "backbone": backbone, "labels": [str(one) for one in range(10)], "sources": self.shots, "seed": self.seed,
            "strength": self.given.t0, "guidance_scale": 4.0, "inference_steps": 15,
            "images_per_class": self.given.images, "lack": self.first, "lack_strength": strength,
        })  # fmt: skip
        began = time.process_time()
        images = outputs(step, self.work)[0]["images"]
        seconds = (time.process_time() - began) / (10 * self.given.images)
        members = list(self.work.workspace.image_set(images))
        said = asked(self.work, self.first, members)
        pixels = [grey(self.work.workspace.get(member.image)) for member in members]
        agreed = self.judge.predict(pixels) == np.array([member.label for member in members])
        return Numbers(
            float(-(said * np.log(np.maximum(said, 1e-12))).sum(1).mean()), float(agreed.mean()),
            right(self.work, self.first, members), right(self.work, self.probe(synthetic=images), self.photos),
            right(self.work, self.probe(real=self.shots, synthetic=images), self.photos), seconds,
        )  # fmt: skip


def interval(values: np.ndarray) -> str:
    """Mean and half the 95 % interval over draws (Student's t)."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{values.mean():.2f} ± {half:.2f}"


def table(found: dict[float, list[Numbers]]) -> list[str]:
    lines = ["| strength | entropy (nats) | agreement | recognised | CAS | with shots | seconds per image |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    plain = np.array(found[0.0])
    scale = np.array([1, 100, 100, 100, 100, 1])
    for strength, numbers in found.items():
        lines.append(f"| {strength:g} | {' | '.join(interval(one) for one in (scale * np.array(numbers)).T)} |")
    lines += ["", "What guidance changes, pair by pair; the last column is a ratio.", "", lines[0], lines[1]]
    for strength, numbers in list(found.items())[1:]:
        moved = scale * (np.array(numbers) - plain)
        moved[:, -1] = np.array(numbers)[:, -1] / plain[:, -1]
        lines.append(f"| {strength:g} | {' | '.join(interval(one) for one in moved.T)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strengths", type=float, nargs="+", default=[1.0, 5.0, 20.0])
    parser.add_argument("--images", type=int, default=6, help="per class, strength and draw")
    parser.add_argument("--t0", type=float, default=0.7)
    parser.add_argument("--draws", type=int, default=len(SEEDS))
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp())
    work = PlainWork(Workspace.open(home, "lack"), home / "scratch")
    work.resources = work.resources.model_copy(update={"batch": FEWEST})
    found: dict[float, list[Numbers]] = {strength: [] for strength in (0.0, *given.strengths)}
    for seed in SEEDS[: given.draws]:
        draw = Draw(work, seed, given)
        print(f"seed {seed}: shots alone {100 * right(work, draw.first, draw.photos):.1f} %", flush=True)
        for strength, numbers in found.items():
            numbers.append(draw.at(strength))
            print(strength, numbers[-1], flush=True)
    lines = table(found)
    print(*lines, sep="\n")
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
