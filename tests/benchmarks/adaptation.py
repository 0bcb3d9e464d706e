"""How well does a backbone learn new handwriting from few photos? Agreement, copies and time, by an outside judge.

    python tests/benchmarks/adaptation.py [--shots 16] [--folds 3] [--preset quick] [--set adapter.training_steps=400]

Runs the `datadream` recipe on the digits. The judge is a support vector machine fitted on the real validation images:
it shares nothing with the backbone, its CLIP or the adapter, and sees no test image, so settings may be chosen by it.
Its own accuracy (five-fold cross-validated) is the ceiling. A copy is a sampled image that is closer to a shot than
99 % of other real digits of its class are to their nearest shot: by chance 1 % are. Spread is the mean distance between
sampled images of a class over that between real ones; coverage the share of real digits that have a sampled image
nearer than their fifth real neighbour (Naeem et al. 2020). What the Minimax losses do: the same command with
`--set adapter.representativeness=0.002 --set adapter.diversity=0.008`, the published weights.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from synthstudio.statistics import wilson
from synthstudio.workspace import Workspace

SIDE = 16


def rows(workspace: Workspace, set_id: str) -> tuple[np.ndarray, np.ndarray]:
    """Grey pixels [N, SIDE * SIDE] in 0..1 and labels [N] of an image set, read back from its files."""
    members = list(workspace.image_set(set_id))
    pictures = [Image.open(io.BytesIO(workspace.get(m.image))).convert("L").resize((SIDE, SIDE)) for m in members]
    return np.stack([np.asarray(p, np.float32).ravel() / 255 for p in pictures]), np.array([m.label for m in members])


def nearest(points: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Distance [N] of each point to the nearest reference."""
    return np.sqrt(((points[:, None] - references[None]) ** 2).sum(2)).min(1)


def copies(made: np.ndarray, real: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Which made images of one class are closer to a shot than 99 % of the other real images are."""
    return nearest(made, shots) < np.quantile(nearest(real, shots), 0.01)


def spread(points: np.ndarray) -> float:
    """Mean distance between two different points."""
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(2))
    return float(distances.sum() / max(1, len(points) * (len(points) - 1)))


def covered(made: np.ndarray, real: np.ndarray, neighbours: int = 5) -> np.ndarray:
    """Which real images have a made image nearer than their fifth real neighbour."""
    between = np.sort(np.sqrt(((real[:, None] - real[None]) ** 2).sum(2)), axis=1)
    return nearest(real, made) < between[:, min(neighbours, len(real) - 1)]


def judged(found: dict, home: Path) -> list[dict]:
    """One row per fold: agreement before and after the filter, copies, the judge's own accuracy."""
    workspace = Workspace.open(home, "adaptation")
    outputs, result = found["artifacts"], []
    for fold in range(len(found["folds"])):
        split = outputs[f"split.{fold}"]
        shots, shot_labels = rows(workspace, split["shots"])
        real, labels = rows(workspace, split["validation"])
        judge = SVC(C=10).fit(real, labels)
        made, asked = rows(workspace, outputs[f"sample.{fold}"]["images"])
        kept, kept_asked = rows(workspace, outputs[f"keep.{fold}"]["images"])
        right = judge.predict(made) == asked
        copied = [copies(made[asked == c], real[labels == c], shots[shot_labels == c]) for c in np.unique(asked)]
        classes = [(made[asked == c], real[labels == c]) for c in np.unique(asked)]
        result.append(
            {
                "fold": fold,
                "agreement": wilson(int(right.sum()), len(made)),
                "images": len(made),
                "kept": len(kept),
                "agreement_kept": float((judge.predict(kept) == kept_asked).mean()),
                "copies": float(np.concatenate(copied).mean()),
                "spread": float(np.mean([spread(ours) / spread(theirs) for ours, theirs in classes])),
                "coverage": float(np.concatenate([covered(ours, theirs) for ours, theirs in classes]).mean()),
                "judge": float(cross_val_score(SVC(C=10), real, labels).mean()),
            }
        )
    return result


def main() -> None:
    """Run the recipe, judge its images, print one line per fold and the mean."""
    flags = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    flags.add_argument("--shots", type=int, default=16)
    flags.add_argument("--folds", type=int, default=3)
    flags.add_argument("--preset", default="quick")
    flags.add_argument("--backbone", default="pico")
    flags.add_argument("--set", action="append", default=[])
    asked = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, result = Path(folder), Path(folder) / "result.json"
        settings = [part for setting in asked.set for part in ("--set", setting)]
        command = [
            sys.executable, "-m", "synthstudio", "run", "datadream", "--data", "digits", "--shots", str(asked.shots),
            "--folds", str(asked.folds), "--preset", asked.preset, "--backbone", asked.backbone, "--home", folder,
            "--project", "adaptation", "--json", str(result), *settings,
        ]  # fmt: skip
        subprocess.run(command, check=True)
        found = json.loads(result.read_text())
        table = judged(found, home)
    for row in table:
        share = row["agreement"]
        print(
            f"fold {row['fold']}: agreement {share.value:.3f} [{share.low:.3f}, {share.high:.3f}] n={row['images']}, "
            f"of the {row['kept']} kept {row['agreement_kept']:.3f}; "
            f"copies {row['copies']:.3f}; spread {row['spread']:.3f}; coverage {row['coverage']:.3f}; "
            f"judge {row['judge']:.3f}"
        )
    adapt = found["seconds"]["adapt"] / len(table)
    print(f"mean agreement {np.mean([r['agreement'].value for r in table]):.3f}; adaptation {adapt:.0f} s per fold")
    print("four numbers:", json.dumps({name: round(value, 3) for name, value in found["mean"].items()}))


if __name__ == "__main__":
    main()
