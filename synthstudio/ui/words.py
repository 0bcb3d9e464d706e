"""The words the page uses for kinds, states and numbers: one place, so that every tab says the same."""

from collections.abc import Mapping
from html import escape
from typing import Any

from pydantic import TypeAdapter

from synthstudio.filters import Filter, sentence
from synthstudio.step import step_class

ARMS = {
    "zero_shot": "Zero-shot",
    "real_only": "Real only",
    "synthetic_only": "Synthetic only",
    "real_and_synthetic": "Real + synthetic",
}
ARM_HELP = {
    "zero_shot": "CLIP knows only the class names; nothing was trained.",
    "real_only": "A classifier trained on your shots.",
    "synthetic_only": "A classifier trained on the kept synthetic images.",
    "real_and_synthetic": "A classifier trained on both. Compare it with “Real only”.",
}
_FILTERS: TypeAdapter[tuple[Filter, ...]] = TypeAdapter(tuple[Filter, ...])
_KINDS = {
    "collect.import_images": "Bring the photos in",
    "collect.split": "Split: shots, validation, test",
    "adapt.lora": "Adapt the model to the shots",
    "sample.text": "Make images from prompts",
    "sample.variation": "Make variations of the shots",
    "score.label_agreement": "Score: does each look like its class?",
    "score.nearest_real": "Score: is any a copy of a photo?",
    "score.sharpness": "Score: is it sharp?",
    "select.filter": "Keep the good ones",
    "distil.experts": "Train experts to be followed",
    "distil.match": "Optimise the small set",
    "distil.mosaic": "Tile the best patches",
    "distil.prototypes": "Draw prototypes from the clusters",
    "distil.select": "Choose the small set",
    "evaluate.shrink": "Try fewer and fewer images",
    "evaluate.small_set": "Judge the small set against every baseline",
    "train.classifier": "Train a classifier",
    "train.linear_probe": "Train a linear probe",
    "evaluate.compare": "Compare on the test photos",
    "export.image_folder": "Write the dataset",
    "export.adapter": "Write the adapter",
    "export.classifier": "Write the classifier",
}
_EXACT = 2**53 - 1
STATES = {
    "waiting": "waiting",
    "queued": "queued",
    "running": "running",
    "stopping": "stopping",
    "stopped": "stopped",
    "done": "done",
    "failed": "failed",
    "lost": "lost contact",
}


def kind_words(kind: str) -> str:
    """A Step's kind as a phrase; an unknown kind says what its class says of itself."""
    if kind in _KINDS:
        return _KINDS[kind]
    lines = (step_class(kind).__doc__ or kind).strip().splitlines()
    return lines[0].rstrip(".")


def node_words(name: str, kind: str, template: Mapping[str, Any]) -> str:
    """One line of a plan: what this step of a recipe will do."""
    if kind.startswith("train.") and name in ARMS:
        return f"{kind_words(kind)}: {ARMS[name].lower()}"
    if kind == "adapt.lora":
        steps = template.get("training_steps")
        how = f"{steps} training steps" if steps else f"{template.get('epochs', 200):g} epochs"
        return f"{kind_words(kind)}: {how} of {template.get('batch_size', 8)} images"
    if kind.startswith("sample."):
        guidance = template.get("guidance_scale", 2.0)
        return f"{kind_words(kind)}: {template.get('images_per_class', 100)} per class, guidance {guidance:g}"
    if kind == "select.filter":
        return sentence(_FILTERS.validate_python(template.get("filters", ()))).rstrip(".")
    return kind_words(kind)


def duration(seconds: float) -> str:
    """'40 s', '6 min', '2 h 10 min'."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def megabytes(count: float) -> str:
    """Bytes, counted in MB, for a reader."""
    return f"{count:.0f} MB" if count < 1000 else f"{count / 1000:.1f} GB"


def exact(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Whole numbers that a browser would round, as text: the seed of an image has 63 bits, JavaScript keeps 53."""
    return {
        name: str(value) if isinstance(value, int) and abs(value) > _EXACT else value for name, value in fields.items()
    }


def safe(text: object) -> str:
    """Any text as text: class names, file names and messages come from strangers."""
    return escape(str(text), quote=True)
