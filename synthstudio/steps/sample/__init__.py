"""Make synthetic images, each with its own seed and provenance."""

from collections.abc import Mapping
from typing import Any

from synthstudio.effort import Effort


def denoising(fields: Mapping[str, Any], classes: int) -> Effort:
    """The denoising steps of the images that are asked for."""
    images = int(fields["images_per_class"]) * classes
    return Effort(images * int(fields["inference_steps"]), images)
