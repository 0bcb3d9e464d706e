"""Where the page runs, read from the environment once: at home, behind a password, or as a public Space."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_YES = ("1", "true", "yes", "on")
_OAUTH = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")

ZERO_GPU = (
    "ZeroGPU lends a GPU for about a minute at a time, so this Space cannot train. Duplicate it to hardware of your"
    " own, or run SynthStudio at home."
)


@dataclass(frozen=True)
class Place:
    """What is true of this copy of the page. `public`: strangers see a demo project, people who sign in their own."""

    public: bool = False
    sign_in: bool = False
    forgets: bool = False
    zero_gpu: bool = False
    accelerated: bool = False
    downloads: bool = False  # visitors of a public copy may fetch the models known by name

    @property
    def no_training(self) -> str:
        """Why nothing can be trained here, as a sentence; empty where it can."""
        return ZERO_GPU if self.zero_gpu else ""


HOME = Place()


def place(environment: Mapping[str, str], home: Path) -> Place:
    """Read a Space's environment. With a password a Space is private: it has one owner, as at home."""
    if "SPACE_ID" not in environment or environment.get("SYNTHSTUDIO_PASSWORD"):
        return Place(forgets="SPACE_ID" in environment and not _mounted(home))
    # Without a secret of its own gradio would sign its cookies with a key that everybody knows.
    sign_in = environment.get("SYSTEM") == "spaces" and all(environment.get(name) for name in _OAUTH)
    return Place(
        public=True,
        sign_in=sign_in,
        forgets=not _mounted(home),
        zero_gpu=environment.get("SPACES_ZERO_GPU", "").lower() in _YES,
        accelerated=environment.get("ACCELERATOR", "none") not in ("", "none"),
        downloads=environment.get("SYNTHSTUDIO_DOWNLOADS", "").lower() in _YES,
    )


def _mounted(home: Path) -> bool:
    """Whether the home lies on a volume of its own (a storage bucket); a Space's own disk is emptied by a restart."""
    path = Path(home).absolute()
    return any(os.path.ismount(one) for one in (path, *path.parents) if one != Path(one.anchor))
