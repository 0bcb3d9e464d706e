"""Make `home_0_1_0.zip`: the home of somebody who worked with version 0.1.0. `python -m tests.catalog.make_home`

Run it once for each version that is given to people, and never again: what is stored has to be opened by every later
one.
"""

import json
import os
import shutil
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from synthstudio import models
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.review import Query
from synthstudio.jobs import Studio
from synthstudio.jobs.keeping import wholeness
from synthstudio.step import build
from tests.jobs.inline import InlineLauncher

HERE = Path(__file__).parent
EACH = 8
WHAT = ("image", "verdict", "label", "who")  # of a decision


def photo(place: int, number: int) -> bytes:
    """A small pattern that differs from every other."""
    chance = np.random.default_rng([place, number])
    pattern = chance.integers(0, 255, (6, 6, 3), dtype=np.uint8) // 2 + np.eye(3, dtype=np.uint8)[place] * 120
    data = BytesIO()
    Image.fromarray(pattern).resize((24, 24), Image.Resampling.NEAREST).save(data, "PNG")
    return data.getvalue()


def fill(studio: Studio, photos: Path) -> None:
    """A recipe run to its report, images to review, decisions with undo, a frozen set, names, a stopped run."""
    with zipfile.ZipFile(photos, "w") as archive:
        for place, label in enumerate(("cat", "dog", "owl")):
            for number in range(EACH):
                archive.writestr(f"{label}/{number}.png", photo(place, number))
    source = _source(photos, studio)
    copy = shutil.copytree(models.ASSETS / "pico" / "clip", photos.parent / "pico-clip")  # no place of this machine
    encoder = models.reference(str(copy), "encoder", studio.workspace)
    probe = {"encoder": encoder, "penalty": 0.001, "real": "$split.shots"}
    nodes = [
        ("data", "collect.import_images", {"source": source}),
        ("split", "collect.split", {"images": "$data", "shots": 3, "validation_per_class": 1}),
        ("sharp", "score.sharpness", {"images": "$split.shots"}),
        ("keep", "select.filter", {"images": "$split.shots", "scores": ["$sharp"], "filters": []}),
        ("real_only", "train.linear_probe", probe),
        ("report", "evaluate.compare", {"encoder": encoder, "tests": ["$split.test"], "real_only": ["$real_only"]}),
    ]
    request = {"data": "photos.zip", "shots": 3, "folds": 1, "preset": "quick", "backbone": f"pico@{'a' * 64}",
               "encoder": encoder, "settings": [], "seed": 0}  # fmt: skip
    pipeline = studio.start(
        "datadream", request, [Node(n, name, None, kind, t) for n, (name, kind, t) in enumerate(nodes)]
    )
    while studio.catalog.pipelines.get(pipeline).state == "running":
        studio.tick()
    assert studio.catalog.pipelines.get(pipeline).state == "done", studio.catalog.pipelines.get(pipeline).error
    studio.catalog.names.give(pipeline, "the first try")
    _decide(studio)
    waiting, _ = studio.submit(build("score.sharpness", {"images": _shots(studio), "size": 32}))
    studio.stop(waiting)
    studio.tick()


def _source(photos: Path, studio: Studio) -> str:
    from synthstudio.intake import sources

    return sources.register(str(photos), studio.workspace)


def _shots(studio: Studio) -> str:
    (run,) = [one for one in studio.catalog.runs.all() if one.kind == "collect.split"]
    return str(studio.catalog.runs.outputs(run.id)["shots"])


def _decide(studio: Studio) -> None:
    studio.catalog.review.newest()
    studio.catalog.review.settle(Query())
    members = list(studio.workspace.image_set(_shots(studio)))
    first, second, third = (Chosen.images([member.image]) for member in members[:3])
    studio.catalog.decisions.decide(
        [
            Act("a1", "tab", first, "keep"),
            Act("a2", "tab", second, "reject"),
            Act("a3", "tab", third, "relabel", "dog"),
            Act("a4", "tab", first, "reject"),
            Act("a5", "tab", undoes="a4", why="undo"),
        ],
        "me",
    )


def known(studio: Studio) -> dict[str, object]:
    """What somebody would miss."""
    catalog, workspace = studio.catalog, studio.workspace
    images = catalog.frames.images()
    runs = catalog.runs.all()
    sets = catalog.frames.sets()
    return json.loads(json.dumps({
        "images": sorted(images[["image", "label", "review", "origin", "held_out"]].values.tolist()),
        "scores": sorted(catalog.frames.scores()[["image", "scorer", "value"]].values.tolist()),
        "decisions": sorted([one[name] for name in WHAT] for one in catalog.decisions.standing()),
        "runs": sorted([run.id, run.kind, run.state] for run in runs),
        "outputs": {run.id: catalog.runs.outputs(run.id) for run in runs},
        "steps": {run.id: json.loads(catalog.runs.step_body(run.step_id)) for run in runs},
        "sets": {one: sorted([m.label, m.image] for m in workspace.image_set(one)) for one in sets["set"]},
        "names": sorted([one.id, one.name] for one in catalog.names.all()),
        "recipe runs": [[one.recipe, one.state] for one in catalog.pipelines.all()],
        "metrics": sorted(catalog.frames.metrics()[["name", "arm", "value"]].values.tolist()),
        "missing": [str(one) for one in wholeness.examine(studio, lambda *_: None)],
    }))  # fmt: skip


def main() -> None:
    """Fill a home, write down what is in it, zip both."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with Studio(home, "default", launcher=InlineLauncher()) as studio:
            fill(studio, Path(folder) / "photos.zip")
        with Studio(home, "default", launcher=InlineLauncher()) as studio:
            expected = known(studio)
        (home / "known.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False))
        files = [Path(here) / name for here, _, names in os.walk(home) for name in names]
        with zipfile.ZipFile(HERE / "home_0_1_0.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as stored:
            for path in sorted(files):
                if "embeddings" not in path.parts and path.suffix != ".lock":
                    stored.write(path, path.relative_to(home))


if __name__ == "__main__":
    main()
