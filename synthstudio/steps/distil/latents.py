"""Images in the latents of a backbone, computed once per image and kept; and latents back as pictures."""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, cast

from synthstudio.artifacts import canonical, digest_of
from synthstudio.events import Progress
from synthstudio.models import folder_of
from synthstudio.steps import Work

if TYPE_CHECKING:
    from torch import Tensor

    from synthstudio.embeddings import EmbeddingStore
    from synthstudio.engine.backbones import Backbone


def backbone_of(work: Work, ref: str) -> "Backbone":
    """The backbone of this reference, loaded once per process."""
    from synthstudio.engine import backbones, devices

    device = devices.pick(work.resources.device)

    def make() -> object:
        devices.use_threads(work.resources.threads)
        devices.repeatable()
        return backbones.load(folder_of(ref, "backbone", work.workspace), device)

    key = ("backbone", ref, str(device), backbones.working_dtype(device))
    return cast("Backbone", work.load(key, make))


def encoded(work: Work, ref: str, images: Sequence[str]) -> Generator[Progress, None, "Tensor"]:
    """Latents (N, C, h, w) of images at the backbone's own size, in the scale its UNet sees."""
    from synthstudio.embeddings import EmbeddingStore
    from synthstudio.engine import pixels
    from synthstudio.engine.distil.few import latents_of
    from synthstudio.engine.seeds import generator

    backbone = backbone_of(work, ref)
    side = backbone.resolution
    name = f"latents@{digest_of(canonical(['latents', ref.rpartition('@')[2], side]))}"
    store = cast("EmbeddingStore", work.load(name, lambda: EmbeddingStore(work.workspace, name)))
    missing = store.missing(images)
    size = max(1, min(64, (1 << 20) // side**2))
    for start in range(0, len(missing), size):
        some = missing[start : start + size]
        pictures = [
            pixels.squares(pixels.read(work.workspace.get(image)), side, "centre", generator(0))[0] for image in some
        ]
        store.put(some, backbone.encode_images(pixels.to_tensor(pictures)).flatten(1).float().cpu().numpy())
        yield Progress(done=start + len(some), total=len(missing), unit="latents")
    return latents_of(store.get(images), backbone.latent_shape(side))


def decoded(work: Work, ref: str, latents: "Tensor") -> list[bytes]:
    """PNG files of latents (N, C, h, w)."""
    from synthstudio.engine import pixels

    backbone = backbone_of(work, ref)
    return pixels.to_png(pixels.to_uint8(backbone.decode(latents.to(backbone.device))))
