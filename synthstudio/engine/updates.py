"""Updates of an optimiser, carried out by accelerate: precision, several passes, clipping, several processes.

On the CPU in float32, in one pass and one process, this is `backward`, `clip_grad_norm_` and `step` and nothing else:
the same bits as without accelerate. Started by `torchrun` or `accelerate launch` (which needs an mpirun on a CPU), each
process takes its share of every batch, and the gradients are averaged; all processes then make the same update.
"""

from collections.abc import Callable, Sequence

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin
from torch import Tensor, nn

from synthstudio.errors import BadInput

_PRECISION = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}  # fp16 with a scaled loss
_LONGEST = 1.0  # of a gradient, as published


class Updates:
    """Updates of one flat vector, in float32. `dtype` is what the model computes in; float16 has its loss scaled.

    A batch has `size` rows, of which at most `at_once` (0: all) pass through the model together.
    """

    def __init__(
        self, flat: nn.Parameter, optimizer: torch.optim.Optimizer, dtype: torch.dtype, size: int, at_once: int = 0
    ) -> None:
        self.flat, self.size = flat, size
        self.accelerator = _accelerator(flat.device, dtype)
        if size < self.accelerator.num_processes:
            raise BadInput(
                f"A batch of {size} cannot be shared by {self.accelerator.num_processes} processes. "
                "Give a larger batch, or start fewer processes."
            )
        self.optimizer = self.accelerator.prepare_optimizer(optimizer)
        with self.accelerator.split_between_processes(list(range(size))) as mine:
            self.parts = [mine[at : at + (at_once or size)] for at in range(0, len(mine), at_once or size)]
        self.accelerator.gradient_accumulation_steps = len(self.parts)

    @property
    def alone(self) -> bool:
        """Whether every batch passes whole, in this process: what a loss needs that compares its rows."""
        return len(self.parts) == 1 and self.accelerator.num_processes == 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return bool(self.accelerator.is_main_process)

    def gradient(self, loss_of: Callable[[Sequence[int]], tuple[Tensor, Tensor]]) -> tuple[float, float]:
        """Fill the gradient of the mean over all rows; returns the mean loss and the gradient's length before clipping.

        `loss_of(rows)` gives what is reported and what is minimised, both as means over those rows of the batch.
        """
        assert self.flat.grad is not None
        self.flat.grad.zero_()
        reported = []
        for rows in self.parts:
            share = len(rows) * self.accelerator.num_processes / self.size
            with self.accelerator.accumulate():
                with self.accelerator.autocast():
                    told, loss = loss_of(rows)
                weight = share * len(self.parts)  # accelerate divides by the number of passes
                self.accelerator.backward(loss if weight == 1 else loss * weight)
            reported.append(told.detach() if share == 1 else told.detach() * share)
        value = torch.stack(reported).sum()
        if self.accelerator.num_processes > 1:
            self.flat.grad.copy_(self.accelerator.reduce(self.flat.grad, "mean"))
            value = self.accelerator.reduce(value, "mean")
        norm = self.accelerator.clip_grad_norm_([self.flat], _LONGEST)
        told_value, length = torch.stack([value.float(), norm.float()]).tolist()  # one wait for the device
        return told_value, length

    def scales(self) -> bool:
        """Whether the loss is scaled, so that an endless gradient is a step left out and not the end."""
        return self.accelerator.scaler is not None

    def state(self) -> dict[str, float]:
        """What a resume needs beside the optimiser's state: the scale of the loss, where there is one."""
        return dict(self.accelerator.scaler.state_dict()) if self.accelerator.scaler is not None else {}

    def load(self, state: dict[str, float]) -> None:
        """Take `state()` back."""
        if self.accelerator.scaler is not None and state:
            self.accelerator.scaler.load_state_dict(state)


def _accelerator(device: torch.device, dtype: torch.dtype) -> Accelerator:
    """accelerate keeps one state per process; a process that trains twice may want another precision or device."""
    if AcceleratorState._shared_state and AcceleratorState().num_processes == 1:  # noqa: SLF001
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - there is no other way
    plugin = GradientAccumulationPlugin(num_steps=1, sync_with_dataloader=False)
    return Accelerator(mixed_precision=_PRECISION[dtype], cpu=device.type == "cpu", gradient_accumulation_plugin=plugin)
