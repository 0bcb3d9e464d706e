"""Sampled images to review, as a sampler would have said them: of the plan of a real step, without pixels."""

from synthstudio.artifacts import Image
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query
from synthstudio.events import Made
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.steps.sample.plan import plan
from synthstudio.steps.sample.text import Text
from tests.catalog.projects import digests

BACKBONE = "pico@" + "0" * 12


def words(**fields):
    """A step that draws from prompts in three domains with guidance from 1 to 9."""
    given = {
        "backbone": BACKBONE, "labels": ("cat", "dog"), "prompt": "a {domain} of a {label}",
        "domains": ("photo", "sketch", "cartoon"), "guidance_scale": 1.0, "guidance_to": 9.0, "images_per_class": 90,
    }  # fmt: skip
    return Text(**{**given, **fields})


def until(**fields):
    """The same until enough of them are sharp."""
    sharp = {"filters": ({"rule": "at_least", "scorer": "sharpness", "value": 0.5},), "accepted": 5}
    return build("sample.until", {**words(**fields).fields, **sharp})


def sampled(catalog, step, run="r1", log=None):
    """Take in the images of a step's plan, and write them into the run's log if there is one; returns their rows, by
    digest.
    """
    catalog.runs.add(run, step, Resources())
    number = catalog.images.total()
    planned = plan(getattr(step, "plain", step), sources=_sources(step), strength=getattr(step, "start", 1.0))
    rows = dict(zip(digests(number, number + len(planned)), planned, strict=True))
    made = [Made(index=row.index, image=_image(step, digest, row)) for digest, row in rows.items()]
    for event in made if log else ():
        log.append(event)
    catalog.ingest(run, [(1.0, event) for event in made], 10)
    catalog.runs.set_state(run, "done")
    catalog.review.newest()
    return rows


def decide(catalog, verdict, images, tab="grid", act=None):
    """One gesture about some images."""
    number = catalog.decisions.last()
    (outcome,) = catalog.decisions.decide(
        [Act(act or f"act {number} {verdict}", tab, Chosen.images(list(images)), verdict)], "me"
    )
    return outcome


def found(catalog, **filters):
    """The images of a view."""
    query = catalog.review.settle(Query(**filters))
    return {row["digest"] for row in catalog.review.page(query, 0, 10_000)}


def _sources(step):
    if getattr(step, "sources", None) is None:
        return None
    return {label: [f"{place:064x}" for place in range(3)] for label in step.labels}


def _image(step, digest, row):
    made = {
        "prompt": row.prompt, "negative_prompt": "", "domain": row.domain or None, "seed": row.seed,
        "guidance_scale": row.guidance_scale, "strength": row.strength if row.parent else None, "parent": row.parent,
        "inference_steps": step.inference_steps, "sampler": step.sampler, "backbone": step.backbone,
        "adapter": step.adapter, "adapter_scale": None,
    }  # fmt: skip
    return Image(digest, row.label, "synthetic", 8, 8, made)
