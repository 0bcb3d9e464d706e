"""Fit the text-to-image model to the shots."""

from collections.abc import Mapping
from typing import Any

from synthstudio.effort import Effort


def updates(fields: Mapping[str, Any], shots: int, adapters: int = 1) -> Effort:
    """The updates that the fields of so many adapters ask for, each of a batch of photos."""
    batch, adapters = int(fields["batch_size"]), max(1, adapters)
    asked = adapters * (fields["training_steps"] or float(fields["epochs"]) * max(1.0, shots / adapters / batch))
    return Effort(asked * batch, asked)
