"""One row per exported image; the columns and their types are the same in every split and every export."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import synthstudio
from synthstudio.models import MODELS
from synthstudio.provenance import Origin
from synthstudio.steps.sample.plan import EVERY
from synthstudio.terms import INVERTED_VECTORS, TEXTUAL_INVERSION

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {  # name: type, as both pyarrow and a dataset card call it
    "file_name": "string", "label": "int64", "source": "string", "split": "string", "id": "string",
    "prompt": "string", "negative_prompt": "string", "domain_prompt": "string", "seed": "int64",
    "guidance_scale": "float64", "t0": "float64", "num_inference_steps": "int64", "scheduler": "string",
    "width": "int64", "height": "int64", "base_model": "string", "base_model_revision": "string",
    "lora_sha256": "string", "lora_scale": "float64", "lora_step": "int64", "parent_id": "string",
    "generator": "string", "created_utc": "string", "review_status": "string", "review_reason": "string",
    "reviewed_by": "string", "reviewed_utc": "string", "tags": "string",
}  # fmt: skip

EMPTY = {  # columns whose cells may be empty, and when; the card says so
    ("prompt", "negative_prompt", "domain_prompt", "seed", "guidance_scale", "num_inference_steps", "scheduler"):
        "of photographs, and of images that were not drawn from a prompt (a prompt that was left out is an empty text)",
    ("t0",): "of photographs and of images that were optimised; 1 where an image began as pure noise, less where it "
        "began as a noisy photograph",
    ("base_model", "base_model_revision", "generator"): "of photographs, and where no model was needed",
    ("lora_sha256", "lora_scale", "lora_step"): "of images that were made without a LoRA",
    ("parent_id",): "of every image that is no variation of a photograph",
    ("created_utc",): "of images whose making no log tells",
    ("review_status",): "of test images, which nobody reviews",
    ("review_reason", "reviewed_by", "reviewed_utc"): "of images about which nobody decided; reasons are optional",
    ("tags",): "of images that nobody tagged, and of test images",
}  # fmt: skip


def schema(labels: Sequence[str]) -> "pa.Schema":
    """The columns for pyarrow; the class names travel with it in the way `datasets` reads them."""
    import pyarrow as pa

    features = {"label": {"names": list(labels), "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()], metadata=about)


BARE = ("file_name", "label", "source", "split", "id", "width", "height", "review_status")  # of a stripped export


def bare(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row that does not say how its image was made, nor who decided about it."""
    return dict.fromkeys(COLUMNS) | {name: row[name] for name in BARE}


STATUS = {"keep": "accepted", "relabel": "relabelled", "reject": "rejected"}
UNREVIEWED = "unreviewed"


@dataclass(frozen=True)
class Weights:
    """The LoRA an image was made with: the digest of its file, and how many updates it was trained for."""

    digest: str | None = None
    step: int | None = None

    @classmethod
    def of(cls, adapter: Mapping[str, Any], label: str) -> "Weights":
        """Of an adapter's files the one that serves a class."""
        if adapter.get("method") in (TEXTUAL_INVERSION, INVERTED_VECTORS):
            return cls()  # neither words nor vectors are weights of the model, or a LoRA
        serving = EVERY if EVERY in adapter["weights"] else label
        steps = adapter.get("training", {}).get("steps", {})
        return cls(adapter["weights"].get(serving), steps.get(serving))


def row(source: str, digest: str, size: tuple[int, int], origin: Origin | None, weights: Weights) -> dict[str, Any]:
    """What is known of the making of one image; everything else is null."""
    made: Mapping[str, Any] = origin.made if origin else {}
    base, _, revision = str(made.get("backbone") or "").partition("@")
    known = MODELS.get(base)
    return dict.fromkeys(COLUMNS) | {
        "source": source,
        "id": digest,
        "prompt": made.get("prompt"),
        "negative_prompt": (made.get("negative_prompt") or "") if "prompt" in made else None,
        "domain_prompt": (made.get("domain") or "") if "prompt" in made else None,
        "seed": made.get("seed"),
        "guidance_scale": made.get("guidance_scale"),
        "t0": _t0(made),
        "num_inference_steps": made.get("inference_steps"),
        "scheduler": made.get("sampler"),
        "width": size[0],
        "height": size[1],
        "base_model": (known.hub if known and known.hub else base) or None,
        "base_model_revision": revision or None,
        "lora_sha256": weights.digest,
        "lora_step": weights.step,
        "lora_scale": made.get("adapter_scale"),
        "parent_id": made.get("parent"),
        "generator": _generator(origin) if source != "real" else None,
        "created_utc": _when(origin),
    }


def _t0(made: Mapping[str, Any]) -> float | None:
    """Where denoising began: 1 is pure noise, which is what drawing without a photograph means (SDEdit, Meng 2022)."""
    began_as_noise = "strength" in made and made.get("parent") is None and "prompt" in made
    return 1.0 if began_as_noise and made["strength"] is None else made.get("strength")


def reviewed(decided: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns that say what a person decided about an image."""
    if decided is None:
        return {"review_status": UNREVIEWED}
    when = datetime.fromtimestamp(float(decided["decided_at"]), UTC)
    return {
        "review_status": STATUS[decided["decision"]],
        "review_reason": decided["why"] or None,
        "reviewed_by": decided["who"],
        "reviewed_utc": when.isoformat(timespec="seconds"),
    }


def tagged(tags: Sequence[str]) -> dict[str, Any]:
    """The column of free words that people put on an image, with commas between them."""
    return {"tags": ", ".join(tags) or None}


def _generator(origin: Origin | None) -> str:
    packages = ("diffusers", "torch")
    others = [f"{name} {origin.environment[name]}" for name in packages if origin and name in origin.environment]
    return " + ".join([f"synthstudio {synthstudio.__version__}", *others])


def _when(origin: Origin | None) -> str | None:
    if origin is None or not origin.created:
        return None
    return datetime.fromtimestamp(origin.created, UTC).isoformat(timespec="seconds")
