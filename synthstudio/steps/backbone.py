"""A backbone for a Step that adapts or draws, carried out as the run's resources say."""

from typing import TYPE_CHECKING

from synthstudio.models import folder_of
from synthstudio.steps import Work, fitting

if TYPE_CHECKING:
    from synthstudio.engine.backbones import Backbone


def loaded(work: Work, ref: str, training: bool = False) -> "Backbone":
    """The model `name@digest` on the device of the run, read once in a run; what its weights take is in its `facts`.

    BadInput where it cannot be compiled, MemoryFull where its weights do not fit.
    """
    from synthstudio.engine import backbones, devices

    how = work.resources
    device = devices.pick(how.device)
    devices.use_threads(how.threads)
    if device.type == "cuda":
        devices.repeatable()
    dtype = backbones.training_dtype(device) if training else backbones.working_dtype(device)
    folder = folder_of(ref, "backbone", work.workspace)

    def read() -> object:
        said = fitting.before_loading(ref.partition("@")[0], folder, dtype.itemsize, devices.memory_of(device))
        made = backbones.load(folder, device, dtype)
        made.facts += [said] if said else []
        return made

    found = work.load(("backbone", ref, str(device), dtype), read)
    assert isinstance(found, backbones.Backbone)
    found.slicing = how.slicing
    if how.compile and not found.compiled:
        found.compile()
    return found
