"""A small home in which every kind of Step has been done once, and the way back to any moment of its making."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthstudio.artifacts import ImageSet, Member
from synthstudio.jobs import Studio
from synthstudio.jobs.running.launchers import Launcher
from synthstudio.models import reference
from synthstudio.resources import Resources
from synthstudio.step import STEPS, Step, build
from tests.steps.kit import LABELS, coloured

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "default"
RESOURCES = Resources(device="cpu", threads=1, checkpoint_every=3)
_QUICK = {"training_steps": 12, "batch_size": 4, "warmup_steps": 2, "seed": 1}
_SAMPLING = {"images_per_class": 6, "inference_steps": 4, "seed": 1}
_RANGES = ["guidance_scale=1:3 from 2"]
_NETWORK = {"width": 8, "image_size": 16, "seed": 1}

Fields = Mapping[str, Any]
Made = dict[str, dict[str, Any]]  # what each Step of the chain gave, by its name here


class Harmed(AssertionError):
    """An attack got what it wanted: something is lost, doubled, wrong, or cannot go on."""


@dataclass(frozen=True)
class Link:
    """One Step of the chain: its name here, its kind, and its fields, made of what came before."""

    name: str
    kind: str
    fields: Callable[[Made], Fields]


CHAIN = (
    Link("data", "collect.import_images", lambda m: {"source": m["asked"]["source"]}),
    Link("split", "collect.split", lambda m: {"images": m["data"]["images"], "shots": 4, "validation_per_class": 2}),
    Link("adapter", "adapt.lora", lambda m: {"backbone": m["asked"]["pico"], "images": m["split"]["shots"], **_QUICK}),
    Link("words", "adapt.textual_inversion", lambda m: {"backbone": m["asked"]["pico"], "images": m["split"]["shots"],
                                                        **_QUICK}),
    Link("vectors", "adapt.inverted_vectors", lambda m: {"backbone": m["asked"]["pico"],
                                                         "images": m["split"]["shots"], **_QUICK}),
    Link("sample", "sample.text", lambda m: {"backbone": m["asked"]["pico"], "adapter": m["adapter"]["adapter"],
                                             "labels": m["split"]["labels"], **_SAMPLING}),
    Link("variation", "sample.variation", lambda m: {"backbone": m["asked"]["pico"], "labels": m["split"]["labels"],
                                                     "sources": m["split"]["shots"], **_SAMPLING}),
    Link("until", "sample.until", lambda m: {"backbone": m["asked"]["pico"], "labels": m["split"]["labels"],
                                             "accepted": 2, **_SAMPLING,
                                             "filters": [{"rule": "at_least", "scorer": "sharpness", "value": 0.0}]}),
    Link("grid", "sample.grid", lambda m: {"backbone": m["asked"]["pico"], "labels": m["split"]["labels"][:1],
                                           "sources": m["split"]["shots"], "inference_steps": 4, **_eye(m),
                                           "x_values": [0.4, 0.8], "y": "sampler", "y_values": ["ddim", "euler"]}),
    Link("near", "sample.vectors", lambda m: {"backbone": m["asked"]["pico"], "adapter": m["vectors"]["adapter"],
                                              "labels": m["split"]["labels"], **_SAMPLING}),
    Link("agreement", "score.label_agreement", lambda m: {"images": m["sample"]["images"], **_eye(m),
                                                          "references": m["split"]["shots"]}),
    Link("copies", "score.nearest_real", lambda m: {"images": m["sample"]["images"], **_eye(m),
                                                    "references": m["split"]["shots"]}),
    Link("sharpness", "score.sharpness", lambda m: {"images": m["sample"]["images"]}),
    Link("margin", "score.margin", lambda m: {"images": m["sample"]["images"], **_eye(m)}),
    Link("quality", "score.label_quality", lambda m: {"images": m["sample"]["images"], **_eye(m)}),
    Link("redundancy", "score.nearest_synthetic", lambda m: {"images": m["sample"]["images"], **_eye(m)}),
    Link("density", "score.density", lambda m: {"images": m["sample"]["images"], **_eye(m),
                                                "references": m["split"]["shots"]}),
    Link("pays", "score.influence", lambda m: {"images": m["sample"]["images"], **_eye(m),
                                               "validation": m["split"]["validation"]}),
    Link("keep", "select.filter", lambda m: {
        "images": m["sample"]["images"], "scores": [m["agreement"]["scores"], m["sharpness"]["scores"]],
        "filters": [{"rule": "top_per_label", "scorer": "label_agreement", "count": 4}]}),
    Link("freeze", "collect.freeze", lambda m: {"selection": m["asked"]["selection"]}),
    Link("real_only", "train.classifier", lambda m: {**_eye(m), "real": m["split"]["shots"], **_QUICK, "views": 2}),
    Link("synthetic_only", "train.linear_probe", lambda m: {**_eye(m), "synthetic": m["keep"]["images"]}),
    Link("both", "train.classifier", lambda m: {**_eye(m), "real": m["split"]["shots"],
                                                "synthetic": m["keep"]["images"], **_QUICK, "views": 2}),
    Link("doubt", "score.disagreement", lambda m: {
        "images": m["sample"]["images"], "classifiers": [m["real_only"]["classifier"], m["both"]["classifier"]]}),
    Link("compare", "evaluate.compare", lambda m: {
        **_eye(m), "tests": [m["split"]["test"]], "real_only": [m["real_only"]["classifier"]],
        "synthetic_only": [m["synthetic_only"]["classifier"]], "real_and_synthetic": [m["both"]["classifier"]]}),
    Link("control", "select.random", lambda m: {"images": m["sample"]["images"], "like": m["keep"]["images"]}),
    Link("union", "select.union", lambda m: {"sets": [m["keep"]["images"], m["variation"]["images"]]}),
    Link("share", "select.share", lambda m: {"images": m["keep"]["images"], "count": 6}),
    Link("map", "measure.map", lambda m: {**_eye(m), "photos": [m["split"]["shots"]],
                                          "images": [m["sample"]["images"]]}),
    Link("words", "measure.words", lambda m: {**_eye(m), "text": "a red cup", "images": [m["sample"]["images"]]}),
    Link("measures", "measure.images", lambda m: {**_eye(m), "images": m["sample"]["images"],
                                                  "references": m["split"]["validation"]}),
    Link("settings", "sweep.next", lambda m: {"ranges": _RANGES, "validation": m["split"]["validation"]}),
    Link("tried", "sample.text", lambda m: {"backbone": m["asked"]["pico"], "labels": m["split"]["labels"], **_SAMPLING,
                                            "guidance_scale": m["settings"]["guidance_scale"]}),
    Link("taught", "measure.images", lambda m: {**_eye(m), "images": m["tried"]["images"],
                                                "references": m["split"]["validation"]}),
    Link("best", "sweep.best", lambda m: {
        "ranges": _RANGES, "trials": 1, "asked": [m["settings"]["settings"]], "scored": [m["taught"]["measures"]],
        "images": [m["tried"]["images"]], "validation": m["split"]["validation"], **_eye(m)}),
    Link("eye", "select.eye", lambda m: {"eyes": [m["asked"]["eye"], m["asked"]["network"]],
                                         "images": [m["split"]["shots"]]}),
    Link("finetune", "train.finetune", lambda m: {"encoder": m["asked"]["network"], "real": m["split"]["shots"],
                                                  **_QUICK}),
    Link("classifiers", "evaluate.classifiers", lambda m: {
        "test": m["split"]["test"], "baseline": m["real_only"]["classifier"],
        "classifiers": [m["finetune"]["classifier"], m["real_only"]["classifier"], m["both"]["classifier"]]}),
    Link("review", "evaluate.review", lambda m: {
        **_eye(m), "tests": [m["split"]["test"]], "everything": [m["both"]["classifier"]],
        "selection": [m["real_only"]["classifier"]], "random": [m["synthetic_only"]["classifier"]],
        "kept": [m["sample"]["images"]], "chosen": [m["keep"]["images"]]}),
    Link("herding", "distil.select", lambda m: {"images": m["split"]["shots"], "rule": "herding",
                                                "images_per_class": 2, "backbone": m["asked"]["pico"]}),
    Link("mosaic", "distil.mosaic", lambda m: {"images": m["split"]["shots"], "images_per_class": 2,
                                               "observer_steps": 6, **_NETWORK}),
    Link("prototypes", "distil.prototypes", lambda m: {"backbone": m["asked"]["pico"], "images": m["split"]["shots"],
                                                       "images_per_class": 2, "inference_steps": 4, "seed": 1}),
    Link("match", "distil.match", lambda m: {"images": m["split"]["shots"], "images_per_class": 2, "iterations": 12,
                                             "real_batch": 4, **_NETWORK}),
    Link("experts", "distil.experts", lambda m: {"images": m["split"]["shots"], "experts": 2, "epochs": 3,
                                                 "batch_size": 4, **_NETWORK}),
    Link("small_set", "evaluate.small_set", lambda m: {
        "images": m["herding"]["images"], "real": m["split"]["shots"], "test": m["split"]["test"],
        "backbone": m["asked"]["pico"], "architectures": ["convnet", "alexnet", "vgg11"], "seeds": 3, "draws": 5,
        "training_steps": 2, "batch_size": 4, "width": 8, "image_size": 32, "seed": 1}),
    Link("shrink", "evaluate.shrink", lambda m: {
        "images": m["split"]["shots"], "validation": m["split"]["validation"], "backbone": m["asked"]["pico"],
        "sizes": [1, 2], "seeds": 1, "training_steps": 6, "batch_size": 4, **_NETWORK}),
    Link("export_images", "export.image_folder", lambda m: {
        "real": m["split"]["shots"], "synthetic": m["keep"]["images"], "test": m["split"]["test"],
        "report": m["compare"]["report"], "name": "set"}),
    Link("export_classifier", "export.classifier", lambda m: {"classifier": m["both"]["classifier"], "name": "eye"}),
    Link("export_adapter", "export.adapter", lambda m: {"adapter": m["adapter"]["adapter"], "name": "hand"}),
)  # fmt: skip
# A download needs a hub: tests/jobs/knowing/test_downloads.py cuts, stops and resumes it against one of its own.
ELSEWHERE = {"collect.model"}
# Without torch: what a test can afford to make.
LIGHT = ("data", "split", "freeze")
_CLOCKS = ("cost",)  # outputs that say how long something took


def _eye(made: Made) -> Fields:
    return {"encoder": made["asked"]["eye"]}


class World:
    """The home, and copies of it from before each Step; restoring one costs a copy of a few megabytes."""

    def __init__(self, folder: Path, names: tuple[str, ...] = tuple(link.name for link in CHAIN)) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.photos = folder / "photos"
        self.links = {link.name: link for link in CHAIN if link.name in names}
        self.steps: dict[str, Step] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, list[tuple[int, str]]] = {}
        self._make()

    @property
    def project(self) -> Path:
        """The folder of the one project."""
        return self.home / "projects" / PROJECT

    @contextlib.contextmanager
    def studio(self, launcher: Launcher | None = None) -> Iterator[Studio]:
        """The project, opened as its owner opens it."""
        with Studio(self.home, PROJECT, launcher) as opened:
            yield opened

    def restore(self, name: str = "") -> None:
        """Go back to the moment before the Step of this name; without a name, to the end of the chain."""
        self._replace(self.folder / "before" / (name or "the-end"), self.home)

    def done(self, name: str) -> tuple[str, dict[str, Any], list[tuple[int, str]]]:
        """Carry a Step out in this process: its run, its outputs, the images the catalog says it made."""
        with self.studio() as studio:
            run_id = finish(studio, self.steps[name])
            outputs = {key: value for key, value in studio.catalog.runs.outputs(run_id).items() if key not in _CLOCKS}
            made = studio.catalog.images.made_by(run_id, limit=1_000_000)
            return run_id, outputs, [(row["plan_index"], row["digest"]) for row in made]

    def check(self, name: str, rows_too: bool = True) -> None:
        """Harmed unless the Step, carried out to its end, gives what it gave undisturbed: all of it, once.

        Without `rows_too` the catalog may have fewer rows about the images than before, but none twice.
        """
        run_id, outputs, rows = self.done(name)
        if outputs != self.outputs[name]:
            raise Harmed(f"{name}: other outputs than undisturbed: {outputs} for {self.outputs[name]}")
        short = not rows_too and set(rows) <= set(self.rows[name]) and len(rows) == len(set(rows))
        if rows != self.rows[name] and not short:
            raise Harmed(f"{name}: {len(rows)} images in the catalog, {len(self.rows[name])} undisturbed")
        with self.studio() as studio:
            if not studio.complete(run_id):
                raise Harmed(f"{name}: done, but not everything it made is here")

    def owner(self, name: str) -> "subprocess.Popen[bytes]":
        """A process of its own that owns the project until the Step is done, as a command line does."""
        command = [sys.executable, "-m", "tests.campaign.owner", str(self.home), self.steps[name].to_json()]
        with (self.folder / "owner.log").open("ab") as out:
            return subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)

    def _make(self) -> None:
        made: Made = {}
        for label in LABELS:
            for number in range(14):
                file = self.photos / label / f"{number}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(coloured(label, number))
        for name, link in self.links.items():
            made["asked"] = self._asked(made)
            self.steps[name] = build(link.kind, dict(link.fields(made)))
            self._replace(self.home, self.folder / "before" / name)
            _, self.outputs[name], self.rows[name] = self.done(name)
            made[name] = self.outputs[name]
        self._replace(self.home, self.folder / "before" / "the-end")

    def _asked(self, made: Made) -> dict[str, Any]:
        """What a person brings: photos, models, and a selection made by hand."""
        from synthstudio.intake import sources

        with self.studio() as studio:
            workspace = studio.workspace
            chosen = made.get("sample", made.get("split", {"shots": None}))
            members = [] if not made.get("split") else workspace.image_set(chosen.get("images", chosen.get("shots")))
            rows = [[m.label, m.image, "synthetic"] for m in list(members)[::2]]
            workspace.put_set(ImageSet.of("set", (Member(label, image) for label, image, _ in rows)))
            body = {"filter": {}, "sentence": "Every second image.", "as_of": 0, "members": rows}
            return {
                "source": sources.register(str(self.photos), workspace),
                "pico": reference("pico", "backbone", workspace),
                "eye": reference("pico-clip", "encoder", workspace),
                "network": reference(str(self._network()), "encoder", workspace),
                "selection": workspace.put_document("selection", body),
            }

    def _network(self) -> Path:
        """A timm folder with random weights, made once."""
        from tests.engine.tiny_timm import make_timm

        folder = self.folder / "network"
        return folder if folder.is_dir() else make_timm(folder)

    @staticmethod
    def _replace(source: Path, target: Path) -> None:
        """Copy a folder over another; what lies on a mounted disk keeps its mount."""
        target.mkdir(parents=True, exist_ok=True)
        for old in target.iterdir():
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)


def finish(studio: Studio, step: Step) -> str:
    """Own a Step until it is done, resuming what was lost; its run. Harmed if it fails for good."""
    for _ in range(20):
        run_id, _ = studio.submit(step, RESOURCES)
        ended = studio.wait(run_id, poll_seconds=0.02)
        if ended.state == "done":
            return run_id
        if ended.state == "failed":
            raise Harmed(f"{step.kind} failed: {ended.error}")
    raise Harmed(f"{step.kind} is {ended.state} after twenty attempts: {ended.error}")


def kinds_without_a_link() -> list[str]:
    """Kinds of Steps that no attack would meet."""
    own = {kind for kind, cls in STEPS.items() if cls.__module__.startswith("synthstudio.")}
    return sorted(own - {link.kind for link in CHAIN} - ELSEWHERE)


def state_of(studio: Studio) -> dict[str, Any]:
    """What a person would miss: decisions in order, what stands, targets, runs, their outputs, pipelines, sets."""
    asked = studio.catalog.database.rows
    return {
        "acts": asked("select id, first_seq, last_seq, who, tab, decided_at, why, undoes from acts order by first_seq"),
        "decisions": asked("select seq, act, image, verdict, label from decisions order by seq"),
        "targets": studio.catalog.decisions.targets(),
        "runs": sorted((run.id, run.step_id, run.state) for run in studio.catalog.runs.all()),
        "outputs": asked("select run_id, name, value::text from outputs order by run_id, name"),
        "images": asked("select run_id, plan_index, digest, label from images order by run_id, plan_index"),
        "scores": asked("select run_id, image, scorer, value from scores order by all"),
        "sets": asked("select id, role, size from image_sets order by id"),
        "pipelines": [(one.id, one.recipe, one.state) for one in studio.catalog.pipelines.all()],
        "nodes": asked("select pipeline_id, position, run_id, reused from nodes order by all"),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Which parts differ, in words."""
    return ", ".join(
        f"{part} ({len(before[part])} before, {len(after[part])} after)"
        for part in before
        if before[part] != after[part]
    )


def read_json(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_bytes())
