"""Every error a person can meet. Each message says what to do next.

StudioError
├── BadInput            the request or the data cannot be used as given
│   ├── UnknownName     no such step, recipe, field, class or backbone; near names are offered
│   ├── UnsafeInput     a file that could harm: archive tricks, pickled weights, bombs
│   └── Leak            a test image would reach training
├── Missing             something named by digest is not in this workspace
├── Damaged             something is in the workspace but does not match its digest
│   └── CatalogDamaged  the catalog's file cannot be read; it is made again from the journal and the logs
├── CatalogBusy         another process holds the catalog
├── StorageFull         the disk is full or cannot be written
├── MemoryFull          a pass through a model does not fit into memory, nor does half of it
└── RunFailed           a run ended without its outputs
"""

import difflib
import errno
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

# What the allocators of torch and numpy say; both raise a plain RuntimeError or a class we cannot import here.
_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory|Cannot allocate memory", re.IGNORECASE)


class StudioError(Exception):
    """The root: catch this to show a sentence instead of a traceback."""

    fields: Mapping[str, str] = MappingProxyType({})  # which fields of a form it is about, each with its own sentence


class BadInput(StudioError):
    """The request or the data cannot be used as given."""


class UnknownName(BadInput):
    """A name that is not known; the message offers the nearest ones."""

    @classmethod
    def among(cls, what: str, name: str, known: Iterable[str]) -> "UnknownName":
        """Build the error for `name`, a `what`, offering near or all known names."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        offer = f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(names)}."
        return cls(f"There is no {what} called {name!r}. {offer}")


class UnsafeInput(BadInput):
    """A file that could harm the machine or its user."""


class Leak(BadInput):
    """A test image, or a copy of one, would reach training or adaptation."""


class Missing(StudioError):
    """Something named by digest is not in this workspace."""


class NotFetched(Missing):
    """A model of the Hub that is not on this machine; `model` is what to call it when it is fetched."""

    def __init__(self, sentence: str, model: str) -> None:
        super().__init__(sentence)
        self.model = model


class Damaged(StudioError):
    """A stored file does not match the digest it is named by."""


class CatalogDamaged(Damaged):
    """The catalog's file cannot be read; opening the project again makes it from the journal and the run logs."""


class CatalogBusy(StudioError):
    """Another process holds the catalog."""


class StorageFull(StudioError):
    """The disk is full, or the folder cannot be written."""


class MemoryFull(StudioError):
    """A pass through a model does not fit into memory; the message says what to ask for."""


class RunFailed(StudioError):
    """A run ended without its outputs."""


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether a library says with this error that memory has ended, the machine's or an accelerator's."""
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return isinstance(error, RuntimeError) and bool(_MEMORY.search(str(error)))
