"""Make synthetic images, each with its own seed and provenance."""

from collections.abc import Mapping
from typing import Any

from synthstudio.effort import Amounts, Effort

_GUIDED = 5  # a step that is guided by a classifier takes as long as so many: decoder and network, there and back
_USUAL_STEPS = 50  # where a recipe has yet to choose


def planned(fields: Mapping[str, Any], classes: int) -> int:
    """How many images the fields of a Step of this package ask for, where they name so many classes."""
    cells = max(1, len(fields.get("x_values", ()))) * max(1, len(fields.get("y_values", ())))
    return int(fields["images_per_class"]) * classes * cells


def denoising(fields: Mapping[str, Any], classes: int) -> Effort:
    """The denoising steps of the images that are asked for."""
    images, steps = planned(fields, classes), fields["inference_steps"]
    each = _GUIDED if fields.get("lack_strength") else 1
    return Effort(images * (_USUAL_STEPS if isinstance(steps, str) else int(steps)) * each, images)


def denoising_named(fields: Mapping[str, Any], there: Amounts) -> Effort:
    """The same where a Step is asked for classes by name: those count, not all that there are."""
    labels = fields["labels"]
    return denoising(fields, len(labels) if isinstance(labels, list | tuple) else there.classes)
