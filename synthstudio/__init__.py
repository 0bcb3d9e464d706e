"""SynthStudio: from a few real photos to a curated synthetic dataset and a better classifier."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from synthstudio.notebook import Project

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(
    home: str | Path = "synthstudio-home",
    project: str = "default",
    progress: bool = True,
    log: "str | Iterable[str] | None" = None,
) -> "Project":
    """Open a project from Python, see `synthstudio.notebook.Project`. `progress`: show bars while something runs.
    `log`: where the numbers of runs go too ("csv", "tensorboard", "trackio").
    """
    from synthstudio.notebook import Project

    return Project(home, project, progress, log)
