"""train.linear_probe: a linear classifier on frozen embeddings; seconds, no GPU."""

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, ClassVar

from synthstudio.artifacts import ImageSet
from synthstudio.events import Event, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.train import keep, named_sets, training_accuracy
from synthstudio.terms import ImageSetId, ModelRef, Penalty, Prior, Prompt, RealWeight

if TYPE_CHECKING:
    from synthstudio.engine.probe import Examples


class LinearProbe(Step):
    """Logistic regression on unit embeddings, started at and held near CLIP's text head.

    Real and synthetic images share one loss as in `train.classifier`: λ on the real part, 1 − λ on the synthetic part,
    each averaged over its own images. Convex, so there is no seed.
    """

    kind: ClassVar[str] = "train.linear_probe"

    encoder: ModelRef
    real: ImageSetId | None = None
    synthetic: ImageSetId | None = None
    prompt: Prompt = "a photo of a {label}"
    real_weight: RealWeight = 0.8
    penalty: Penalty = 0.04
    prior: Prior = "text"

    def run(self, work: Work) -> Iterator[Event]:
        from synthstudio.engine import classifier, probe

        sets, labels, notes = named_sets(work, self.real, self.synthetic)
        yield from notes
        model = encoding.encoder(work, self.encoder)
        parts = {}
        for name, images in sets.items():
            parts[name] = yield from _examples(work, self.encoder, images, labels)
        words = model.embed_labels(labels, [self.prompt]) if self.prior == "text" else None
        tensors = probe.fit(
            parts, words, len(labels), scale=model.scale, penalty=self.penalty, real_weight=self.real_weight
        )
        for name, part in parts.items():
            answers = (part.vectors @ tensors["weight"].numpy().T + tensors["bias"].numpy()).argmax(1)
            yield training_accuracy(name, int((answers == part.labels).sum()), len(part.labels))
        file = work.scratch / "probe.safetensors"
        classifier.write_tensors(file, tensors)
        yield keep(work, self, "linear_probe", labels, file)


def _examples(
    work: Work, encoder: str, images: ImageSet, labels: tuple[str, ...]
) -> Generator[Progress, None, "Examples"]:
    import numpy as np

    from synthstudio.engine.probe import Examples

    vectors = yield from encoding.embeddings(work, encoder, [member.image for member in images])
    return Examples(vectors, np.array(encoding.label_places(labels, [member.label for member in images])))
