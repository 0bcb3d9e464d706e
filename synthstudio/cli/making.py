"""`run` and `step`: make things."""

import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthstudio.cli.options import (
    HERE,
    Batch,
    Checkpointing,
    Compile,
    Device,
    Home,
    Json,
    Log,
    Project,
    Slicing,
    Threads,
)
from synthstudio.cli.tables import in_place, in_setting
from synthstudio.errors import BadInput, RunFailed
from synthstudio.workspace import write_atomically

if TYPE_CHECKING:
    from synthstudio.catalog.runs import Run
    from synthstudio.cli.progress import Display
    from synthstudio.jobs import Studio
    from synthstudio.jobs.asking.asked import Asked
    from synthstudio.jobs.asking.recipes import Recipe

_POLL_SECONDS = 0.3
_STOP_SECONDS = 120.0


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(run)
    loose = {"allow_extra_args": True, "ignore_unknown_options": True}
    app.command(context_settings=loose, add_help_option=False)(step)


def run(
    recipe: Annotated[str, typer.Argument(help="A recipe; see `recipes`.")],
    data: Annotated[str, typer.Option(help="digits, a folder, a zip or a parquet file.")],
    shots: Annotated[
        int | None,
        typer.Option(min=1, help="Real images per class the method may see; default: the recipe's, 16 or all."),
    ] = None,
    folds: Annotated[int, typer.Option(min=1, max=100, help="Few-shot draws; results are means over them.")] = 1,
    preset: Annotated[str, typer.Option(help="quick, standard or paper.")] = "quick",
    backbone: Annotated[str, typer.Option(help="pico, a known name, a folder or a Hub repository.")] = "pico",
    encoder: Annotated[
        str | None,
        typer.Option(help="The eye: what looks at pictures for scores and classifiers; auto: the shots choose it."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="The eye that filters; default: another one than is trained.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="step.field=value; may be repeated. A table: step.captions=@file.csv."),
    ] = None,
    pool: Annotated[
        str | None, typer.Option(help="For small sets: make it from this set, by name, instead of the shots.")
    ] = None,
    project: Project = "default",
    home: Home = HERE,
    seed: Annotated[int, typer.Option(min=0, help="Seed of adaptation, sampling and training.")] = 0,
    device: Device = "auto",
    threads: Threads = 0,
    batch: Batch = 0,
    checkpointing: Checkpointing = "auto",
    slicing: Slicing = False,
    compile: Compile = False,  # noqa: A002 - the option
    log: Log = None,
    result: Json = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what it would do and cost; nothing is started or fetched.")
    ] = False,
) -> None:
    """Run a recipe from images to the answer: did synthetic images help, or what does a small set teach?"""
    from synthstudio.cli.models import provide_if_possible, provided
    from synthstudio.jobs import Studio
    from synthstudio.jobs.asking.asked import AUTO, LARGE_ENCODER, Asked, prepare
    from synthstudio.jobs.asking.recipes import load_recipe
    from synthstudio.jobs.knowing import summary
    from synthstudio.resources import Resources

    loaded = load_recipe(recipe, home)
    with Studio(home, project, log=log) as studio:
        asked = Asked(
            data=data, shots=shots or loaded.shots, folds=folds, preset=preset, backbone=backbone, encoder=encoder,
            judge=judge, settings=[in_setting(one) for one in settings or []], seed=seed,
            resources=Resources(
                device=device, threads=threads, batch=batch, checkpointing=checkpointing, slicing=slicing,
                compile=compile,
            ),
            pool=studio.catalog.names.find(pool, ("set",)) if pool else None,
        )  # fmt: skip
        if estimate:
            _estimate(studio, loaded, asked, result)
            return
        if backbone != "pico" and encoder in (None, AUTO):
            provide_if_possible(studio, LARGE_ENCODER, "encoder")
        request = provided(studio, lambda: prepare(studio.workspace, asked))
        pipeline_id = studio.start(loaded.name, request, loaded.nodes(request))
        started = time.monotonic()
        follow_pipeline(studio, pipeline_id)
        found = summary.of(studio, pipeline_id, wall_seconds=time.monotonic() - started)
    write_result(result, found)
    typer.echo(summary.text(found))


def _estimate(studio: "Studio", recipe: "Recipe", asked: "Asked", result: Path | None) -> None:
    from synthstudio.cli.estimate import estimated, lines

    found = estimated(studio, recipe, asked)
    write_result(result, found)
    for line in lines(found):
        typer.echo(line)


def write_result(result: Path | None, found: object) -> None:
    """Write what was found to the file that was asked for, if any."""
    if result is not None:
        write_atomically(result.absolute(), (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode())


def step(
    context: typer.Context,
    kind: Annotated[str | None, typer.Argument(help="A step; see `steps`.")] = None,
    project: Project = "default",
    home: Home = HERE,
    device: Device = "auto",
    threads: Threads = 0,
    batch: Batch = 0,
    checkpointing: Checkpointing = "auto",
    slicing: Slicing = False,
    compile: Compile = False,  # noqa: A002 - the option
    log: Log = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Make nothing: show what the prompts of a sampling step become.")
    ] = False,
    result: Json = None,
    about: Annotated[
        bool, typer.Option("--help", help="Show this message, with the fields of KIND, and exit.")
    ] = False,
) -> None:
    """Run one step with its fields as options: --field value.

    `step KIND --help` lists the fields of a step. Sets, classifiers and the like are given by name (see `names`) or id,
    models by name, folder or Hub repository, lists with commas between.

    Example: step train.linear_probe --real shots-datadream-digits-fold1 --synthetic mine --encoder pico-clip
    """
    from synthstudio.cli.models import provided
    from synthstudio.jobs import Studio
    from synthstudio.jobs.asking.asked import step_from_text
    from synthstudio.resources import Resources
    from synthstudio.steps.sample.preview import as_json
    from synthstudio.steps.sample.preview import preview as expanded

    if about or kind is None:
        _explain_step(context, kind)
        return
    with Studio(home, project, log=log) as studio:
        options = {name: in_place(name, value) for name, value in options_of(context.args).items()}
        wanted = provided(studio, lambda: step_from_text(kind, options, studio.workspace, studio.catalog.names))
        resources = Resources(
            device=device, threads=threads, batch=batch, checkpointing=checkpointing, slicing=slicing, compile=compile
        )
        if preview:
            _told(as_json(expanded(wanted, studio.workspace)), result)
            return
        run_id, reused = studio.submit(wanted, resources)
        ended = follow_run(studio, kind, run_id, reused)
        outputs = studio.catalog.runs.outputs(run_id)
        known = {one.id: one.name for one in studio.catalog.names.all()}
        body = {
            "run": run_id, "state": ended.state, "reused": reused, "outputs": outputs,
            "names": {name: known[value] for name, value in outputs.items() if str(value) in known},
            "notes": [note["text"] for note in studio.catalog.runs.notes(run_id)],
            "refused": studio.catalog.runs.refused(run_id),
        }  # fmt: skip
    _told(body, result)
    if ended.state != "done":
        raise RunFailed(
            f"The run is {ended.state}. {ended.error or ''} Resume with: python -m synthstudio resume {run_id}"
        )


def _told(body: dict[str, Any], result: Path | None) -> None:
    """Print the result, and write it to the file that was asked for."""
    write_result(result, body)
    typer.echo(json.dumps(body, indent=2, ensure_ascii=False))


def _explain_step(context: typer.Context, kind: str | None) -> None:
    from synthstudio.cli.runs import steps

    typer.echo(context.get_help())
    if kind is not None:
        steps(kind, as_json=False)


def follow_run(studio: "Studio", name: str, run_id: str, reused: bool = False) -> "Run":
    """Drive a run to its end, showing progress; ctrl-C stops it where it can be resumed."""
    from synthstudio.cli.progress import Display

    with Display() as display, _Interrupt() as interrupt:
        if reused:
            display.say(f"{name}: made before, reused ({run_id})")
        while studio.catalog.runs.get(run_id).state in ("queued", "running", "stopping"):
            studio.tick()
            display.show([(name, studio.catalog.runs.get(run_id))])
            if interrupt.first():
                studio.stop(run_id)
            time.sleep(_POLL_SECONDS)
        display.show([(name, studio.catalog.runs.get(run_id))])
    return studio.catalog.runs.get(run_id)


def follow_pipeline(studio: "Studio", pipeline_id: str) -> None:
    """Drive a pipeline to its end, showing progress; ctrl-C stops it where it can be resumed."""
    from synthstudio.cli.progress import Display

    with Display() as display, _Interrupt() as interrupt:
        said: set[int] = set()
        while True:
            studio.tick()
            _show(studio, pipeline_id, display, said)
            state = studio.catalog.pipelines.get(pipeline_id)
            if state.state != "running":
                break
            if interrupt.first():
                display.say("Stopping; a second ctrl-C leaves the worker to finish by itself.")
                _stop(studio, pipeline_id)
                raise typer.Exit(_explain_stop(studio, pipeline_id, display))
            time.sleep(_POLL_SECONDS)
    if state.state != "done":
        raise RunFailed(_why(studio, pipeline_id))


def _show(studio: "Studio", pipeline_id: str, display: "Display", said: set[int]) -> None:
    nodes = studio.catalog.pipelines.nodes(pipeline_id)
    runs = studio.catalog.runs.of_pipeline(pipeline_id)
    several = len({node.fold for node in nodes if node.fold is not None}) > 1
    fresh = []
    for node in (node for node in nodes if node.run_id):
        name = f"{node.name} (fold {node.fold + 1})" if several and node.fold is not None else node.name
        found = runs[str(node.run_id)]
        if not node.reused:
            fresh.append((name, found))
        if node.position in said or found.state != "done":
            continue
        said.add(node.position)
        if node.reused:
            made = time.strftime("%d %B %H:%M", time.localtime(found.finished or found.created))
            display.say(f"{name}: made on {made}, reused")
        for note in studio.catalog.runs.notes(found.id):
            if note["level"] == "warning":
                display.say(f"{name}: warning: {note['text']}")
    display.show(fresh)


def _stop(studio: "Studio", pipeline_id: str) -> None:
    studio.stop_pipeline(pipeline_id)
    deadline = time.monotonic() + _STOP_SECONDS
    while studio.catalog.runs.in_state("running", "stopping") and time.monotonic() < deadline:
        studio.tick()
        time.sleep(_POLL_SECONDS)


def _explain_stop(studio: "Studio", pipeline_id: str, display: "Display") -> int:
    stopped = [
        n.run_id
        for n in studio.catalog.pipelines.nodes(pipeline_id)
        if n.run_id and studio.catalog.runs.get(n.run_id).state == "stopped"
    ]
    hint = f"python -m synthstudio resume {stopped[0]}" if stopped else "the same command"
    display.say(f"Stopped; nothing finished is lost. Go on with: {hint}")
    return 130


def _why(studio: "Studio", pipeline_id: str) -> str:
    pipeline = studio.catalog.pipelines.get(pipeline_id)
    if pipeline.error:
        return pipeline.error
    for node in studio.catalog.pipelines.nodes(pipeline_id):
        if node.run_id is not None:
            found = studio.catalog.runs.get(node.run_id)
            if found.state in ("failed", "lost", "stopped"):
                hint = f"Go on with: python -m synthstudio resume {found.id}"
                return f"{node.name} is {found.state}. {found.error or ''} {hint}"
    return f"The pipeline is {pipeline.state}."


class _Interrupt:
    """Count ctrl-C instead of dying of it; the second one does end the command."""

    def __enter__(self) -> "_Interrupt":
        self._asked = False
        self._answered = False
        self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, *_: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def first(self) -> bool:
        """True once, after the first ctrl-C."""
        if self._asked and not self._answered:
            self._answered = True
            return True
        return False


def options_of(arguments: list[str]) -> dict[str, str]:
    """['--rank', '8', '--seed=3'] as {'rank': '8', 'seed': '3'}."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name = rest.pop(0)
        if not name.startswith("--"):
            raise BadInput(f"{name!r} is not an option. Write fields as --field value.")
        key, equals, value = name[2:].partition("=")
        if not equals:
            if not rest:
                raise BadInput(f"--{key} needs a value.")
            value = rest.pop(0)
        found[key.replace("-", "_")] = value
    return found
