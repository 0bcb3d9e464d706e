"""Which files of a repository a model needs: one precision of the parts that are read, and nothing besides.

A repository holds the same weights several times: in half precision, before averaging (`non_ema`), as one checkpoint
at its root, for other libraries, pickled; and parts that are never read here, such as a safety checker. The same rule
says what to fetch from the Hub and which files of what is on this machine a digest is of. Loads nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

from synthstudio import weightfile
from synthstudio.errors import BadInput, Missing
from synthstudio.modelfolder import INDEX, OPEN_CLIP, TIMM, read_config

Precision = Literal["fp16", "fp32"]

CARD = "README.md"
WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
_UNREAD = frozenset({"safety_checker", "feature_extractor", "image_encoder"})
_WITHOUT_WEIGHTS = ("tokenizer", "scheduler")
_SETTINGS = (".json", ".txt", ".model")
# "model.fp16-00001-of-00002.safetensors", "model-00001-of-00002.fp16.safetensors", "model.safetensors.index.fp16.json"
_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)"
    r"(?:\.(?P<one>[a-z0-9_]+))?(?P<shard>-\d{5}-of-\d{5})?(?:\.(?P<two>[a-z0-9_]+))?\.safetensors"
)
_CONTENTS = re.compile(r".*\.safetensors\.index(?:\.(?P<variant>[a-z0-9_]+))?\.json")
_LICENCE = re.compile(r"^license:[ \t]*['\"]?([\w.+-]{1,60})", re.MULTILINE)


def needed(names: Iterable[str], index: Mapping[str, Any] | None, precision: Precision | None) -> list[str]:
    """The files, of all in a repository, that a model is read from; `index` is its `model_index.json`, if it has one.

    `precision` fp16: half precision where a part has it; fp32: full precision only; none: full, else half, which is
    what the engine reads of a folder. Missing or BadInput where that makes no model.
    """
    known = sorted(names)
    if index is None:
        return _of_encoder(known, described=precision is not None)
    parts = [part for part, named in index.items() if _is_part(part, named)]
    return [INDEX, *(name for part in parts for name in _of_part(part, known, precision))]


def local(folder: Path) -> list[Path]:
    """The files of a model folder on this machine that it is read from; Missing if a part has no weights."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    index = read_config(folder, INDEX) if INDEX in names else None
    return [folder / name for name in needed(names, index, None)]


def precision_of(files: Iterable[Path]) -> str:
    """The type of the numbers that most weights are stored in: "fp32", "fp16", "bf16"; empty if there are none."""
    counts: dict[str, int] = {}
    for kind, count in _tensors(files):
        counts[kind] = counts.get(kind, 0) + count
    known = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}
    return known.get(most := max(counts, key=lambda kind: counts[kind]), most.lower()) if counts else ""


def parameters(files: Iterable[Path]) -> int:
    """How many numbers the weights are."""
    return sum(count for _, count in _tensors(files))


def licence(folder: Path) -> str:
    """What the card in a model folder says of its licence; empty if there is none."""
    try:
        text = (folder / CARD).read_text(encoding="utf-8", errors="replace")[:20_000]
    except OSError:
        return ""
    front = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    found = _LICENCE.search(front[1]) if front else None
    return found[1] if found else ""


def _is_part(part: str, named: Any) -> bool:
    """Whether an entry of an index is a part that is read: `[library, class]`, both said."""
    return isinstance(named, list) and all(named) and not part.startswith("_") and part not in _UNREAD


class _Weight(NamedTuple):
    name: str
    variant: str  # "", "fp16", "non_ema", …


def _of_part(part: str, names: list[str], precision: Precision | None) -> Iterator[str]:
    inside = [name for name in names if name.startswith(f"{part}/") and name.count("/") == 1]
    found = [weight for name in inside if (weight := _weight(name)) is not None]
    settings = [name for name in inside if name.endswith(_SETTINGS) and not _CONTENTS.fullmatch(name)]
    if part.startswith(_WITHOUT_WEIGHTS):
        yield from settings
        return
    if not settings:
        raise Missing(f"It has no settings for its {part}. Fetch or copy the model again.")
    variant = next((one for one in _order(precision) if any(weight.variant == one for weight in found)), None)
    if variant is None:
        raise Missing(_no_weights(part, found, inside, precision))
    yield from settings
    yield from (weight.name for weight in found if weight.variant == variant)
    for name in inside:
        contents = _CONTENTS.fullmatch(name)
        if contents and (contents["variant"] or "") == variant:
            yield name


def _order(precision: Precision | None) -> tuple[str, ...]:
    return {"fp16": ("fp16", ""), "fp32": ("",), None: ("", "fp16")}[precision]


def _weight(name: str) -> _Weight | None:
    found = _WEIGHTS.fullmatch(name.rpartition("/")[2])
    return _Weight(name, found["one"] or found["two"] or "") if found else None


def _no_weights(part: str, found: list[_Weight], inside: list[str], precision: Precision | None) -> str:
    if precision == "fp32" and any(one.variant == "fp16" for one in found):
        return f"Its {part} is there in half precision only. Ask for fp16."
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in inside):
        return (
            f"Its {part} is there as a pickle only, which can run code when read. Choose another model, or convert it"
            " to safetensors."
        )
    return f"It has no safetensors weights for its {part}. Fetch or copy the model again, or choose another."


def _of_encoder(names: list[str], described: bool) -> list[str]:
    """Of an open_clip or timm repository; of a generator of one's own, unless it must be `described`, its one file."""
    root = [name for name in names if "/" not in name]
    weights = [name for name in WEIGHT_FILES if name in root] or [n for n in root if n.endswith(".safetensors")][:2]
    has_settings = OPEN_CLIP in root or TIMM in root
    clear = weights and (len(weights) == 1 or weights[0] in WEIGHT_FILES)
    if not clear or (described and not has_settings):
        raise BadInput(
            f"It holds no {INDEX} of diffusers and no safetensors file of open_clip or timm. Choose another model."
        )
    settings = [name for name in root if name.endswith(_SETTINGS) and not _CONTENTS.fullmatch(name)]
    return [*(settings if has_settings else ()), weights[0]]


def _tensors(files: Iterable[Path]) -> Iterator[tuple[str, int]]:
    for path in files:
        if path.suffix == ".safetensors":
            about = path.stat()
            yield from _counted(path.resolve(), about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=512)
def _counted(path: Path, size: int, changed: int) -> tuple[tuple[str, int], ...]:
    """(type, numbers) of each tensor of a file, from its header."""
    tensors = weightfile.read_header(path).tensors
    return tuple((str(entry["dtype"]), prod(entry["shape"])) for entry in tensors.values())
