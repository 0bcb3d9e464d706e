"""train.linear_probe: a linear classifier on frozen embeddings; seconds, no GPU."""

from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from synthstudio.artifacts import ImageSet
from synthstudio.effort import Amounts, Effort
from synthstudio.events import Event, Note, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.train import keep, named_sets, training_accuracy
from synthstudio.terms import ImageSetId, ModelRef, Penalty, Prior, Prompt, RealWeight

if TYPE_CHECKING:
    from synthstudio.engine.probe import Examples, Validated


class LinearProbe(Step):
    """Logistic regression on unit embeddings; with a text tower started at and held near the class names.

    Real and synthetic images share one loss as in `train.classifier`: λ on the real part, 1 − λ on the synthetic part,
    each averaged over its own images. Convex, so there is no seed. The penalty is chosen by cross-validation on the
    real images (on the synthetic ones where there are no others).
    """

    kind: ClassVar[str] = "train.linear_probe"
    title: ClassVar[str] = "Train a linear probe"
    seconds_per_unit: ClassVar[float] = 0.0027  # an image shown to the optimiser

    encoder: ModelRef
    real: ImageSetId | None = None
    synthetic: ImageSetId | None = None
    prompt: Prompt = "a photo of a {label}"
    real_weight: RealWeight = 0.8
    penalty: Penalty = None
    prior: Prior = "text"

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort.once(there.taught or there.made or there.shots)

    def run(self, work: Work) -> Iterator[Event]:
        sets, labels, notes = named_sets(work, self.real, self.synthetic)
        yield from notes
        yield from probed(work, self, sets, labels, self.penalty, self.prior)


class Probing(Protocol):
    """What training a probe needs to know of the step that asks for it."""

    @property
    def encoder(self) -> str: ...
    @property
    def prompt(self) -> str: ...
    @property
    def real_weight(self) -> float: ...
    @property
    def fields(self) -> dict[str, Any]: ...


def probed(
    work: Work, step: Probing, sets: dict[str, ImageSet], labels: tuple[str, ...], penalty: float | None, prior: str
) -> Iterator[Event]:
    """Fit a probe, measure it on what it learned from, and keep it."""
    from synthstudio.engine import probe
    from synthstudio.engine.tensors import write_tensors

    model = encoding.encoder(work, step.encoder)
    yield from encoding.resized(work, model, step.encoder, [member.image for one in sets.values() for member in one])
    parts = {}
    for name, images in sets.items():
        parts[name] = yield from examples(work, step.encoder, images, labels)
    words = model.embed_labels(labels, [step.prompt]) if prior == "text" and model.reads_words else None
    if prior == "text" and words is None:
        yield Note(text=f"{step.encoder.partition('@')[0]} knows no words, so the probe starts from nothing.")
    if penalty is None:
        shown = parts.get("real") or parts["synthetic"]
        penalty, found = probe.best_penalty(shown, words, len(labels), scale=model.scale)
        yield Note(text=_why(penalty, found))
    tensors = probe.fit(parts, words, len(labels), scale=model.scale, penalty=penalty, real_weight=step.real_weight)
    for name, part in parts.items():
        answers = (part.vectors @ tensors["weight"].numpy().T + tensors["bias"].numpy()).argmax(1)
        yield training_accuracy(name, int((answers == part.labels).sum()), len(part.labels))
    file = work.scratch / "probe.safetensors"
    write_tensors(file, tensors)
    yield keep(work, step, "linear_probe", labels, file, penalty=penalty)


def _why(penalty: float, found: "dict[float, Validated]") -> str:
    if not found:
        return f"The penalty is {penalty:g}: with one image of a class nothing can be left out to choose another."
    best = found[penalty]
    return (
        f"The penalty is {penalty:g}, chosen by cross-validation on {best.n} training images "
        f"(log loss {best.log_loss:.2f}, accuracy {100 * best.accuracy:.0f} %)."
    )


def examples(
    work: Work, encoder: str, images: ImageSet, labels: tuple[str, ...]
) -> Generator[Progress, None, "Examples"]:
    """Embeddings of a set and the places of its labels."""
    import numpy as np

    from synthstudio.engine.probe import Examples

    vectors = yield from encoding.embeddings(work, encoder, [member.image for member in images])
    return Examples(vectors, np.array(encoding.label_places(labels, [member.label for member in images])))
