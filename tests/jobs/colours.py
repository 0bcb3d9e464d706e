"""A recipe small enough for every test: photographs of three colours, a stand-in for a sampler, real probes."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

import synthstudio.steps  # noqa: F401 - fills the table of kinds
from synthstudio import models
from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog.pipelines import Node
from synthstudio.events import Event, Made, Output
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import ImageSetId
from tests.steps.kit import LABELS, coloured, png


class Photograph(Step):
    """Photos of every class."""

    kind: ClassVar[str] = "test.photograph"

    each: int = 12

    def run(self, work: Work) -> Iterator[Event]:
        """Say every photo, then the pool."""
        members = []
        for index, (label, number) in enumerate((label, n) for label in LABELS for n in range(self.each)):
            digest = work.workspace.put(coloured(label, number))
            yield Made(index=index, image=Image(digest, label, "real", 48, 48))
            members.append(Member(label, digest))
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("pool", members)))


class Draw(Step):
    """Images of every class by something that looked at photos. The last one of each class shows another class."""

    kind: ClassVar[str] = "test.draw"

    images: ImageSetId
    each: int = 5
    seed: int = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Say every image, then the set."""
        members = []
        for index, (label, number) in enumerate((label, n) for label in LABELS for n in range(self.each)):
            shown = LABELS[(LABELS.index(label) + 1) % len(LABELS)] if number == self.each - 1 else label
            digest = work.workspace.put(_brighter(coloured(shown, 1000 + 100 * self.seed + number)))
            yield Made(index=index, image=Image(digest, label, "synthetic", 48, 48, {"seed": number}))
            members.append(Member(label, digest))
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", members)))


def _brighter(data: bytes) -> bytes:
    """Another look, so that no image of a sampler passes for a copy of a photo."""
    import io

    from PIL import Image as Picture

    with Picture.open(io.BytesIO(data)) as picture:
        return png(np.flipud(np.asarray(picture)).astype(float) * 0.8 + 40)


def recipe(studio, clip, folds=1, shots=3, each=5):
    """Start the recipe; returns the pipeline's id."""
    encoder = models.reference(str(clip), "encoder", studio.workspace)
    nodes = [("data", None, "test.photograph", {})]
    probe = {"encoder": encoder, "penalty": 0.001}
    for fold in range(folds):
        nodes += [
            ("split", fold, "collect.split", {"images": "$data", "shots": shots, "fold": fold}),
            ("sample", fold, "test.draw", {"images": "$split.shots", "seed": fold, "each": each}),
            ("keep", fold, "select.filter", {"images": "$sample"}),
            ("real_only", fold, "train.linear_probe", {**probe, "real": "$split.shots"}),
            ("synthetic_only", fold, "train.linear_probe", {**probe, "synthetic": "$keep"}),
            ("real_and_synthetic", fold, "train.linear_probe",
             {**probe, "real": "$split.shots", "synthetic": "$keep"}),
        ]  # fmt: skip
    arms = {arm: f"${arm}" for arm in ("real_only", "synthetic_only", "real_and_synthetic")}
    nodes.append(("report", None, "evaluate.compare", {"encoder": encoder, "tests": "$split.test", **arms}))
    request = {
        "data": "colours", "shots": shots, "folds": folds, "preset": "quick", "backbone": f"pico@{'a' * 64}",
        "encoder": encoder, "settings": [], "seed": 0,
    }  # fmt: skip
    listed = [Node(n, name, fold, kind, template) for n, (name, fold, kind, template) in enumerate(nodes)]
    return studio.start("datadream", request, listed)


def carried_out(studio, pipeline_id):
    """Tick until a pipeline has ended; returns its state."""
    for _ in range(200):
        studio.tick()
        if (state := studio.catalog.pipelines.get(pipeline_id).state) != "running":
            return state
    raise AssertionError("the pipeline does not end")
