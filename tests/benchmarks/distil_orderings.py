"""Which way of making a small set teaches more? The published orderings, asked of one fair protocol.

    python tests/benchmarks/distil_orderings.py --data digits --data cifar10.parquet --out results.json

Every arm makes a set of the same number of images from the same real training images. Each set is quantised to PNG
bytes, read back, and used to train the distilling network (ConvNet) and networks that no arm has looked at, with hard
labels, equal optimiser steps, augmentation, the last step's weights. A cell (data, images per class, arm, draw) that is
in the output file is not done again, so the study can be stopped at any time; `--minutes` stops it. Nothing is chosen
on test images. Accuracies are compared pair by pair (same draw number, same training seed), with Student's t.

`--soft-labels` trains on every arm's images a second time, with the answers of one teacher (the ConvNet trained on all
real training images) in place of the labels. `--made FOLDER` keeps the images, so that such a second look at cells that
are there already makes nothing again.

The defaults fit two cores: ConvNet of width 32 where publications have 128, hundreds of updates where they have
thousands.
"""

import argparse
import copy
import functools
import json
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import bench
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from synthstudio.engine import backbones, devices
from synthstudio.engine.distil import judge, mosaic, selection
from synthstudio.engine.distil.distilling import Course, Distillation
from synthstudio.engine.distil.forms import Form, images_of
from synthstudio.engine.distil.forms.latents import Latents
from synthstudio.engine.distil.forms.pixels import Pixels
from synthstudio.engine.distil.matching import METHODS, Teaching
from synthstudio.engine.distil.networks import Network, initialise
from synthstudio.engine.distil.real import RealImages, read
from synthstudio.engine.distil.starts import Start, start
from synthstudio.engine.distil.trajectories import Schooling, Trajectories, school, write
from synthstudio.engine.pixels import to_png, to_uint8
from synthstudio.engine.seeds import generator
from synthstudio.seeds import derived_seed
from synthstudio.statistics import mean_over_draws

CHOSEN = ("random", "herding", "k_center", "k_means")
MEANS = ("class_mean", "mean_latent")
MATCHED = ("dm", "dc", "mtt", "glad-dm", "glad-dc", "glad-dc-random-decoder")
ARMS = (*CHOSEN, *MEANS, "mosaic", *MATCHED)
ORDERINGS = (  # (less, more, asked of)
    ("random", "herding", "distilling"),
    ("herding", "dm", "distilling"),
    ("dm", "dc", "distilling"),
    ("class_mean", "dm", "distilling"),
    ("class_mean", "dc", "distilling"),
    ("class_mean", "dm", "unseen"),
    ("class_mean", "dc", "unseen"),
    ("dc", "glad-dc", "unseen"),
    ("dm", "glad-dm", "unseen"),
    ("class_mean", "glad-dc", "unseen"),
    ("dc", "mtt", "distilling"),
    ("glad-dc-random-decoder", "glad-dc", "unseen"),
    ("random", "k_means", "unseen"),
    ("random", "mosaic", "unseen"),
    ("k_means", "dc", "unseen"),
    ("mosaic", "dc", "unseen"),
    *(("random", arm, f"{where}, soft labels") for arm in ("k_means", "class_mean", "dc", "glad-dc", "mosaic")
      for where in ("distilling", "unseen")),
)  # fmt: skip
NOT_SETTINGS = (  # what may differ between two runs that add to one file
    "out", "made", "backbone", "minutes", "data", "ipc", "arms", "draws", "random_draws", "soft_labels",
)  # fmt: skip
COLUMNS = ("distilling", "unseen", "distilling, soft labels", "unseen, soft labels")


@dataclass(frozen=True)
class Study:
    """One data set at one number of images per class."""

    name: str
    given: argparse.Namespace
    real: RealImages
    test: Tensor
    answers: Tensor
    images_per_class: int

    def operations(self) -> tuple[str, ...]:
        """Without mirror images for digits."""
        return judge.operations(augmented=True, flip=self.given.flip)

    def teaching(self, draw: int, **more: object) -> Teaching:
        """What the methods read."""
        given = self.given
        return Teaching(
            self.real, self.images_per_class, derived_seed(given.seed, "draw", draw), "convnet", given.width,
            given.real_batch, self.operations(), inner=None if self.images_per_class == 1 else given.inner, **more,
        )  # fmt: skip

    def form(self, arm: str) -> Form:
        """Pixels, or latents of the backbone at 64 px and more; with its decoder drawn anew for one arm."""
        if not arm.startswith(("glad", "mean_latent")):
            return Pixels(self.real.normalisation, self.real.size)
        vae = backbones.load(bench.backbone_folder(self.given.backbone), torch.device("cpu")).vae
        if arm.endswith("random-decoder"):
            vae = copy.deepcopy(vae)
            initialise(vae.decoder, generator(0, "random decoder"))
        return Latents(vae, level=0, made=max(64, self.real.size), size=self.real.size)

    def images(self, arm: str, draw: int) -> tuple[Tensor, float | None]:
        """The images of an arm, and the seconds they took; None if they were kept from before."""
        if self.given.made:
            kept = self.given.made / f"{self.name}-{self.images_per_class}-{arm}-{draw}.safetensors"
            if kept.exists():
                return load_file(kept)["images"], None
        began = time.process_time()
        images = self.make(arm, draw)
        seconds = round(time.process_time() - began, 1)
        if self.given.made:
            kept.parent.mkdir(parents=True, exist_ok=True)
            save_file({"images": images.contiguous()}, kept)
        return images, seconds

    def make(self, arm: str, draw: int) -> Tensor:
        """Images (classes · per class, 3, S, S) in [0, 1], class by class."""
        seed, count = derived_seed(self.given.seed, "draw", draw), self.images_per_class
        if arm in CHOSEN:
            return self._chosen(arm, seed)
        if arm == "mosaic":
            return self._mosaic(seed)
        form = self.form(arm)
        if arm in MEANS:
            return images_of(form, start(form, self.real, Start(arm, count, seed)))
        rule = "noise" if arm.endswith("random-decoder") else "real"
        variables = start(form, self.real, Start(rule, count, seed))
        name = arm.removeprefix("glad-").partition("-")[0]
        more = {"trajectories": self.experts} if name == "mtt" else {}
        updates = {"dm": self.given.dm, "dc": self.given.dc, "mtt": self.given.mtt}[name]
        method = METHODS[name](self.teaching(draw, **more))
        with tempfile.TemporaryDirectory() as folder:
            distilling = Distillation(form, method, variables, Course(updates, 0.05), Path(folder))
            for _ in distilling.run(updates + 1):
                pass
            return distilling.images()

    def _chosen(self, rule: str, seed: int) -> Tensor:
        network = self.teaching(0).new_network(0)
        places = self.real.places
        with torch.no_grad():
            features = torch.cat([
                network.embed(self.real.normalisation.apply(self.real.unit(rows)))
                for rows in torch.arange(len(places)).split(256)
            ])  # fmt: skip
        chosen = selection.RULES[rule](features, places, self.images_per_class, generator(seed, rule))
        return self.real.unit(chosen.flatten())

    def _mosaic(self, seed: int) -> Tensor:
        how = mosaic.Cutting(crops=5, smallest=0.5, tiles=2, seed=seed)
        real, places = self.real, self.real.places
        training = judge.Training(self.given.training_steps, 64, self.given.width, operations=self.operations())
        seen = mosaic.observer("convnet", real.pixels, places, training, real.normalisation, seed)
        patches = mosaic.best_patches(seen.network, real.pixels, places, real.normalisation, how)
        rows = mosaic.rows_of_mosaics(patches, places, self.images_per_class, how).flatten(0, 1)
        return torch.stack([mosaic.tiled(patches.pixels[parts], how.tiles) for parts in rows]).float() / 255

    @functools.cached_property
    def experts(self) -> Trajectories:
        """Experts of the distilling network, trained once for all draws."""
        given = self.given
        schooling = Schooling("convnet", given.width, given.expert_epochs, 0.03, 64, self.operations(), given.seed)
        folder = Path(tempfile.mkdtemp())
        files = [folder / f"{number}.safetensors" for number in range(given.experts)]
        for number, file in enumerate(files):
            write(file, list(school(self.real, schooling, number, torch.device("cpu"))))
        return Trajectories(files, schooling.start(self.real, 0))

    @functools.cached_property
    def teacher(self) -> Network:
        """The distilling network, trained on every real training image."""
        given, real = self.given, self.real
        how = judge.Training(given.teacher_steps, 64, given.width, operations=self.operations())
        return judge.train("convnet", real.pixels, real.places, len(real.labels), how, real.normalisation,
                           derived_seed(given.seed, "teacher"))  # fmt: skip

    def judge(self, images: Tensor, teacher: Network | None = None) -> dict[str, list[float]]:
        """Accuracy by architecture and training seed, of the images as PNG files read back."""
        files = to_png(to_uint8(images * 2 - 1))
        pixels = read(files, self.real.size)
        places = torch.arange(len(self.real.labels)).repeat_interleave(self.images_per_class)
        given, scale, classes = self.given, self.real.normalisation, len(self.real.labels)
        how = judge.Training(
            given.training_steps, 64, given.width, operations=self.operations(), teacher=teacher
        )  # fmt: skip
        found: dict[str, list[float]] = {}
        for name in given.architectures:
            found[name] = []
            for seed in range(given.training_seeds):
                network = judge.train(name, pixels, places, classes, how, scale, derived_seed(seed, "training"))
                right = torch.tensor(judge.answers(network, self.test, scale)) == self.answers
                found[name].append(round(float(right.float().mean()), 4))
        return found


def load(name: str, given: argparse.Namespace, images_per_class: int) -> Study:
    """Digits, or a parquet file with the columns image, label and split."""
    if name == "digits":
        shown = bench.digits(1797, given.size)
        pixels = torch.from_numpy(np.stack([np.asarray(p) for p, _ in shown])).permute(0, 3, 1, 2).contiguous()
        train = [(pixels[i], label) for i, (_, label) in enumerate(shown[:900])]
        test = [(pixels[900 + i], label) for i, (_, label) in enumerate(shown[900:])]
    else:
        train, test = _from_parquet(Path(name), given)
    real = RealImages.of(torch.stack([p for p, _ in train]), [label for _, label in train])
    asked = judge.places_of(real.labels, [label for _, label in test])
    return Study(Path(name).stem, given, real, torch.stack([p for p, _ in test]), asked, images_per_class)


def _from_parquet(path: Path, given: argparse.Namespace) -> tuple[list[tuple[Tensor, str]], list[tuple[Tensor, str]]]:
    import pyarrow.parquet as parquet

    rows = parquet.read_table(path, columns=["image", "label", "split"]).to_pylist()
    parts = []
    for split, most in (("train", given.train_per_class), ("test", given.test_per_class)):
        taken: dict[str, int] = {}
        chosen = []
        for row in rows:
            if row["split"] == split and taken.get(row["label"], 0) < most:
                taken[row["label"]] = taken.get(row["label"], 0) + 1
                picture = Image.open(BytesIO(row["image"])).convert("RGB").resize((given.size, given.size))
                chosen.append((torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1), row["label"]))
        parts.append(chosen)
    return parts[0], parts[1]


def values(cell: dict[str, dict[str, list[float]]], where: str) -> list[float]:
    """Per training seed: the accuracy on the distilling network, or the mean over the unseen ones; [] if unknown."""
    found = cell.get("soft_labels" if where.endswith("soft labels") else "accuracy", {})
    names = [name for name in found if (name == "convnet") == where.startswith("distilling")]
    return [float(np.mean(column)) for column in zip(*(found[name] for name in names), strict=True)]


def verdicts(cells: dict[str, dict], data: str, count: int) -> list[dict[str, object]]:
    """Each ordering with its difference in points and whether it was reproduced."""
    found = []
    for less, more, where in ORDERINGS:
        pairs = []
        for draw in range(100):
            a, b = (cells.get(f"{data}/{count}/{arm}/{draw}") for arm in (less, more))
            if a and b:
                pairs += [y - x for x, y in zip(values(a, where), values(b, where), strict=False)]
        if len(pairs) < 2:
            continue
        gap = mean_over_draws(pairs)
        verdict = "reproduced" if gap.low > 0 else "reversed" if gap.high < 0 else "undecided"
        found.append({
            "less": less, "more": more, "on": where, "points": round(100 * gap.value, 1),
            "low": round(100 * gap.low, 1), "high": round(100 * gap.high, 1), "pairs": len(pairs), "verdict": verdict,
        })  # fmt: skip
    return found


def table(cells: dict[str, dict], wanted: list[tuple[str, int]]) -> str:
    """All arms and all orderings as Markdown."""
    lines = []
    for data, count in wanted:
        lines += [
            f"\n## {data}, {count} per class\n",
            "| arm | distilling net | unseen nets | distilling, soft labels | unseen, soft labels | s to make |",
            "|---|---|---|---|---|---|",
        ]
        for arm in ARMS:
            mine = [cell for key, cell in cells.items() if key.startswith(f"{data}/{count}/{arm}/")]
            if mine:
                shares = [[v for cell in mine for v in values(cell, where)] for where in COLUMNS]
                said = [f"{100 * np.mean(v):.1f} ± {100 * np.std(v):.1f}" if v else "" for v in shares]
                taken = [cell["seconds"] for cell in mine if "seconds" in cell]  # unknown of images kept from before
                said.append(f"{np.mean(taken):.0f}" if taken else "")
                lines.append(f"| {arm} | {' | '.join(said)} |")
        lines += ["\n| ordering | on | points (95 %) | pairs | |", "|---|---|---|---|---|"]
        lines += [
            f"| {v['less']} < {v['more']} | {v['on']} | {v['points']:+.1f} ({v['low']:+.1f} to {v['high']:+.1f}) "
            f"| {v['pairs']} | {v['verdict']} |"
            for v in verdicts(cells, data, count)
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", action="append", required=True, help="digits, or a parquet file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--ipc", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--architectures", nargs="+", default=["convnet", "alexnet", "vgg11", "resnet18"])
    parser.add_argument("--backbone", type=Path)
    parser.add_argument("--made", type=Path, help="keep the images of the arms here")
    parser.add_argument("--soft-labels", action="store_true", help="judge every arm with a teacher's answers too")
    parser.add_argument("--flip", action="store_true", help="mirror images too; not for digits")
    for name, default in (
        ("size", 32), ("width", 32), ("real-batch", 32), ("dm", 500), ("dc", 400), ("mtt", 300), ("inner", 10),
        ("experts", 3), ("expert-epochs", 10), ("draws", 2), ("random-draws", 5), ("training-seeds", 3),
        ("training-steps", 300), ("teacher-steps", 2000),
        ("train-per-class", 1000), ("test-per-class", 200), ("threads", 1), ("seed", 0),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no cell after this long")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    devices.use_threads(given.threads)
    about = {name: value for name, value in vars(given).items() if name not in NOT_SETTINGS}
    kept = json.loads(given.out.read_text()) if given.out.exists() else {"settings": about, "cells": {}}
    if kept["settings"] != about:
        raise SystemExit(f"{given.out} was made with other settings; choose another --out.")
    cells, until = kept["cells"], time.monotonic() + 60 * given.minutes
    wanted = [(data, count) for data in given.data for count in given.ipc]
    for data, count in wanted:
        study: Study | None = None
        for arm, draw in turns(given):
            cell = cells.get(f"{Path(data).stem}/{count}/{arm}/{draw}", {})
            looks = [one for one in ("accuracy", *(["soft_labels"] if given.soft_labels else [])) if one not in cell]
            if not looks or time.monotonic() > until:
                continue
            study = study or load(data, given, count)
            images, seconds = study.images(arm, draw)
            cell = cell if seconds is None else cell | {"seconds": seconds}
            for look in looks:
                cell[look] = study.judge(images, study.teacher if look == "soft_labels" else None)
            cells[f"{study.name}/{count}/{arm}/{draw}"] = cell
            print(study.name, count, arm, draw, cell, flush=True)
            keep(given.out, about, cells)
    keep(given.out, about, cells)
    print(given.out.with_suffix(".md").read_text())


def turns(given: argparse.Namespace) -> list[tuple[str, int]]:
    """(arm, draw) of all cells, every arm once before any of them again."""
    draws = range(max(given.draws, given.random_draws))
    most = {arm: given.random_draws if arm == "random" else given.draws for arm in given.arms}
    return [(arm, draw) for draw in draws for arm in given.arms if draw < most[arm]]


def keep(out: Path, about: dict[str, object], cells: dict[str, dict]) -> None:
    """Write what is known by now, as JSON and as tables."""
    wanted = sorted({(data, int(count)) for data, count, _, _ in (key.split("/") for key in cells)})
    found = {"settings": about, "cells": cells, "orderings": {f"{d}/{c}": verdicts(cells, d, c) for d, c in wanted}}
    out.write_text(json.dumps(found, indent=1) + "\n")
    out.with_suffix(".md").write_text(table(cells, wanted))


if __name__ == "__main__":
    main()
