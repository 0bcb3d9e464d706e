"""The details of one image: how it was made, its scores, its nearest real image, what was decided."""

import json
import re
from typing import Any

from synthstudio.embeddings import EmbeddingStore
from synthstudio.errors import StudioError
from synthstudio.jobs import Studio
from synthstudio.step import step_title
from synthstudio.ui.words import exact

_NEAREST = "score.nearest_real"
_LOOKED_AT = 100  # newest comparisons that are searched for an image


def details(studio: Studio, digest: str) -> dict[str, Any]:
    """Everything known of an image."""
    origins = studio.catalog.images.provenance(digest)
    real = any(one["origin"] == "real" for one in origins)  # its nearest photo is itself
    return {
        "digest": digest,
        "made": [_origin(studio, one) for one in origins],
        "scores": studio.catalog.images.scores([digest]).get(digest, {}),
        "tags": studio.catalog.tags.of([digest]).get(digest, []),
        "decisions": studio.catalog.decisions.of_image(digest),
        "nearest": None if real else nearest_real(studio, digest),
    }


def _origin(studio: Studio, row: dict[str, Any]) -> dict[str, Any]:
    run = studio.catalog.runs.get(row["run_id"])
    made = {name: value for name, value in row["made"].items() if value not in (None, "")}
    return {
        "run": run.id, "kind": run.kind, "when": run.created, "label": row["label"], "origin": row["origin"],
        "made": exact(made), "sentence": sentence(run.kind, row["label"], row["origin"], made),
    }  # fmt: skip


def sentence(kind: str, label: str, origin: str, made: dict[str, Any]) -> str:
    """How an image came to be, as a person would say it."""
    if origin == "real":
        name = made.get("name", "a file without a name")
        return f"A real image of “{label}”, imported from “{name}”."
    source = "from a source image" if made.get("parent") else "from noise"
    parts = [f"Made {source} ({step_title(kind).lower()})"]
    if "backbone" in made:
        parts.append(f"with {str(made['backbone']).partition('@')[0]}")
    if made.get("adapter"):
        parts.append("and a trained adapter")
    text = " ".join(parts)
    if "seed" in made:
        text += f", seed {made['seed']}"
    return f"{text}, as “{label}”."


def nearest_real(studio: Studio, digest: str) -> dict[str, Any] | None:
    """The closest real image, where a scorer has compared this image and both vectors are kept; else None."""
    for run in studio.catalog.runs.of_kind(_NEAREST, limit=_LOOKED_AT):
        fields = _fields(studio, run.step_id)
        try:
            references = [m.image for m in studio.workspace.image_set(fields["references"])]
            found = _closest(studio, digest, references, fields["encoder"])
        except StudioError:
            continue
        if found is not None:
            return found
    return None


def _fields(studio: Studio, step_id: str) -> dict[str, Any]:
    return dict(json.loads(studio.catalog.runs.step_body(step_id))["fields"])


def _closest(studio: Studio, digest: str, references: list[str], encoder: str) -> dict[str, Any] | None:
    if not re.fullmatch(r"[^@\s]+@[0-9a-f]{12,64}", encoder) or not references:
        return None
    store = EmbeddingStore(studio.workspace, encoder)
    if store.missing([digest, *references]):
        return None
    cosines = store.get(references) @ store.get([digest])[0]
    best = int(cosines.argmax())
    return {"digest": references[best], "cosine": round(float(cosines[best]), 4), "encoder": encoder.partition("@")[0]}
