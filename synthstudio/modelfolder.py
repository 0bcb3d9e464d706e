"""Model folders as strangers make them: what may be in one, and its configurations read by allow-list. Loads nothing.

Weights in safetensors run nothing, but a configuration beside them can: open_clip hands `tokenizer_kwargs` and every
`hf_…` name on to transformers, which imports the folder's own modules (`auto_map`) or fetches others; timm reads
`hf-hub:` names; diffusers takes pipelines and parts from files beside the index. So no library is ever given a
configuration as it lies there: it is examined here first, and what the engine builds from is what these schemas know.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from synthstudio.encoder_settings import OpenClipConfig, TimmConfig
from synthstudio.errors import BadInput, Missing, UnsafeInput

Purpose = Literal["backbone", "encoder"]

OPEN_CLIP = "open_clip_config.json"
INDEX = "model_index.json"
TIMM = "config.json"

_CODE = frozenset({".py", ".pyc", ".pyo", ".pyd", ".pyx", ".so", ".dll", ".dylib"})
_RUNS_CODE = frozenset({"auto_map", "trust_remote_code", "custom_pipeline", "custom_pipelines", "tokenizer_kwargs"})
_VOCABULARIES = frozenset({"vocab.json", "tokenizer.json", "added_tokens.json"})  # their keys are words, not settings
_SHARDS = ".safetensors.index"  # the table of contents of weights in several files
_MOST_BYTES = 4 << 20  # of a configuration; real ones take a few kilobytes

STABLE_DIFFUSION = "StableDiffusionPipeline"  # the family of every adapter that names none

# What the index of a family may name: the classes the engine builds. A part it never loads is any class of these.
_LIBRARIES = frozenset({"diffusers", "transformers", "stable_diffusion"})
_TOKENIZERS = frozenset({"CLIPTokenizer", "CLIPTokenizerFast"})
_CLASSES: Mapping[str, Mapping[str, Collection[str]]] = {
    STABLE_DIFFUSION: {
        "unet": {"UNet2DConditionModel"},
        "vae": {"AutoencoderKL"},
        "text_encoder": {"CLIPTextModel"},
        "tokenizer": _TOKENIZERS,
    },
    "StableDiffusionXLPipeline": {
        "unet": {"UNet2DConditionModel"},
        "vae": {"AutoencoderKL"},
        "text_encoder": {"CLIPTextModel"},
        "text_encoder_2": {"CLIPTextModelWithProjection"},
        "tokenizer": _TOKENIZERS,
        "tokenizer_2": _TOKENIZERS,
    },
    "Flux2KleinPipeline": {
        "transformer": {"Flux2Transformer2DModel"},
        "vae": {"AutoencoderKLFlux2"},
        "text_encoder": {"Qwen3ForCausalLM"},
        "tokenizer": {"Qwen2Tokenizer", "Qwen2TokenizerFast"},
    },
}
FAMILIES = frozenset(_CLASSES)  # the pipelines whose folders are known part by part


def examine(folder: Path, purpose: Purpose) -> None:
    """Refuse a folder that is no model of this purpose, or that could run code when it is loaded.

    Raises UnsafeInput, which names the file and the key, for code, links that lead out, and configurations that ask
    for code; BadInput for what is another kind of folder. Reads configurations only, no weights.
    """
    for file in files_of(folder):
        if file.suffix.lower() in _CODE:
            raise UnsafeInput(f"{_named(folder, file)} is program code. A model needs none: remove it and try again.")
        if _SHARDS in file.name:
            _refuse_odd_shards(folder, file)
        elif file.suffix == ".json" and file.name not in _VOCABULARIES:
            _refuse_code_keys(folder, file)
    if purpose == "encoder":
        encoder_config(folder)
    elif not _is_generator(folder):
        pipeline_of(folder)


def files_of(folder: Path) -> list[Path]:
    """Every file below a folder in a fixed order; hidden ones do not count, no loader reads them.

    UnsafeInput for pipes and devices, and for links that lead out of the folder. The files of a Hub snapshot are links
    into the `blobs` of their own repository, which are followed.
    """
    inside = [folder.resolve()]
    if folder.resolve().parent.name == "snapshots":
        inside.append(folder.resolve().parent.parent / "blobs")
    return sorted(_walk(folder, folder, inside))


def _walk(folder: Path, here: Path, inside: list[Path]) -> Iterator[Path]:
    with os.scandir(here) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder, path, inside)
                continue
            leads_out = entry.is_symlink() and not any(path.resolve().is_relative_to(one) for one in inside)
            if leads_out or not entry.is_file():
                raise UnsafeInput(
                    f"{_named(folder, path)} is a link that leads out of the folder, or no plain file. "
                    "Put the file itself there and try again."
                )
            yield path


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object below a model folder; BadInput for anything else, Missing if there is no such file."""
    path = folder / name
    if not path.is_file():
        raise Missing(f"{folder} lacks {name}. Fetch or copy the model again.")
    found = _parsed(folder, path)
    if not isinstance(found, dict):
        raise BadInput(f"{_named(folder, path)} holds no settings. Fetch or copy the model again.")
    return found


def _parsed(folder: Path, path: Path) -> Any:
    if path.stat().st_size > _MOST_BYTES and _SHARDS not in path.name:
        raise BadInput(f"{_named(folder, path)} is too large for a configuration. Fetch or copy the model again.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{_named(folder, path)} is no readable JSON. Fetch or copy the model again.") from error


def _refuse_code_keys(folder: Path, file: Path) -> None:
    waiting = [_parsed(folder, file)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            asked = sorted(key for key in _RUNS_CODE & value.keys() if value[key] is not None)
            if asked:
                raise _unsafe(folder, file, asked[0])
            waiting += value.values()


def _refuse_odd_shards(folder: Path, file: Path) -> None:
    """A table of contents may name safetensors beside it only; through a path it could name a pickle elsewhere."""
    body = _parsed(folder, file)
    named = body.get("weight_map") if isinstance(body, dict) else None
    for shard in set(map(str, named.values())) if isinstance(named, dict) else ():
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise UnsafeInput(
                f"{_named(folder, file)} names {shard!r} as weights, which is no safetensors file beside it. "
                "Fetch or copy the model again."
            )


def _unsafe(folder: Path, file: Path, key: str) -> UnsafeInput:
    return UnsafeInput(
        f"{_named(folder, file)} sets {key!r}, which can run code or fetch files when the model is read. "
        "Use a model that does without it."
    )


def _named(folder: Path, path: Path) -> str:
    return f"{folder.name}/{path.relative_to(folder).as_posix()}"


def _is_generator(folder: Path) -> bool:
    """Whether this may be a generator of one's own: one weight file that says itself how to build the network."""
    settings = any((folder / name).exists() for name in (INDEX, OPEN_CLIP))
    return not settings and len(list(folder.glob("*.safetensors"))) == 1


# ---- diffusers folders


def pipeline_of(folder: Path) -> str:
    """The class of the pipeline that a diffusers folder is for; its parts are none but the libraries' own."""
    if not (folder / INDEX).is_file():
        raise BadInput(f"{folder} holds no {INDEX}; give a diffusers folder.")
    index = read_config(folder, INDEX)
    pipeline = index.get("_class_name", "")
    if not isinstance(pipeline, str):
        raise _unsafe(folder, folder / INDEX, "_class_name")
    for part, named in index.items():
        if isinstance(named, list) and not _is_known(part, named, pipeline):
            raise UnsafeInput(
                f"{folder.name}/{INDEX} names {named} as its {part!r}, which is not a class of diffusers or "
                "transformers that belongs there. Use a model without code of its own."
            )
    return pipeline


def _is_known(part: str, named: list[Any], pipeline: str) -> bool:
    """Whether [library, class] is what this part of an index may be; parts that are left out are [null, null]."""
    if named == [None, None] or part.startswith("_"):
        return not part.startswith("_") or all(isinstance(one, str) for one in named)
    if len(named) != 2 or not all(isinstance(one, str) for one in named) or named[0] not in _LIBRARIES:
        return False
    known = _CLASSES.get(pipeline, {}).get(part)
    return str(named[1]).isidentifier() and (known is None or named[1] in known)


# ---- encoders: open_clip folders and timm folders


def encoder_config(folder: Path) -> OpenClipConfig | TimmConfig:
    """The configuration of an encoder's folder, whichever of the two kinds it is; BadInput for anything else."""
    return timm_config(folder) if is_timm(folder) else open_clip_config(folder)


def is_timm(folder: Path) -> bool:
    """Whether this folder holds a timm model rather than an open_clip model."""
    if (folder / OPEN_CLIP).is_file() or not (folder / TIMM).is_file():
        return False
    return "architecture" in read_config(folder, TIMM)


def timm_config(folder: Path) -> TimmConfig:
    """The configuration of a timm folder, by allow-list; BadInput for keys and values that are not known."""
    _refuse_code_keys(folder, folder / TIMM)
    return _validated(TimmConfig, folder, TIMM, read_config(folder, TIMM), "a timm model")


def open_clip_config(folder: Path) -> OpenClipConfig:
    """The configuration of an open_clip folder, by allow-list.

    UnsafeInput for keys that reach code or the network, BadInput for other keys and values that are not known.
    """
    file = folder / OPEN_CLIP
    if not file.is_file():
        raise BadInput(
            f"{folder} has no {OPEN_CLIP}, and no {TIMM} of timm: it is no open_clip or timm model. "
            "Choose another encoder."
        )
    _refuse_code_keys(folder, file)
    body = _without_empty_names(folder, read_config(folder, OPEN_CLIP))
    return _validated(OpenClipConfig, folder, OPEN_CLIP, body, "an open_clip model")


_Config = TypeVar("_Config", OpenClipConfig, TimmConfig)


def _validated(cls: type[_Config], folder: Path, name: str, body: dict[str, Any], what: str) -> _Config:
    try:
        return cls.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{folder} cannot be read as {what} ({name}, {key}: {first['msg']}). Choose another.") from error


def _without_empty_names(folder: Path, body: dict[str, Any]) -> dict[str, Any]:
    """Refuse towers and tokenizers of transformers; an `hf_…` key that is empty names nothing and is left out."""
    towers = body.get("model_cfg")
    for name, tower in towers.items() if isinstance(towers, dict) else ():
        if not isinstance(tower, dict):
            continue
        for key in [one for one in tower if one.startswith("hf_") or one in (*_RUNS_CODE, "tokenizer_mode")]:
            if tower.pop(key):
                raise _unsafe(folder, folder / OPEN_CLIP, f"{name}.{key}")
    return body
