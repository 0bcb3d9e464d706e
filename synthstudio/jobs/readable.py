"""What reading a project needs: its files and its catalog, whoever owns it."""

from typing import Protocol

from synthstudio.catalog import Catalog
from synthstudio.workspace import Workspace


class Readable(Protocol):
    """A `Studio`, or a project that another process has open."""

    @property
    def workspace(self) -> Workspace:
        """The files."""

    @property
    def catalog(self) -> Catalog:
        """The index."""
