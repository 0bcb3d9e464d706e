"""A recipe of a small set from the command line to the judge's table, and its export."""

import json

import pytest

from tests.cli.test_run import synthstudio

pytestmark = pytest.mark.slow
SMALL = {
    "split.test_fraction": 0.05, "small.images_per_class": 2, "small.observer_steps": 5, "small.width": 4,
    "small.believed": 0.01, "small.image_size": 16, "small.crops": 1, "judge.training_steps": 2, "judge.width": 4,
    "judge.image_size": 8, "synthetic.inference_steps": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    settings = [part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")]
    ended = synthstudio("run", "mosaic", "--data", "digits", "--shots", 4, "--home", folder / "home",
                        "--json", folder / "out.json", *settings)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return folder, ended, json.loads((folder / "out.json").read_text())


def test_the_table_is_printed_and_written(finished):
    _, ended, found = finished
    (judged,) = found["judged"]
    assert found["sentence"] == judged["sentence"] and found["sentence"] in ended.stdout
    arms = [row["title"] for row in judged["arms"]]
    assert arms[0] == "mosaic" and {"random real", "class mean", "random synthetic"} <= set(arms)
    assert all(title in ended.stdout for title in arms)
    assert judged["seen"] == ["convnet"] and judged["test_images"] > 50
    assert found["counts"]["real"] == 40 and found["counts"]["distilled"] == 20
    assert {"distil", "sample", "evaluate", "total"} == set(found["seconds"])


def test_the_small_set_is_exported_alone(finished):
    folder, _, found = finished
    ended = synthstudio("export", folder / "export", "--home", folder / "home")
    assert ended.returncode == 0, ended.stderr
    assert len(list((folder / "export" / "train").rglob("*.png"))) == 20
    assert found["sentence"] in (folder / "export" / "README.md").read_text()
