"""One image of the project as a file to take away, with the notes that an export writes."""

import json

from synthstudio.errors import Missing, StudioError
from synthstudio.jobs.studio import Studio
from synthstudio.provenance import Origin
from synthstudio.step import from_json
from synthstudio.steps.export import marks
from synthstudio.workspace import slug


def named(studio: Studio, digest: str) -> str:
    """What to call the file of an image."""
    origins = studio.catalog.images.provenance(digest)
    return f"{slug(origins[0]['label']) if origins else 'image'}-{digest[:12]}.png"


def file_of(studio: Studio, digest: str, notes: bool = True) -> bytes:
    """The file of an image: the blob itself, or with notes that say how it was made. Pixels are the same in both."""
    data = studio.workspace.get(digest)
    if not notes:
        return data
    origins = studio.catalog.images.provenance(digest)
    if not origins:
        raise Missing("This project knows no image of that digest.")
    first = origins[0]
    run = studio.catalog.runs.get(first["run_id"])
    try:
        step = from_json(json.dumps(first["step"]))
        request = {"kind": step.kind, "step": step.id, "fields": step.fields}
    except StudioError:  # of a Step that is not installed here
        request = {}
    origin = Origin(
        first["made"], float(first["created"]), run.environment, first["origin"], request, first["plan_index"]
    )
    return marks.alone(data, digest, first["label"], origin, studio.workspace)
