"""Sweep by hand: one step of sampling under many settings, judged by what its images teach about validation photos.

What is asked for is a pipeline of the nodes that a recipe's sweep has. What was tried is read from their runs, so a
sweep that works, was stopped or is done is shown alike, and one inside a recipe as well.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from synthstudio.catalog.pipelines import Node, Pipeline
from synthstudio.catalog.runs import Run
from synthstudio.complaints import concerning, phrases, sentence
from synthstudio.errors import BadInput, UnknownName
from synthstudio.jobs.asking import leaks, sweeps
from synthstudio.jobs.asking.recipes import check_value, references
from synthstudio.jobs.curating.by_hand import refused
from synthstudio.jobs.knowing import measured
from synthstudio.jobs.readable import Readable
from synthstudio.jobs.studio import Studio
from synthstudio.resources import Resources
from synthstudio.step import Step
from synthstudio.steps.sweep import trials
from synthstudio.steps.sweep.best import BestSettings, check_room
from synthstudio.steps.sweep.next import said, the_proposer
from synthstudio.steps.sweep.ranges import TUNED, Range, Ranges
from synthstudio.steps.sweep.trials import photos

RECIPE = "sweep"  # what pipelines of this file are called
_NAME = "sweep"
_PLACES = {"images_per_class": "each"}  # what the form calls them: what is made above has images of each class too


@dataclass(frozen=True)
class Wish:
    """What a person asks for: a step of `sample.text` or `sample.variation`, and what changes of it."""

    step: Step
    ranges: tuple[Range, ...]
    trials: int
    images_per_class: int
    validation: str | None
    encoder: str
    guard: float | None = None
    seed: int = 0


def wished(studio: Studio, step: Step, asked: Mapping[str, Any]) -> Wish:
    """A wish from what a person said; without validation photos those of the split that taught. BadInput by field."""
    plain = ("trials", "images_per_class", "guard", "seed")
    for name in plain:
        with concerning(_PLACES.get(name, name), ()):
            check_value(BestSettings, name, asked[name], name)
    if not asked["ranges"]:
        raise BadInput(f"A sweep needs something to try: give values of {', '.join(TUNED)}.")
    return Wish(
        step=step, ranges=ranges(asked["ranges"]), encoder=asked["encoder"],
        validation=asked["validation"] or validation_of(studio, step), **{name: asked[name] for name in plain},
    )  # fmt: skip


def validation_of(studio: Readable, step: Step) -> str | None:
    """The validation photos of the split whose shots taught what a step samples with, else of the newest split."""
    taught = step.fields.get("sources") or step.fields["adapter"] or ""
    return measured.suggested(studio, taught).get("references")


def ranges(given: Sequence[object]) -> tuple[Range, ...]:
    """Ranges as they are typed, or as they are; BadInput says what cannot be."""
    try:
        found: tuple[Range, ...] = TypeAdapter(Ranges).validate_python(list(given))
    except ValidationError as error:
        _, said, _ = next(phrases(error))  # what follows from it are too few ranges
        raise BadInput(sentence("", f"{said}.")) from error
    return found


def nodes(studio: Studio, wish: Wish) -> list[Node]:
    """The nodes of a wish. BadInput, with the field it is about, for what cannot be. Writes nothing."""
    _check(studio, wish)
    template = wish.step.fields
    if any(True for _ in references(template)):
        raise BadInput("No text of a sweep may begin with a dollar sign, which names what another step makes.")
    template |= {one.field: f"${_NAME}.{one.field}" for one in wish.ranges}
    asked = {
        "ranges": [one.model_dump(mode="json") for one in _begun(wish)], "trials": wish.trials,
        "images_per_class": wish.images_per_class, "validation": wish.validation, "encoder": wish.encoder,
        "guard": wish.guard, "seed": wish.seed,
    }  # fmt: skip
    sweep = Node(0, _NAME, None, BestSettings.kind, asked)
    tried = Node(1, "sample", None, wish.step.kind, template)
    found = [one for one in sweeps.spread([sweep, tried]) if one.name != tried.name]
    return [replace(one, position=place) for place, one in enumerate(found)]


def start(studio: Studio, wish: Wish, resources: Resources | None = None) -> str:
    """Start a sweep; returns the pipeline's id. The same wish, asked again while it runs, is joined."""
    found = nodes(studio, wish)
    with concerning("validation"):
        leaks.refuse_test_images(studio.catalog.images, "This sweep", [photos(wish.validation)])
    request = json.loads(json.dumps(_request(wish, resources or Resources())))
    for one in studio.catalog.pipelines.running():
        if one.recipe == RECIPE and one.request == request:
            return one.id
    return studio.start(RECIPE, request, found)


def newest(studio: Readable) -> Pipeline | None:
    """The newest sweep that was asked for by hand."""
    return next((one for one in studio.catalog.pipelines.all() if one.recipe == RECIPE), None)


def document(studio: Readable, pipeline_id: str) -> dict[str, Any]:
    """What a sweep has tried so far, trial by trial, and what it chose."""
    pipeline = studio.catalog.pipelines.get(pipeline_id)
    every = studio.catalog.pipelines.nodes(pipeline_id)
    sweep = next((one for one in every if one.kind == BestSettings.kind), None)
    if sweep is None:
        raise UnknownName(f"{studio.catalog.names.of(pipeline_id)} sweeps nothing. Choose a sweep.")
    runs = studio.catalog.runs.of_pipeline(pipeline_id)
    outputs = studio.catalog.runs.outputs_of(runs)
    choice = outputs.get(str(sweep.run_id), {}).get("choice")
    chosen = studio.workspace.document(choice) if choice else {}
    return {
        "pipeline": pipeline_id, "state": pipeline.state, "error": _why(pipeline, every, runs),
        "fields": [one["field"] for one in sweep.template["ranges"]], "wanted": sweep.template["trials"],
        "validation": sweep.template["validation"], "encoder": sweep.template["encoder"],
        "guard": sweep.template.get("guard"), "trials": list(_rows(studio, sweep, every, runs)),
        "n": chosen.get("n"), "best": chosen.get("best"), "difference": chosen.get("difference"),
        "sentence": chosen.get("sentence", ""),
    }  # fmt: skip


def _check(studio: Studio, wish: Wish) -> None:
    if wish.step.kind not in sweeps.KINDS:
        raise BadInput(f"{wish.step.kind} cannot be swept. Choose {' or '.join(sweeps.KINDS)}.")
    swept = [one.field for one in wish.ranges]
    if "strength" in swept and "strength" not in wish.step.fields:
        raise refused("try_strength", "t0: images from words alone have none. Start from your shots, or leave it out.")
    if "adapter_scale" in swept and not wish.step.fields["adapter"]:
        raise refused("try_adapter_scale", "Adapter scale: there is no adapter. Choose one, or leave it out.")
    the_proposer()
    with concerning("trials"):
        check_room(_begun(wish), wish.trials)
    with concerning("validation"):
        _check_photos(studio, wish)


def _check_photos(studio: Studio, wish: Wish) -> None:
    """The photos show at least two of the classes, and nothing that is asked for has learnt from them."""
    validation = photos(wish.validation)
    shown = set(studio.workspace.image_set(validation).labels) & set(wish.step.fields["labels"])
    if len(shown) < 2:
        raise BadInput("A probe tells classes apart: name at least two that these validation photos show.")
    named = [wish.step.fields[name] for name in ("adapter", "sources") if wish.step.fields.get(name)]
    if validation in studio.catalog.images.sets_behind(named) | set(named):
        raise BadInput("These photos taught what the images are made from. Choose the validation photos of that split.")


def _begun(wish: Wish) -> tuple[Range, ...]:
    """The ranges; the first trial has the settings that the step has, where nothing else was said."""
    fields = wish.step.fields
    return tuple(
        one if one.first is not None else Range.model_validate({**one.model_dump(), "first": fields[one.field]})
        for one in wish.ranges
    )


def _request(wish: Wish, resources: Resources) -> dict[str, Any]:
    """What the lists of the page show of it; everything else among it, so that equal wishes are equal."""
    return {
        "data": "photos", "shots": None, "folds": 1, "preset": wish.step.kind,
        "backbone": wish.step.fields["backbone"], "encoder": wish.encoder, "seed": wish.seed, "settings": [],
        "resources": resources.model_dump(), "step": wish.step.to_json(),
        "ranges": [one.model_dump(mode="json") for one in wish.ranges], "trials": wish.trials,
        "images_per_class": wish.images_per_class, "validation": wish.validation, "guard": wish.guard,
    }  # fmt: skip


def _rows(studio: Readable, sweep: Node, every: Sequence[Node], runs: dict[str, Run]) -> Iterator[dict[str, Any]]:
    """A row for each trial that has settings, the rest of it as far as it is known."""
    outputs = studio.catalog.runs.outputs_of(runs)
    own = sweeps.trials_of(sweep, every)
    made = [[outputs.get(str(node.run_id), {}) for node in one] for one in own]
    asked = [one[0]["settings"] for one in made if "settings" in one[0]]
    scored = [one[2]["measures"] for one in made if "measures" in one[2]]
    done = trials.read(studio.workspace, asked[: len(scored)], scored, sweep.template.get("guard"))
    for place, settings in enumerate(asked):
        run = runs.get(str(own[place][1].run_id))
        body = studio.workspace.document(settings)
        yield {
            "number": place + 1, "settings": body["settings"], "words": said(body["settings"]),
            "run": run.id if run else None, "state": run.state if run else "waiting",
            "reused": own[place][1].reused, "images": made[place][1].get("images"),
            "done": run.done if run else 0, "total": run.total if run else 0,
            "images_per_second": run.total / run.seconds if run and run.state == "done" and run.seconds else None,
            **(done[place].body() if place < len(done) else {}),
        }  # fmt: skip


def _why(pipeline: Pipeline, every: Sequence[Node], runs: dict[str, Run]) -> str | None:
    """Why it did not end well, in the words of what failed."""
    failed = [runs[one.run_id].error for one in every if one.run_id and runs[one.run_id].error]
    return pipeline.error or (failed[0] if failed and pipeline.state == "failed" else None)
