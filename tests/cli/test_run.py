"""The main road on the bundled model: a recipe from the command line to the answer, twice, and its export."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

pytestmark = pytest.mark.slow  # in small: test_curate, test_notebook; as a newcomer goes it: browser/test_a_newcomer
ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "adapter.training_steps": 4, "adapter.warmup_steps": 1, "sample.images_per_class": 3, "sample.inference_steps": 3,
    "keep.minimum_per_class": 2, "real_only.training_steps": 2, "synthetic_only.training_steps": 2,
    "real_and_synthetic.training_steps": 2, "real_only.warmup_steps": 1, "synthetic_only.warmup_steps": 1,
    "real_and_synthetic.warmup_steps": 1, "split.test_fraction": 0.1,
}  # fmt: skip


def synthstudio(*arguments):
    command = [sys.executable, "-m", "synthstudio", *map(str, arguments)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def run_recipe(home, result):
    settings = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
    ended = synthstudio(
        "run", "datadream", "--data", "digits", "--shots", 2, "--folds", 2, "--home", home, "--json", result, *settings
    )
    assert ended.returncode == 0, ended.stderr
    return ended, json.loads(result.read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    ended, found = run_recipe(folder / "home", folder / "out.json")
    return folder, ended, found


def test_the_answer_is_printed_and_written(finished):
    _, ended, found = finished
    assert found["sentence"] in ended.stdout
    assert {"recipe", "preset", "backbone", "data", "shots", "folds", "mean", "interval95", "versions"} <= set(found)
    for fold in found["folds"]:
        assert all(0 <= fold[arm] <= 1 for arm in ("zero_shot", "real_only", "synthetic_only", "real_and_synthetic"))
        assert fold["test_images"] > 100


def test_the_counts_and_costs_are_those_of_the_run(finished):
    _, _, found = finished
    assert found["counts"]["real"] == 2 * 10 * 2
    assert found["counts"]["synthetic"] == 2 * 10 * 3
    assert 0 < found["counts"]["kept"] <= 60
    assert {"adapt", "sample", "score", "train", "evaluate", "total"} == set(found["seconds"])
    assert found["peak_memory_mb"] > 100


def test_the_same_request_again_reuses_everything(finished):
    folder, _, found = finished
    ended, again = run_recipe(folder / "home", folder / "again.json")
    assert again["artifacts"] == found["artifacts"]
    assert len(again["reused"]) == len(found["artifacts"])
    assert "reused" in ended.stderr


def test_the_export_loads_where_people_load_datasets(finished, monkeypatch):
    folder, _, found = finished
    target = folder / "export"
    ended = synthstudio("export", target, "--home", folder / "home")
    assert ended.returncode == 0, ended.stderr
    from torchvision.datasets import ImageFolder

    train = ImageFolder(target / "train")
    assert len(train) == len(list((target / "train").rglob("*.png")))
    assert sorted(train.classes) == [str(digit) for digit in range(10)]
    assert list(target.glob("loras/*/pytorch_lora_weights.safetensors"))
    assert found["sentence"] in (target / "README.md").read_text()
    assert found["sentence"] in (target / "classifier/README.md").read_text()
    photo = next((target / "test").rglob("*.png"))
    asked = subprocess.run([sys.executable, target / "classifier/classify.py", photo], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert re.fullmatch(r"\S+\t\d: [\d.]+%\t\d: [\d.]+%\t\d: [\d.]+%\n", asked.stdout)
    refused = synthstudio("export", folder / "no", "--home", folder / "home", "--classifier", "both")
    assert refused.returncode != 0
    assert "Choose one of real_and_synthetic" in refused.stderr


def test_no_column_of_an_export_is_empty_throughout_unless_the_card_says_when_it_is(finished):
    folder, *_ = finished
    target = folder / "export-with-columns"
    assert synthstudio("export", target, "--home", folder / "home").returncode == 0
    rows = [row for file in target.glob("*/metadata.parquet") for row in parquet.read_table(file).to_pylist()]
    empty = {name for name in rows[0] if all(row[name] is None for row in rows)}
    assert empty == {"parent_id", "review_reason", "reviewed_by", "reviewed_utc", "tags"}
    said = (target / "README.md").read_text().partition("## Empty cells")[2].partition("\n## ")[0]
    assert all(f"`{name}`" in said for name in rows[0] if any(row[name] is None for row in rows))
    drawn = {(row["negative_prompt"], row["domain_prompt"], row["t0"]) for row in rows if row["source"] == "synthetic"}
    assert drawn == {("", "", 1.0)}
