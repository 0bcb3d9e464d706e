"""Updates of an optimiser, for every loop that trains: precision, several passes, clipping, several processes.

On the CPU in float32, in one pass and one process, this is `backward`, `clip_grad_norm_` and `step` and nothing else:
the same bits as without it. Started by `torchrun` or `accelerate launch` (which needs an mpirun on a CPU), each
process takes its share of every batch, and the gradients are averaged; all processes then make the same update.

A pass that does not fit into memory is halved, once, and that is said; what still does not fit may be relieved by who
trains (activations that are computed again), and is then refused with what to ask for. Two trainings of one process may
take turns: what accelerate keeps once per process is set at every update.
"""

from collections.abc import Callable, Sequence

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import GradientAccumulationPlugin
from torch import Tensor, nn

from synthstudio.errors import BadInput, MemoryFull, ran_out_of_memory

_PRECISION = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}  # fp16 with a scaled loss
_LONGEST = 1.0  # of a gradient, as published for diffusion models
_SEARCHED = 8  # updates that may be left out while the scale of the loss is searched, before anybody is told

LossOf = Callable[[Sequence[int]], tuple[Tensor, Tensor]]


class Updates:
    """Updates of parameters, all in float32. `dtype` is what the model computes in; float16 has its loss scaled.

    A batch has `size` rows, of which at most `at_once` (0: all) pass through the model together. A gradient longer than
    `longest` is cut to it (None: never). Gradients that are there from the beginning are kept where they lie.
    """

    def __init__(
        self, parameters: nn.Parameter | Sequence[nn.Parameter], optimizer: torch.optim.Optimizer | None,
        dtype: torch.dtype, size: int, at_once: int = 0, longest: float | None = _LONGEST,
    ) -> None:  # fmt: skip
        self.parameters = [parameters] if isinstance(parameters, nn.Parameter) else list(parameters)
        self.size, self.at_once, self.longest, self.dtype = size, at_once, longest, dtype
        self.device = self.parameters[0].device
        self.divisible = True  # set to False where a loss compares the rows of a batch
        self.notes: list[str] = []  # sentences for whoever follows the training
        self.relieve: Callable[[], str] | None = None  # asked once, before giving up: has less held, and says how
        self.left_out = 0  # updates without effect, because float16 ended
        self._halved = False
        self._cut: dict[int, list[list[int]]] = {}
        self._views = [parameter.grad is not None for parameter in self.parameters]
        self.accelerator = _accelerator(self.device, dtype)
        self._shares(size)
        self._optimizer = None if optimizer is None else self.accelerator.prepare_optimizer(optimizer)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimiser, with what accelerate adds to it."""
        assert self._optimizer is not None
        return self._optimizer

    @property
    def parts(self) -> list[list[int]]:
        """The rows of a whole batch that pass together in this process."""
        return self._shares(self.size)

    def at_most(self, count: int) -> None:
        """Let no more than so many rows pass together from now on."""
        self.at_once, self._cut = count, {}

    @property
    def alone(self) -> bool:
        """Whether every batch passes whole, in this process: what a loss needs that compares its rows."""
        return len(self.parts) == 1 and self.accelerator.num_processes == 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the files."""
        return bool(self.accelerator.is_main_process)

    def gradient(self, loss_of: LossOf) -> tuple[float, float]:
        """As `backward`, for a loss that is cut: the mean loss and the gradient's length before, read with one wait."""
        told, length = self.backward(loss_of)
        assert length is not None
        value, norm = torch.stack([told.float(), length.float()]).tolist()
        return value, norm

    def backward(self, loss_of: LossOf, size: int | None = None) -> tuple[Tensor, Tensor | None]:
        """Fill the gradients of the mean over all rows (`size` of them, if not as many as usual).

        `loss_of(rows)` gives what is told and what is minimised, both as means over those rows of the batch; it may be
        asked twice for the same rows. Returns the mean of what is told, and the gradient's length before it was cut,
        if it is: both where they were computed, since reading them waits for the device. MemoryFull if a pass does not
        fit, nor half of it.
        """
        while True:
            try:
                return self._backward(loss_of, size or self.size)
            except (RuntimeError, MemoryError) as error:
                if not ran_out_of_memory(error):
                    raise
                self.make_room(len(self._shares(size or self.size)[0]), error)
            if self.device.type == "cuda":  # what the failed pass held is free only here
                torch.cuda.empty_cache()

    def step(self) -> None:
        """Move the parameters, unless float16 ended in this gradient: then the scale of the loss is lowered."""
        self.optimizer.step()
        if self.scales() and self.optimizer.step_was_skipped:  # type: ignore[attr-defined]
            self.left_out += 1
            if self.left_out == _SEARCHED + 1:
                self.notes.append(
                    f"More than {_SEARCHED} updates were left out, because their gradients went beyond float16, the "
                    "half precision of this device. Lower learning_rate, or train on the CPU or a card with bfloat16."
                )

    def not_a_number(self, step: int, steps: int) -> str:
        """A sentence about a loss that left the numbers in `step`, counted from 0."""
        name = str(self.dtype).removeprefix("torch.")
        half = f", computed in {name}," if self.dtype is not torch.float32 else ""
        other = ", or train on the CPU or a card with bfloat16" if self.scales() else ""
        return (
            f"The loss of step {step + 1} of {steps}{half} is not a number. Lower learning_rate and train again{other}."
        )

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

    def _backward(self, loss_of: LossOf, size: int) -> tuple[Tensor, Tensor | None]:
        parts = self._shares(size)
        self._clear()
        self.accelerator.step, self.accelerator.gradient_accumulation_steps = 0, len(parts)
        reported = []
        for rows in parts:
            share = len(rows) * self.accelerator.num_processes / size
            with self.accelerator.accumulate():
                with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
                    told, loss = loss_of(rows)
                weight = share * len(parts)  # accelerate divides by the number of passes
                self.accelerator.backward(loss if weight == 1 else loss * weight)
            reported.append(told.detach() if share == 1 else told.detach() * share)
        value = torch.stack(reported).sum(0)
        if self.accelerator.num_processes > 1:
            value = self._averaged(value)
        if self.longest is None:
            return value, None
        return value, self.accelerator.clip_grad_norm_(self.parameters, self.longest)

    def _clear(self) -> None:
        for parameter, view in zip(self.parameters, self._views, strict=True):
            if view and parameter.grad is not None:
                parameter.grad.zero_()
            else:
                parameter.grad = None

    def _averaged(self, value: Tensor) -> Tensor:
        """`value`, and in place all gradients, as means over the processes: one message for each."""
        slopes = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        flat = self.accelerator.reduce(torch.cat([slope.flatten() for slope in slopes]), "mean")
        for slope, mean in zip(slopes, flat.split([slope.numel() for slope in slopes]), strict=True):
            slope.copy_(mean.view_as(slope))
        return self.accelerator.reduce(value, "mean")

    def _shares(self, size: int) -> list[list[int]]:
        """The rows of a batch of this size that pass together in this process."""
        if size in self._cut:
            return self._cut[size]
        if size < self.accelerator.num_processes:
            raise BadInput(
                f"A batch of {size} cannot be shared by {self.accelerator.num_processes} processes. "
                "Give a larger batch, or start fewer processes."
            )
        with self.accelerator.split_between_processes(list(range(size))) as mine:
            most = self.at_once or size
            self._cut[size] = [mine[at : at + most] for at in range(0, len(mine), most)]
        return self._cut[size]

    def make_room(self, most: int, error: BaseException) -> None:
        """See to it that less is held after `most` images at once ended the memory; MemoryFull if nothing is left."""
        where = "memory" if self.device.type == "cpu" else f"the memory of {self.device}"
        what = f"{most} images at once do" if most > 1 else "One image does"
        half = -(-most // 2)
        if self.relieve is not None and (most == 1 or self._halved or not self.divisible):
            relieve, self.relieve = self.relieve, None
            self.notes.append(f"{what} not fit into {where}. {relieve()}")
            return
        if most == 1 or not self.divisible:
            way = "Choose smaller images or a smaller model" if most == 1 else "Lower batch_size, as they are compared"
            raise MemoryFull(f"{what} not fit into {where}. {way}, or another device.") from error
        if self._halved:
            raise MemoryFull(
                f"{what} not fit into {where}, and twice as many did not either. Ask for passes of {most // 2} or "
                "fewer (Images at once; --batch): the updates stay what they are."
            ) from error
        self._halved, self.at_once, self._cut = True, half, {}
        self.notes.append(
            f"{what} not fit into {where}; they go through in passes of {half}, which makes the same updates. "
            f"Ask for {half} (Images at once; --batch) to begin like that."
        )


def _accelerator(device: torch.device, dtype: torch.dtype) -> Accelerator:
    """accelerate keeps one state per process; a process that trains twice may want another precision or device."""
    if AcceleratorState._shared_state and AcceleratorState().num_processes == 1:  # noqa: SLF001
        AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - there is no other way
    plugin = GradientAccumulationPlugin(num_steps=1, sync_with_dataloader=False)
    return Accelerator(mixed_precision=_PRECISION[dtype], cpu=device.type == "cpu", gradient_accumulation_plugin=plugin)
