"""The classifier whose uncertainty guides images, read for whoever draws them."""

from typing import TYPE_CHECKING, Protocol, cast

from synthstudio.steps import Work, encoding

if TYPE_CHECKING:
    from synthstudio.engine.lack import Judge, Lack


class Lacking(Protocol):
    """What a sampling step says of this guidance."""

    @property
    def lack(self) -> str | None: ...
    @property
    def lack_strength(self) -> float: ...


def lack_of(work: Work, step: Lacking) -> "Lack | None":
    """What guides the images of a step, its classifier read once in a run; none at a strength of 0."""
    if step.lack is None or not step.lack_strength:
        return None
    from synthstudio.engine.lack import Lack

    name = step.lack
    judge = cast("Judge", work.load(("lack", name), lambda: _judge(work, name)))
    return Lack(judge, step.lack_strength)


def _judge(work: Work, name: str) -> object:
    from synthstudio.engine.classifier import Fitted
    from synthstudio.engine.lack import Judge

    document = work.workspace.document(name)
    fitted = Fitted.read(document, work.workspace.get_weights(document["weights"]))
    return Judge(fitted, encoding.encoder(work, document["encoder"]))
