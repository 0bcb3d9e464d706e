"""A pretended CUDA device, so that machines without one find what would fail there.

Its tensors say `cuda:0` and refuse to meet tensors of the CPU, as real ones do; their numbers lie in ordinary tensors,
so that whatever runs really computes, in the precision it asks for, and answers can be compared. (torch's own
FakeTensorMode has shapes without numbers: whatever looks at a number, as every loop here does, cannot run in it.)

torch's mixed precision (`torch.autocast`) knows only devices of its own, so it is imitated, for the functions in
`_LOWERED` and `_RAISED`.

Refused are operations over two devices (a CPU tensor without dimensions may take part, as in CUDA), and random numbers
drawn on the device: here they are drawn on the CPU and moved. Counted is how often the program waits for the device.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

DEVICE = torch.device("cuda:0")
_STAND_IN = torch.device("lazy:0")  # what torch's C++ is told: a device it knows, and for which it asks no driver
_AUTOCAST = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCUDA)
_CPU = torch.device("cpu")
_INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}  # by places, also of the CPU
_WAITING = {"_local_scalar_dense", "equal", "nonzero", "masked_select", "_unique2", "unique_dim", "bincount"}


class Mixed(RuntimeError):
    """What CUDA refuses, or the rule that noise is drawn on the CPU."""


class Away(torch.Tensor):
    """A tensor that says it is on the device; `here` has its numbers."""

    here: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here: torch.Tensor) -> "Away":
        how = {"strides": here.stride(), "storage_offset": here.storage_offset(), "layout": here.layout}
        how |= {"dtype": here.dtype, "device": _STAND_IN, "_extra_dispatch_keys": _AUTOCAST}
        made = torch.Tensor._make_wrapper_subclass(cls, here.size(), **how)
        made.here = here
        return made

    @property
    def device(self) -> torch.device:
        """What Python is told."""
        return DEVICE

    @property
    def is_cuda(self) -> bool:
        """See `device`."""
        return True

    def __repr__(self, **_: Any) -> str:
        return f"Away({self.here!r})"

    def tolist(self) -> Any:
        """Numbers come back, which is waited for."""
        return self.cpu().tolist()

    def __tensor_flatten__(self):
        """With this, `nn.Module.to` puts a whole tensor in the place of a parameter."""
        return ["here"], None

    @staticmethod
    def __tensor_unflatten__(inner, _about, _size, _stride) -> "Away":
        return Away(inner["here"])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise Mixed(f"{func} on a tensor of the pretended device, which is no longer there")


class Card(TorchDispatchMode):
    """The device, as long as it is entered. `waits`: the operations at which the program waited for it, in order."""

    _mode_key = torch._C._TorchDispatchModeKey.FAKE  # torch then does not look for a driver

    def __init__(self, *, double: bool = True) -> None:
        super().__init__()
        self.double = double  # whether it has float64, which Apple's GPUs have not
        self.waits: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation on the numbers, if the device would run it."""
        kwargs, (name, random) = kwargs or {}, _about(func)
        given = [*_leaves(args), *_leaves(tuple(kwargs.values()))]
        tensors = [one for one in given if isinstance(one, torch.Tensor)]
        where = _where(name, args, given, tensors)
        if where.type != "cuda" and not any(isinstance(one, Away) for one in tensors):
            return func(*args, **{name: one for name, one in kwargs.items() if name != "pin_memory"})
        if random and where.type == "cuda" and not _settled(name, args):
            raise Mixed(f"{func} draws random numbers on the device; draw them on the CPU from a seed, then move them")
        inner, named = _mapped(args, _brought), {name: _mapped(one, _brought) for name, one in kwargs.items()}
        self._note(name, where, args)
        with torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext(), torch.no_grad():
            # a view of plain numbers has to be plain itself
            return self._out(func(*inner, **named), where, tensors)

    def _note(self, name: str, where: torch.device, args: Sequence[Any]) -> None:
        home = where.type == "cpu" and name != "_local_scalar_dense"
        masks = [one for one in _leaves(args[1:]) if isinstance(one, Away) and one.dtype is torch.bool]
        if home or name in _WAITING or (name in _INDEXED and masks):
            self.waits.append(name)

    def _out(self, found: Any, where: torch.device, tensors: Sequence[torch.Tensor]) -> Any:
        """Results as tensors of their device; an operation in place gives back what it was given."""
        given = {id(one.here) if isinstance(one, Away) else id(one): one for one in tensors}

        def placed(one: Any) -> Any:
            if not isinstance(one, torch.Tensor):
                return one
            same = given.get(id(one))
            if same is not None and same.device.type == where.type:
                return same
            one = one if same is None else one.clone()  # a move never shares numbers
            if where.type == "cuda" and one.dtype is torch.float64 and not self.double:
                raise Mixed("This device has no float64; convert before moving, or compute on the CPU")
            return Away(one) if where.type == "cuda" else one

        return _mapped(found, placed)


def _leaves(value: Any) -> Iterator[Any]:
    """What lies in tuples and lists (torch's own walk through them takes most of the time here)."""
    if isinstance(value, tuple | list):
        for one in value:
            yield from _leaves(one)
    else:
        yield value


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same tuples and lists with every leaf changed."""
    if isinstance(value, tuple | list):
        return type(value)([_mapped(one, change) for one in value])
    return change(value)


def _brought(one: Any) -> Any:
    """What the CPU computes with in the place of an argument."""
    if isinstance(one, Away):
        return one.here
    return _CPU if isinstance(one, torch.device) and _is_away(one) else one


def _where(name: str, args: Sequence[Any], given: Sequence[Any], tensors: Sequence[torch.Tensor]) -> torch.device:
    """The device of what comes out. Mixed if CUDA would refuse."""
    asked = [DEVICE if _is_away(one) else one for one in given if isinstance(one, torch.device)]
    if name in ("copy_", "_foreach_copy_"):
        return tensors[0].device
    if asked:  # a move, or new numbers
        return asked[0]
    if name in _INDEXED:
        places = [one for one in _leaves(args[1]) if isinstance(one, torch.Tensor)]
        if not isinstance(args[0], Away) and any(isinstance(one, Away) for one in places):
            raise Mixed(f"{name}: indices should be on the CPU, as the indexed tensor is")
        tensors = [one for one in tensors if not any(one is place for place in places)]
    away = [one for one in tensors if isinstance(one, Away)]
    if away and any(one.device.type != "cuda" and one.dim() for one in tensors):
        raise Mixed(f"{name}: Expected all tensors to be on the same device, but found at least two, cuda:0 and cpu")
    generators = [one for one in given if isinstance(one, torch.Generator)]
    if away and any(one.device.type == "cpu" for one in generators):
        raise Mixed(f"{name}: Expected a 'cuda' device type for generator but found 'cpu'")
    return DEVICE if away else _CPU


@cache
def _about(func: Any) -> tuple[str, bool]:
    """The name of an operation, and whether it may draw random numbers."""
    return func._schema.name.removeprefix("aten::"), torch.Tag.nondeterministic_seeded in func.tags


def _settled(name: str, args: Sequence[Any]) -> bool:
    """Whether an operation that may draw random numbers does not: dropout in evaluation, attention without dropout."""
    return "scaled_dot_product" in name or (name == "dropout" and not args[2])


_LOWERED = (
    (F, ("linear", "conv1d", "conv2d", "conv_transpose2d", "scaled_dot_product_attention"), False),
    (torch, ("matmul", "mm", "bmm", "addmm", "baddbmm", "einsum"), False),
    (torch.Tensor, ("__matmul__", "matmul", "bmm"), False),
)
_RAISED = ((F, ("layer_norm", "group_norm", "softmax", "cross_entropy", "mse_loss", "l1_loss", "normalize"), True),)


def _cast(function: Any, raised: bool) -> Any:
    """`function` with its floating tensors in the precision that CUDA's autocast gives them, where it is on."""

    def cast(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_autocast_enabled("cuda"):
            return function(*args, **kwargs)
        dtype = torch.float32 if raised else torch.get_autocast_dtype("cuda")

        def one(tensor: torch.Tensor) -> torch.Tensor:
            wanted = isinstance(tensor, Away) and tensor.is_floating_point() and tensor.dtype is not torch.float64
            return tensor.to(dtype) if wanted else tensor

        args, kwargs = tree_map_only(torch.Tensor, one, (args, kwargs))
        return function(*args, **kwargs)

    return cast


def _is_away(device: torch.device) -> bool:
    return device.type in (DEVICE.type, _STAND_IN.type)


@contextmanager
def card(*, double: bool = True, bfloat16: bool = True) -> Iterator[Card]:
    """Within, there is one CUDA device, `cuda:0`; with or without arithmetic in float64, in bfloat16 of its own."""
    capability = 8 if bfloat16 else 7
    stream = SimpleNamespace(is_capturing=lambda: False)
    facts = {
        "is_available": lambda: True, "device_count": lambda: 1, "current_device": lambda: 0,
        "get_device_name": lambda *_: "pretended", "mem_get_info": lambda *_: (1 << 30, 1 << 30),
        "get_device_properties": lambda *_: SimpleNamespace(major=capability, minor=0, name="pretended"),
        "_check_bf16_tensor_supported": lambda *_: True, "_lazy_init": lambda: None,
    }  # fmt: skip
    lifting = torch._C._only_lift_cpu_tensors()
    with ExitStack() as facade, torch.autograd.set_multithreading_enabled(False):
        for name, fact in facts.items():
            facade.enter_context(mock.patch.object(torch.cuda, name, fact))
        facade.enter_context(mock.patch.object(torch.accelerator, "current_stream", lambda *_: stream))
        for owner, names, raised in (*_LOWERED, *_RAISED):
            for name in names:
                facade.enter_context(mock.patch.object(owner, name, _cast(getattr(owner, name), raised)))
        torch._C._set_only_lift_cpu_tensors(True)  # `torch.tensor` then makes its numbers on the CPU and moves them
        facade.callback(torch._C._set_only_lift_cpu_tensors, lifting)
        yield facade.enter_context(Card(double=double))
