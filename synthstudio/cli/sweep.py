"""`sweep`: try settings of sampling, and choose by what the images teach about validation photos."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthstudio.cli.making import follow_pipeline, options_of, write_result
from synthstudio.cli.options import HERE, Batch, Device, Home, Json, Log, Project, Threads
from synthstudio.cli.tables import in_place
from synthstudio.errors import BadInput

if TYPE_CHECKING:
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating.sweep import Wish

_HEAD = ("Trial", "Settings", "Teaches", "Distance", "Images/s", "")


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(sweep)


def sweep(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="sample.text or sample.variation.")],
    tried: Annotated[
        list[str] | None,
        typer.Option("--try", help="guidance_scale=1:6, inference_steps=10,20,50 and the like; may be repeated."),
    ] = None,
    trials: Annotated[int, typer.Option(help="How many settings are tried, the step's own included; 1 to 100.")] = 12,
    each: Annotated[int, typer.Option("--images-per-class", help="Images of each class that a trial makes.")] = 20,
    validation: Annotated[
        str | None, typer.Option(help="Photos to choose by, by name; default: those of the split that taught.")
    ] = None,
    encoder: Annotated[str, typer.Option(help="The eye that measures.")] = "pico-clip",
    guard: Annotated[
        float | None,
        typer.Option(help="The largest kernel distance of a trial; default: not surely larger than the first one's."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of sampling and of what is proposed.")] = 0,
    project: Project = "default",
    home: Home = HERE,
    device: Device = "auto",
    threads: Threads = 0,
    batch: Batch = 0,
    log: Log = None,
    result: Json = None,
) -> None:
    """Try settings of a sampling step, given as for `step`: --field value.

    The first trial has the step's own settings. A sweep that was interrupted goes on where it was when the same command
    is given again: its trials are runs, and those that are done are not made again.

    Example: sweep sample.text --backbone pico --labels 3,7,8 --try guidance_scale=1:6 --try inference_steps=10,20,50
    """
    from synthstudio.cli.models import provided
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating import sweep as sweeping
    from synthstudio.resources import Resources

    options = {name: in_place(name, value) for name, value in options_of(context.args).items()}
    asked = {"ranges": tried or [], "trials": trials, "images_per_class": each, "guard": guard, "seed": seed}
    with Studio(home, project, log=log) as studio:
        wish = provided(studio, lambda: _wish(studio, kind, options, asked, validation, encoder))
        pipeline_id = sweeping.start(studio, wish, Resources(device=device, threads=threads, batch=batch))
        follow_pipeline(studio, pipeline_id)
        found = sweeping.document(studio, pipeline_id)
        found["validation_name"] = studio.catalog.names.of(found["validation"])
    write_result(result, found)
    for line in _lines(found):
        typer.echo(line.rstrip())


def _wish(
    studio: "Studio", kind: str, options: dict[str, str], asked: dict[str, Any], validation: str | None, encoder: str
) -> "Wish":
    from synthstudio.jobs.asking.asked import step_from_text
    from synthstudio.jobs.asking.sweeps import KINDS
    from synthstudio.jobs.curating.sweep import wished
    from synthstudio.models import reference

    if kind not in KINDS:
        raise BadInput(f"{kind} cannot be swept. Choose {' or '.join(KINDS)}.")
    step = step_from_text(kind, {**options, "seed": str(asked["seed"])}, studio.workspace, studio.catalog.names)
    chosen = studio.catalog.names.find(validation, ("set",)) if validation else None
    return wished(
        studio, step, {**asked, "validation": chosen, "encoder": reference(encoder, "encoder", studio.workspace)}
    )


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The table of trials, and what it says."""
    rows = [_HEAD, *(_row(one, found["best"]) for one in found["trials"])]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    yield found["sentence"]
    yield f"Chosen on {found['validation_name']}: of many tries the best looks a little better there than it is."


def _row(one: Mapping[str, Any], best: int | None) -> tuple[str, ...]:
    teaches, low, high = (f"{100 * share:.1f}" for share in one["teaches"])
    rate = one["images_per_second"]
    said = "best" if one["number"] - 1 == best else "" if one["passes"] else "refused by the guard"
    return (
        str(one["number"]), one["words"], f"{teaches} % ({low} to {high})", f"{one['kernel_distance'][0]:.3g}",
        f"{rate:.1f}" if rate else "–", said,
    )  # fmt: skip
