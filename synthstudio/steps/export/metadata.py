"""One row per exported image; the columns and their types are the same in every split and every export."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import synthstudio
from synthstudio.models import MODELS
from synthstudio.provenance import Origin
from synthstudio.steps.sample.plan import EVERY

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {  # name: type, as both pyarrow and a dataset card call it
    "file_name": "string", "label": "int64", "source": "string", "split": "string", "id": "string",
    "prompt": "string", "negative_prompt": "string", "domain_prompt": "string", "seed": "int64",
    "guidance_scale": "float64", "t0": "float64", "num_inference_steps": "int64", "scheduler": "string",
    "width": "int64", "height": "int64", "base_model": "string", "base_model_revision": "string",
    "lora_sha256": "string", "lora_scale": "float64", "lora_step": "int64", "parent_id": "string",
    "generator": "string", "created_utc": "string", "review_status": "string", "review_reason": "string",
    "reviewer": "string", "reviewed_utc": "string", "phash": "string",
}  # fmt: skip


def schema(labels: Sequence[str]) -> "pa.Schema":
    """The columns for pyarrow; the class names travel with it in the way `datasets` reads them."""
    import pyarrow as pa

    features = {"label": {"names": list(labels), "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()], metadata=about)


def row(source: str, digest: str, size: tuple[int, int], origin: Origin | None, weights: str | None) -> dict[str, Any]:
    """What is known of one image; everything else is null."""
    made: Mapping[str, Any] = origin.made if origin else {}
    base, _, revision = str(made.get("backbone") or "").partition("@")
    known = MODELS.get(base)
    return dict.fromkeys(COLUMNS) | {
        "source": source,
        "id": digest,
        "prompt": made.get("prompt"),
        "negative_prompt": made.get("negative_prompt") or None,
        "domain_prompt": made.get("domain"),
        "seed": made.get("seed"),
        "guidance_scale": made.get("guidance_scale"),
        "t0": made.get("strength"),
        "num_inference_steps": made.get("inference_steps"),
        "scheduler": made.get("sampler"),
        "width": size[0],
        "height": size[1],
        "base_model": (known.hub if known and known.hub else base) or None,
        "base_model_revision": revision or None,
        "lora_sha256": weights,
        "lora_scale": made.get("adapter_scale"),
        "parent_id": made.get("parent"),
        "generator": _generator(origin) if source != "real" else None,
        "created_utc": _when(origin),
    }


def weights_of(adapter: Mapping[str, Any], label: str) -> str | None:
    """The digest of the LoRA file that serves a class."""
    weights: Mapping[str, str] = adapter["weights"]
    return weights.get(EVERY) or weights.get(label)


def _generator(origin: Origin | None) -> str:
    packages = ("diffusers", "torch")
    others = [f"{name} {origin.environment[name]}" for name in packages if origin and name in origin.environment]
    return " + ".join([f"synthstudio {synthstudio.__version__}", *others])


def _when(origin: Origin | None) -> str | None:
    if origin is None or not origin.created:
        return None
    return datetime.fromtimestamp(origin.created, UTC).isoformat(timespec="seconds")
