"""Fit the text-to-image model to the shots."""

from collections.abc import Mapping
from typing import Any

from synthstudio.effort import Effort


def updates(fields: Mapping[str, Any], shots: int) -> Effort:
    """The updates that an adapter's fields ask for, each of a batch of photos."""
    batch = int(fields["batch_size"])
    asked = fields["training_steps"] or float(fields["epochs"]) * shots / batch
    return Effort(asked * batch, asked)
