"""What the page shows of work in progress: one plain document, the same for every tab and every reload."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthstudio.catalog.pipelines import Node, Pipeline
from synthstudio.catalog.runs import ACTIVE, Run
from synthstudio.errors import StudioError
from synthstudio.jobs import Studio
from synthstudio.jobs.asking.recipes import load_recipe, recipe_names
from synthstudio.jobs.curating.accepted import REVIEW
from synthstudio.jobs.curating.by_hand import RECIPE as BY_HAND
from synthstudio.jobs.curating.sweep import RECIPE as SWEEP
from synthstudio.jobs.knowing import shots, summary
from synthstudio.jobs.knowing.estimates import estimate
from synthstudio.jobs.knowing.stock import title_of
from synthstudio.jobs.running.log import EventLog
from synthstudio.quantities import many
from synthstudio.step import step_title
from synthstudio.ui import words
from synthstudio.ui.api import report_views, run_views
from synthstudio.ui.session import lists
from synthstudio.ui.session.state import StudioSession

_FRESH_SECONDS = 0.4
_TITLES = {REVIEW: "Did my review help?", BY_HAND: "Train by hand", SWEEP: "Sweep settings"}
_NEWEST_IMAGES = 16


class Live:
    """The state of a pipeline, made at most every 0.4 s however many browsers ask."""

    def __init__(self, session: StudioSession) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._made: dict[tuple[Path, str, str | None], tuple[float, dict[str, Any]]] = {}
        self._results: dict[str, dict[str, Any]] = {}

    def state(self, pipeline_id: str | None = None) -> dict[str, Any]:
        """The project, the queue and one pipeline: the named one or the newest."""
        house = self._session.house
        key = (house.home, house.slug, pipeline_id)
        with self._lock:
            at, found = self._made.get(key, (0.0, {}))
            if time.monotonic() - at < _FRESH_SECONDS:
                return found
            found = self._state(pipeline_id)
            if len(self._made) > 32:
                self._made.clear()
            self._made[key] = (time.monotonic(), found)
            return found

    def result(self, studio: Studio, pipeline: Pipeline) -> dict[str, Any] | None:
        """The answer of a finished pipeline; a finished pipeline never changes, so it is read once."""
        if pipeline.state != "done":
            return None
        if pipeline.id not in self._results:
            wall = (pipeline.finished or pipeline.created) - pipeline.created
            found = summary.of(studio, pipeline.id, wall)
            if pipeline.recipe == BY_HAND:  # its images are those it was given, not those of its steps
                real, synthetic = pipeline.request["counts"]
                found["counts"] |= {"real": real, "synthetic": synthetic, "kept": synthetic}
            self._results[pipeline.id] = _answer(studio, found)
        return self._results[pipeline.id]

    def _state(self, pipeline_id: str | None) -> dict[str, Any]:
        session, studio = self._session, self._session.studio
        pipelines = studio.catalog.pipelines.all()
        chosen = next((p for p in pipelines if p.id == pipeline_id), None) or self._begun(studio, pipelines)
        active = studio.catalog.runs.in_state(*ACTIVE)
        return {
            "project": session.project,
            "lists": lists.version(session),
            "running": [self._run(run) for run in active],
            "queued": len(studio.catalog.runs.in_state("queued")),
            "pipelines": _all_listed(session, pipelines[:12]),
            "pipeline": self._pipeline(studio, chosen) if chosen else None,
        }

    def _begun(self, studio: Studio, pipelines: Sequence[Pipeline]) -> Pipeline | None:
        """The newest recipe; while it only waits, the one that works: what is queued hides nothing."""
        for pipeline in pipelines:
            if pipeline.state != "running":
                break
            if any(run.state in ACTIVE for run in studio.catalog.runs.of_pipeline(pipeline.id).values()):
                return pipeline
        return pipelines[0] if pipelines else None

    def _pipeline(self, studio: Studio, pipeline: Pipeline) -> dict[str, Any]:
        nodes = studio.catalog.pipelines.nodes(pipeline.id)
        held = studio.catalog.runs.of_pipeline(pipeline.id)
        runs = {node.position: held[node.run_id] for node in nodes if node.run_id}
        shown = self._shown(nodes, runs)
        ended = pipeline.finished or (None if pipeline.state == "running" else time.time())
        try:
            result = self.result(studio, pipeline)
        except StudioError as error:
            result = {"sentence": f"The numbers cannot be read: {error}", "arms": [], "eye": "", "train": {}}
        return {
            **_all_listed(self._session, [pipeline])[0],
            "shots_words": shots_words(self._session, pipeline, nodes),
            "error": _why(pipeline, nodes, runs),
            "seconds": (ended or time.time()) - pipeline.created,
            "left": self._left(studio, pipeline, nodes, runs) if pipeline.state == "running" else None,
            "nodes": [self._node(node, nodes, runs.get(node.position)) for node in nodes],
            "keepable": self._keepable(pipeline),
            "shown": None if shown is None else self._detail(studio, shown),
            "images": _newest(studio, nodes, runs),
            "result": result,
        }

    def _keepable(self, pipeline: Pipeline) -> bool:
        """Whether it can be kept as a recipe of one's own."""
        known = recipe_names(self._session.recipe_home)
        return pipeline.state == "done" and not self._session.where.public and pipeline.recipe in known

    def _left(self, studio: Studio, pipeline: Pipeline, nodes: Sequence[Node], runs: dict[int, Run]) -> float | None:
        """Seconds until the end: what works by its rate, what waits by estimate; none where nobody can know."""
        working = [run for run in runs.values() if run.state in ACTIVE]
        waiting = [node for node in nodes if node.position not in runs or runs[node.position].state == "queued"]
        photos = shots.photos_of(self._session.studio, str(pipeline.request["data"]))
        rest = estimate(studio.catalog, waiting, pipeline.request, len(photos), photos.classes).seconds
        lefts = [self._run(run)["left"] for run in working]
        if rest is None or any(left is None for left in lefts):
            return None
        return rest + sum(lefts)

    def _shown(self, nodes: Sequence[Node], runs: dict[int, Run]) -> Run | None:
        """The run whose curve is drawn: what works now, else the last one that has a curve."""
        working = [run for run in runs.values() if run.state in ACTIVE]
        curved = [runs[n.position] for n in nodes if n.kind.startswith(("adapt.", "train.")) and n.position in runs]
        return next(iter([*working, *curved]), None)

    def _detail(self, studio: Studio, run: Run) -> dict[str, Any]:
        curves = self._session.curves.of(run.id, EventLog(studio.workspace.run_folder(run.id)))
        return {"id": run.id, "kind": run.kind, "words": step_title(run.kind), "total": run.total,
                "unit": run.unit, "curves": curves}  # fmt: skip

    def _node(self, node: Node, nodes: Sequence[Node], run: Run | None) -> dict[str, Any]:
        several = len({one.fold for one in nodes if one.fold is not None}) > 1
        fold = f" (fold {node.fold + 1})" if several and node.fold is not None else ""
        found = {
            "name": node.name,
            "kind": node.kind,
            "words": words.node_words(node.name, node.kind, node.template) + fold,
            "reused": node.reused,
            "state": "waiting",
        }
        return found | (self._run(run) if run else {})

    def _run(self, run: Run) -> dict[str, Any]:
        rate = self._session.rates.per_second(run.id) if run.state in ACTIVE else None
        left = (run.total - run.done) / rate if rate and run.total else None
        return {
            "run": run.id, "kind": run.kind, "kind_words": step_title(run.kind),
            "state": run.state, "state_words": words.STATES[run.state],
            "done": run.done, "total": run.total, "unit": run.unit, "rate": rate, "left": left,
            "measures": run.measures, "seconds": run.seconds, "error": run.error,
        }  # fmt: skip


def shots_words(session: StudioSession, pipeline: Pipeline, nodes: Sequence[Node]) -> str:
    """How many shots were used, as soon as that is known; before that, how many were asked for."""
    if pipeline.recipe == BY_HAND:
        real, synthetic = pipeline.request["counts"]
        return f"{real:,} real and {synthetic:,} synthetic images"
    if pipeline.recipe == SWEEP:
        trials, each = pipeline.request["trials"], pipeline.request["images_per_class"]
        return f"{many(trials, 'trial')} of {many(each, 'image')} per class"
    asked, used = pipeline.request["shots"], shots.were(session.studio, nodes)
    if asked is None:
        return "every photo not held out"
    if used is None or used == (asked, asked):
        return f"{many(asked, 'shot')} per class"
    return f"{used.words()} shots per class ({asked} asked for)"


def _all_listed(session: StudioSession, pipelines: Sequence[Pipeline]) -> list[dict[str, Any]]:
    names = session.studio.catalog.names.of_all([one.id for one in pipelines])
    return [_listed(session, one, *names.get(one.id, ("", False))) for one in pipelines]


def _listed(session: StudioSession, pipeline: Pipeline, name: str, named: bool) -> dict[str, Any]:
    request = pipeline.request
    return {
        "id": pipeline.id,
        "name": name,
        "named": named,
        "recipe": pipeline.recipe,
        "title": _title(session, pipeline.recipe),
        "preset": words.preset_words(request["preset"]),
        "data": title_of(session.studio, request["data"]),
        "shots": request["shots"],
        "folds": request["folds"],
        "backbone": str(request["backbone"]).partition("@")[0],
        "state": pipeline.state,
        "created": pipeline.created,
        "finished": pipeline.finished,
    }


def _title(session: StudioSession, recipe: str) -> str:
    if recipe in _TITLES:
        return _TITLES[recipe]
    try:
        return load_recipe(recipe, session.recipe_home).title
    except StudioError:
        return recipe


def _why(pipeline: Pipeline, nodes: Sequence[Node], runs: dict[int, Run]) -> str | None:
    if pipeline.error or pipeline.state != "failed":
        return pipeline.error
    for node in nodes:
        run = runs.get(node.position)
        if run is not None and run.state in ("failed", "lost"):
            return f"{step_title(node.kind)}: {run.error or words.STATES[run.state]}"
    return None


def _newest(studio: Studio, nodes: Sequence[Node], runs: dict[int, Run]) -> list[dict[str, Any]]:
    """The newest synthetic images of a pipeline, every class in turn."""
    for node in reversed(nodes):
        run = runs.get(node.position)
        if run is None or not node.kind.startswith("sample."):
            continue
        if some := run_views.newest(studio, run.id, _NEWEST_IMAGES):
            return some
    return []


def _answer(studio: Studio, found: dict[str, Any]) -> dict[str, Any]:
    """The four numbers, the sentence and the next step."""
    return {
        "sentence": found.get("sentence", ""),
        "arms": report_views.arms(studio, found) if "mean" in found else [],
        "n": summary.test_images(found),
        "folds": len(found.get("folds", [])),
        "counts": found["counts"],
        "seconds": found["seconds"],
        "peak_memory_mb": found["peak_memory_mb"],
        "next": next_step(found),
        "eye": _eye(found),
        "train": _given(found["artifacts"]),
    }


def _eye(found: dict[str, Any]) -> str:
    """Which eye looked and why, where the shots chose it."""
    choice = found.get("eye")
    return f"{choice['sentence']} {choice['judge_sentence']}".strip() if choice else ""


def _given(artifacts: dict[str, dict[str, Any]]) -> dict[str, str]:
    """What the form of Train begins with after this answer: the photos and the images of the first fold."""
    split, kept = artifacts.get("split.0", {}), artifacts.get("keep.0", {})
    given = {"ss-train-real": split.get("shots"), "ss-train-synthetic": kept.get("images")}
    return {field: str(value) for field, value in given.items() if value}


def next_step(found: dict[str, Any]) -> str:
    """What to do after an answer, in one sentence."""
    gain = found.get("difference")
    if "differences" in found:
        return _after_review(found["differences"]["random"])
    if "classifiers" in found:
        return "Evaluate shows every class and every mistake. Train with another selection, or export this classifier."
    if gain is None:
        swept = "Press a trial under Sample, Sweep settings, to use its settings."
        return swept if "sweeps" in found else "Look at the images in Review."
    if gain["low"] > 0:
        return "It helped. Review the images, then export the dataset, or make more with the preset “standard”."
    if gain["high"] < 0:
        return "It hurt. Are the images in Review of the right class? Try other guidance, or the recipe Real Guidance."
    if gain["folds"] < 3:
        return "The interval includes zero. Run 3 folds to know more, or make more images with the preset “standard”."
    return "No clear effect. Review the images, or try another recipe: the comparison stays on the same test photos."


def _after_review(gain: dict[str, Any]) -> str:
    """What to do once a review was judged, by what it gained on chance."""
    if gain["low"] > 0:
        return "Your choice beats chance. Export this selection."
    if gain["high"] < 0:
        return "Chance chose better. Look again at what you rejected: what is hard to tell may be what teaches most."
    if gain["folds"] < 3:
        return "Against chance the interval includes zero. A recipe of three folds or more would tell more."
    return "Your choice does as well as chance. Reviewing more images may show more, or this filter was enough."
