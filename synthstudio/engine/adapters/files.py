"""The files of adapters: what diffusers and peft write, put in order so that equal weights are equal bytes.

A low-rank adapter is one file for `load_lora_weights` of its pipeline. Of the other kinds peft writes a folder
per part of the model; one file holds both in a project (a weight file has one digest), and `export_peft` writes the
folders that `PeftModel.from_pretrained` reads.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel
from safetensors.torch import load_file
from torch import Tensor

from synthstudio import weightfile
from synthstudio.engine.adapters.kinds import Plan, scale_of
from synthstudio.engine.tensors import plain
from synthstudio.errors import BadInput

INSIDE = "base_model.model."  # where peft's wrapper keeps the model it wraps
FILE = "pytorch_lora_weights.safetensors"
PEFT_CONFIG, PEFT_FILE = "adapter_config.json", "adapter_model.safetensors"
Factors = Mapping[str, tuple[Tensor, Tensor]]  # A and B of each layer, by its full name
_LORA, _PEFT = "lora_adapter_metadata", "peft_adapter_configs"
_KNOWN = {"LORA", "LOHA", "LOKR", "OFT", "VERA", "IA3"}


@dataclass(frozen=True)
class LowRankAdapter:
    """Low-rank factors by full layer name ('unet.…'): A (r, in, …) and B (out, r, …); the update is scale · B A."""

    factors: Factors
    scale: float


@dataclass(frozen=True)
class PeftAdapter:
    """For each part of a model the settings of peft's configuration and the state that peft saves."""

    settings: Mapping[str, Mapping[str, Any]]
    tensors: Mapping[str, Mapping[str, Tensor]]


Adapter = LowRankAdapter | PeftAdapter


def fused(adapters: Sequence[Adapter]) -> LowRankAdapter:
    """Low-rank adapters of the same layers as one, each with an equal share. BadInput for other kinds."""
    low_rank = [one for one in adapters if isinstance(one, LowRankAdapter)]
    if len(low_rank) < len(adapters) or len({frozenset(one.factors) for one in low_rank}) > 1:
        raise BadInput("Only LoRAs of the same layers can be fused. Train both of them alike, as scope image does.")
    together = {}
    for name in low_rank[0].factors:
        downs = [one.factors[name][0] for one in low_rank]
        ups = [one.factors[name][1] * (one.scale / len(low_rank)) for one in low_rank]
        together[name] = (torch.cat(downs), torch.cat(ups, dim=1))
    return LowRankAdapter(together, 1.0)


def by_letter(factors: Factors) -> dict[str, Tensor]:
    """Factors under the names that peft gives them."""
    return {
        f"{name}.lora_{letter}.weight": factor
        for name, pair in factors.items()
        for letter, factor in zip("AB", pair, strict=True)
    }


def write_low_rank(path: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any], plan: Plan) -> None:
    """Write a LoRA of any start, or DoRA, by diffusers' writer for this model. `tensors` by full name."""
    given: dict[str, Any] = {}
    for part, targets in plan.targets.items():
        # Older transformers keep a text encoder one level deeper; diffusers takes that name with any version.
        deeper = "text_model." if part == "text_encoder" else ""
        given[f"{part}_lora_layers"] = {
            deeper + name.removeprefix(f"{part}."): _on_cpu(tensor)
            for name, tensor in tensors.items()
            if name.startswith(f"{part}.")
        }
        given[f"{part}_lora_adapter_metadata"] = {**settings, "target_modules": list(targets)}
    with tempfile.TemporaryDirectory(prefix="synthstudio-") as made:
        plan.writer.save_lora_weights(made, **given, weight_name=FILE)
        said = json.loads(weightfile.read_header(Path(made) / FILE).metadata[_LORA])
        _rewrite(path, load_file(Path(made) / FILE), _LORA, said)


def write_peft(path: Path, models: Mapping[str, PeftModel], names: Mapping[str, Sequence[str]]) -> None:
    """Write what peft saves of each part into one file. `names` are the adapted layers; peft keeps their endings."""
    settings: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    for part, model in models.items():
        with tempfile.TemporaryDirectory(prefix="synthstudio-") as made:
            model.save_pretrained(made)
            read = json.loads((Path(made) / PEFT_CONFIG).read_text(encoding="utf-8"))
            settings[part] = _ordered({**read, "target_modules": list(names[part])})
            tensors |= {f"{part}.{name}": tensor for name, tensor in load_file(Path(made) / PEFT_FILE).items()}
    _rewrite(path, tensors, _PEFT, settings)


def export_peft(source: Path, folder: Path) -> None:
    """Write a stored adapter as peft has it: a folder for each part, with its configuration and its weights."""
    adapter = read_adapter(source)
    assert isinstance(adapter, PeftAdapter)
    for part, settings in adapter.settings.items():
        here = folder / part
        here.mkdir(parents=True, exist_ok=True)
        PeftConfig.from_peft_type(**settings).save_pretrained(str(here))
        written = json.loads((here / PEFT_CONFIG).read_text(encoding="utf-8"))
        (here / PEFT_CONFIG).write_text(json.dumps(_ordered(written), indent=2, sort_keys=True), encoding="utf-8")
        tensors = {name: plain(tensor) for name, tensor in adapter.tensors[part].items()}
        weightfile.write(here / PEFT_FILE, tensors, {"format": "pt"})


def read_adapter(path: Path) -> Adapter:
    """The adapter in a file written here. UnsafeInput unless it is safetensors, BadInput if its kind is unknown."""
    metadata = weightfile.read_header(path).metadata
    if _PEFT in metadata:
        return _peft_adapter(path, json.loads(metadata[_PEFT]))
    settings = json.loads(metadata.get(_LORA, "{}"))
    part = next((name.removesuffix(".r") for name in settings if name.endswith(".r")), None)
    if part is None:
        raise BadInput(f"{path.name} does not say its rank and alpha; it was not made by this program.")
    tensors = {
        name.replace("text_encoder.text_model.", "text_encoder.", 1): tensor for name, tensor in load_file(path).items()
    }
    if settings.get(f"{part}.use_dora"):
        return _dora_adapter(settings, tensors)
    names = sorted(name.removesuffix(".lora_A.weight") for name in tensors if name.endswith(".lora_A.weight"))
    factors = {name: (tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"]) for name in names}
    return LowRankAdapter(factors, scale_of(_of_part(settings, part)))


def _dora_adapter(settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> PeftAdapter:
    """DoRA as peft saves it, from diffusers' file; the layers are those that have a magnitude."""
    found: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, inside = name.partition(".")
        found.setdefault(part, {})[f"{INSIDE}{inside}"] = tensor
    said = {part: {**_of_part(settings, part), "peft_type": "LORA"} for part in found}
    for part, one in said.items():
        names = {name.removeprefix(INSIDE).partition(".lora_")[0] for name in found[part]}
        one["target_modules"] = sorted(names)
    return PeftAdapter(said, found)


def _peft_adapter(path: Path, settings: Mapping[str, Mapping[str, Any]]) -> PeftAdapter:
    unknown = {str(one.get("peft_type")) for one in settings.values()} - _KNOWN
    if unknown:
        raise BadInput(
            f"{path.name} is an adapter of a kind unknown here: {', '.join(sorted(unknown))}. Train it anew."
        )
    tensors = load_file(path)
    parts = {
        part: {name.removeprefix(f"{part}."): one for name, one in tensors.items() if name.startswith(f"{part}.")}
        for part in settings
    }
    return PeftAdapter(settings, parts)


def _of_part(settings: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {name.removeprefix(f"{part}."): one for name, one in settings.items() if name.startswith(f"{part}.")}


def _ordered(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Lists that peft keeps as sets have no order of their own; a path of this machine is nobody's business."""
    ordered = {name: sorted(one) if isinstance(one, list) else one for name, one in settings.items()}
    return {**ordered, "base_model_name_or_path": None}


def _rewrite(path: Path, tensors: Mapping[str, Tensor], key: str, said: Mapping[str, Any]) -> None:
    metadata = {"format": "pt", key: json.dumps(said, sort_keys=True)}
    weightfile.write(path, {name: plain(tensor) for name, tensor in tensors.items()}, metadata)


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float32).contiguous()
