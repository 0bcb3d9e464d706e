"""What scorers, classifiers and evaluation share: one encoder per process, one embedding per image."""

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, cast

from synthstudio import models
from synthstudio.events import Progress
from synthstudio.steps import Work

if TYPE_CHECKING:
    from torch import Tensor

    from synthstudio.embeddings import EmbeddingStore, Vector
    from synthstudio.engine.encoders import Encoder


def encoder(work: Work, ref: str) -> "Encoder":
    """The encoder of this reference, loaded once per process."""
    from synthstudio.engine import devices, encoders

    def make() -> object:
        devices.use_threads(work.resources.threads)
        devices.repeatable()
        return encoders.load(models.folder_of(ref, work.workspace), devices.pick(work.resources.device))

    return cast("Encoder", work.load(("encoder", ref), make))


def embeddings(work: Work, ref: str, images: Iterable[str]) -> Generator[Progress, None, "Vector"]:
    """Unit vectors of images, in order; embeds only those no earlier step embedded, and says how far it is."""
    from synthstudio.embeddings import EmbeddingStore

    wanted = list(images)
    store = cast("EmbeddingStore", work.load(("embeddings", ref), lambda: EmbeddingStore(work.workspace, ref)))
    missing = store.missing(wanted)
    if missing:
        model = encoder(work, ref)
        size = model.batch(work.resources.batch)
        for start in range(0, len(missing), 8 * size):
            some = missing[start : start + 8 * size]
            store.put(some, model.embed_images(pixels(work, model, some), size))
            yield Progress(done=start + len(some), total=len(missing), unit="embeddings")
    return store.get(wanted)


def pixels(work: Work, model: "Encoder", images: Iterable[str]) -> "Tensor":
    """Images of the workspace as the encoder wants them, uint8."""
    return model.pixels(work.workspace.get(digest) for digest in images)


def label_places(labels: tuple[str, ...], wanted: Iterable[str]) -> list[int]:
    """The place of each wanted label among all labels."""
    places: dict[Any, int] = {label: place for place, label in enumerate(labels)}
    return [places[label] for label in wanted]
