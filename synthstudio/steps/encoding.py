"""What scorers, classifiers and evaluation share: one encoder per process, one embedding per image."""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from synthstudio import models
from synthstudio.events import Note, Progress
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
        folder = models.folder_of(ref, "encoder", work.workspace)
        return encoders.load(folder, devices.pick(work.resources.device))

    return cast("Encoder", work.load(("encoder", ref), make))


def embeddings(work: Work, ref: str, images: Iterable[str]) -> Generator[Progress, None, "Vector"]:
    """Unit vectors of images, in order; embeds only those no earlier step embedded, and says how far it is."""
    wanted = list(images)
    store = yield from looked_at(work, ref, wanted)
    return store.get(wanted)


def looked_at(work: Work, ref: str, images: Iterable[str]) -> Generator[Progress, None, "EmbeddingStore"]:
    """The vectors of an encoder, those of these images among them: what no earlier step embedded is embedded now."""
    from synthstudio.embeddings import EmbeddingStore

    store = cast("EmbeddingStore", work.load(("embeddings", ref), lambda: EmbeddingStore(work.workspace, ref)))
    missing = store.missing(images)
    if missing:
        model = encoder(work, ref)
        size = model.batch(work.resources.batch)
        parts = [missing[start : start + 2 * size] for start in range(0, len(missing), 2 * size)]
        done = 0
        with ThreadPoolExecutor(1) as reader:  # decodes the next images while these are looked at
            waiting = reader.submit(pixels, work, model, parts[0])
            for number, some in enumerate(parts):
                shown = waiting.result()
                if number + 1 < len(parts):
                    waiting = reader.submit(pixels, work, model, parts[number + 1])
                store.put(some, model.embed_images(shown, size))
                done += len(some)
                yield Progress(done=done, total=len(missing), unit="embeddings")
    return store


def resized(work: Work, model: "Encoder", ref: str, images: Iterable[str]) -> Iterator[Note]:
    """A sentence if this encoder is shown pictures far smaller than it wants: they are enlarged, nothing is gained."""
    side = median_side(work, images)
    if 0 < 2 * side <= model.size:
        yield Note(
            text=f"{ref.partition('@')[0]} looks at {model.size} px; these images have about {side} px on their "
            "shorter side and are enlarged for it."
        )


def median_side(work: Work, images: Iterable[str]) -> int:
    """The median shorter side in pixels of (at most 64 of) these images; 0 of none."""
    sides = sorted(_side(work.workspace.get(digest)) for digest in list(images)[:64])
    return sides[len(sides) // 2] if sides else 0


def _side(file: bytes) -> int:
    from PIL import Image

    with Image.open(BytesIO(file)) as picture:
        return min(picture.size)


def pixels(work: Work, model: "Encoder", images: Iterable[str]) -> "Tensor":
    """Images of the workspace as the encoder wants them, uint8."""
    return model.pixels(work.workspace.get(digest) for digest in images)


def label_places(labels: tuple[str, ...], wanted: Iterable[str]) -> list[int]:
    """The place of each wanted label among all labels."""
    places: dict[Any, int] = {label: place for place, label in enumerate(labels)}
    return [places[label] for label in wanted]
