"""Does it help? Every recipe on every data set at 1, 4 and 16 shots, three folds: the four numbers with intervals.

    python tests/benchmarks/does_it_help.py --data digits --data eurosat.parquet --data flowers17.parquet \
        --home /tmp/study --out tests/benchmarks/results/does_it_help.json

Settings come from the preset alone; nothing is chosen on test images. A cell that is already in the output file is
skipped, so the study can be stopped and resumed. Writes JSON and a Markdown table beside it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

RECIPES = ("prompts-only", "real-guidance", "datadream", "datadream-cls")
ARMS = ("zero_shot", "real_only", "synthetic_only", "real_and_synthetic")


def run(recipe: str, data: str, shots: int, asked: argparse.Namespace) -> dict[str, object]:
    """One cell of the study."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        settings = [part for setting in asked.set for part in ("--set", setting)]
        command = [
            sys.executable, "-m", "synthstudio", "run", recipe, "--data", data, "--shots", str(shots),
            "--folds", str(asked.folds), "--preset", asked.preset, "--home", asked.home, "--project", Path(data).stem,
            "--json", str(result), *settings,
        ]  # fmt: skip
        subprocess.run(command, check=True)
        return json.loads(result.read_text())


def smaller(data: str, at_most: int, folder: Path) -> str:
    """A copy of a parquet file with the first `at_most` pictures of each class and split, under the same name."""
    source = pq.read_table(data)
    keys = zip(source["label"].to_pylist(), source["split"].to_pylist(), strict=True)
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for key in keys:
        seen[key] += 1
        kept.append(seen[key] <= at_most)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / Path(data).name
    pq.write_table(source.filter(pa.array(kept)), file)
    return str(file)


def table(cells: list[dict[str, object]]) -> str:
    """The study as Markdown: percent, and half the 95 % interval over test images and draws of the shots.

    An eye that reads no words has no zero-shot answer.
    """
    lines = [
        "| data | shots | recipe | eye | zero-shot | real only | synthetic only | both | difference (95 %) | kept |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        numbers = [number(cell, arm) for arm in ARMS]
        kept = cell["counts"]["kept"] / max(1, cell["counts"]["synthetic"])
        name, eye = Path(str(cell["data"])).stem, str(cell["encoder"]).partition("@")[0]
        about = f"{name} | {cell['shots']} | {cell['recipe']} | {eye}"
        lines.append(f"| {about} | {' | '.join(numbers)} | {change(cell).strip('*')} | {100 * kept:.0f} % |")
    return "\n".join(lines) + "\n"


def overview(cells: list[dict[str, object]]) -> str:
    """What each recipe changes, in points, a row per data set and number of shots; bold where the interval leaves zero
    out.
    """
    of = {(str(cell["data"]), int(str(cell["shots"])), str(cell["recipe"])): cell for cell in cells}
    lines = [f"| data | shots | real only | {' | '.join(RECIPES)} |", "|---|---|---|" + "---|" * len(RECIPES)]
    for data, shots in dict.fromkeys((data, shots) for data, shots, _ in of):
        found = [of.get((data, shots, recipe)) for recipe in RECIPES]
        real = next(number(cell, "real_only") for cell in found if cell is not None)
        lines.append(f"| {data} | {shots} | {real} | {' | '.join(map(change, found))} |")
    return "\n".join(lines) + "\n"


def change(cell: dict[str, object] | None) -> str:
    """What synthetic images bring to real ones, in points with its interval; a dash for a cell not measured."""
    if cell is None:
        return "–"
    gain = cell["difference"]
    said = f"{100 * gain['value']:+.1f} ({100 * gain['low']:+.1f} to {100 * gain['high']:+.1f})"
    return f"**{said}**" if gain["low"] > 0 or gain["high"] < 0 else said


def number(cell: dict[str, object], arm: str) -> str:
    """Accuracy and half its interval; a dash where the arm was not asked."""
    if arm not in cell["interval95"]:
        return "–"
    return f"{100 * cell['mean'][arm]:.1f} ± {50 * width(cell['interval95'][arm]):.1f}"


def command(asked: argparse.Namespace) -> str:
    """What was asked for, without where this machine keeps it."""
    words = ["python tests/benchmarks/does_it_help.py", *(f"--data {Path(data).name}" for data in asked.data)]
    words += ["--shots", *map(str, asked.shots), "--recipes", *asked.recipes, "--folds", str(asked.folds)]
    words += [f"--at-most {asked.at_most}"] if asked.at_most else []
    words += ["--preset", asked.preset, *(f"--set {setting}" for setting in asked.set), "--out", asked.out.name]
    return " ".join(words)


def width(interval: list[float]) -> float:
    """Upper minus lower end."""
    return interval[1] - interval[0]


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--at-most", type=int, help="pictures per class and split that are taken of a large file")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--home", default="synthstudio-home")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    if asked.at_most:
        folder = Path(asked.home) / "smaller"
        asked.data = [smaller(one, asked.at_most, folder) if one.endswith(".parquet") else one for one in asked.data]
    cells = json.loads(asked.out.read_text())["cells"] if asked.out.exists() else []
    known = {(Path(str(c["data"])).stem, c["shots"], c["recipe"]) for c in cells}
    for data in asked.data:
        for shots in asked.shots:
            for recipe in asked.recipes:
                if (Path(data).stem, shots, recipe) in known:
                    continue
                cell = run(recipe, data, shots, asked)
                cells.append({key: value for key, value in cell.items() if key not in ("artifacts", "reused")})
                cells[-1]["data"] = Path(data).stem
                body = {"command": command(asked), "cells": cells}
                asked.out.write_text(json.dumps(body, indent=1) + "\n")
                asked.out.with_suffix(".md").write_text(f"{overview(cells)}\n{table(cells)}")
    print(overview(cells))


if __name__ == "__main__":
    main()
