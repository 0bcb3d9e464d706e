"""`recipes`, `steps`, `runs`, `stop`, `resume`, `doctor`: look at things and steer them."""

import json
import time
from typing import Annotated

import typer

from synthstudio.cli.options import HERE, Home, Log, Project
from synthstudio.errors import CatalogBusy, RunFailed


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(recipes)
    app.command()(steps)
    app.command()(runs)
    app.command()(stop)
    app.command()(resume)
    app.command()(doctor)


def recipes(home: Home = HERE, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the recipes with their presets; those in the folder `recipes` of the home too."""
    from synthstudio.jobs.asking.recipes import OWN, load_recipe, recipe_names, unusable

    refused = unusable(home)
    for name, why in refused.items():
        typer.echo(f"{home / OWN / name} is not offered. {why}", err=True)
    found = [load_recipe(name, home) for name in recipe_names(home) if f"{name}.toml" not in refused]
    if as_json:
        rows = [
            {"name": r.name, "title": r.title, "summary": r.summary, "paper": r.paper, "presets": list(r.presets),
             "differs": list(r.differs),
             "steps": [{"as": s.name, "kind": s.kind, "each_fold": s.per_fold} for s in r.steps]}
            for r in found
        ]  # fmt: skip
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    indent = " " * 17
    for recipe in found:
        typer.echo(
            f"{recipe.name:<16} {recipe.title}\n{indent}{recipe.summary}\n{indent}presets: {', '.join(recipe.presets)}"
        )
        for line in recipe.differs:
            typer.echo(f"{indent}paper differs: {line}")


def steps(
    kind: Annotated[str | None, typer.Argument(help="Only this step.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every step with its fields, ranges and help."""
    from synthstudio.step import STEPS, describe, step_class
    from synthstudio.steps import load_extensions

    load_extensions()

    shown = [step_class(kind)] if kind else [STEPS[name] for name in sorted(STEPS)]
    if as_json:
        rows = [
            {"kind": c.kind, "version": c.version, "help": (c.__doc__ or "").strip(),
             "fields": [field._asdict() for field in describe(c)]}
            for c in shown
        ]  # fmt: skip
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for cls in shown:
        typer.echo(f"{cls.kind}: {(cls.__doc__ or '').strip().splitlines()[0]}")
        for field in describe(cls):
            default = "required" if field.required else f"default {json.dumps(field.default, ensure_ascii=False)}"
            bounds = [
                f"from {field.minimum:g}" if field.minimum is not None else "",
                f"to {field.maximum:g}" if field.maximum is not None else "",
            ]
            limits = " ".join(part for part in bounds if part) or ", ".join(field.choices)
            typer.echo(
                f"  --{field.name.replace('_', '-'):<22} {field.help} ({'; '.join(x for x in (limits, default) if x)})"
            )


def runs(
    project: Project = "default",
    home: Home = HERE,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List runs with state, progress and cost."""
    from synthstudio.jobs import Studio

    with Studio(home, project) as studio:
        studio.tick()
        found = studio.catalog.runs.all(limit)
    if as_json:
        rows = [
            {"run": r.id, "kind": r.kind, "state": r.state, "done": r.done, "total": r.total, "unit": r.unit,
             "seconds": r.seconds, "peak_memory_mb": r.peak_memory_mb, "created": r.created, "error": r.error}
            for r in found
        ]  # fmt: skip
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not found:
        typer.echo("No runs yet. Start with: python -m synthstudio run datadream --data digits")
    for r in found:
        when = time.strftime("%d %b %H:%M", time.localtime(r.created))
        far = f"{r.done}/{r.total} {r.unit}" if r.total else ""
        typer.echo(f"{r.id}  {r.kind:<24} {r.state:<9} {far:<22} {r.seconds:7.1f} s  {when}  {r.error or ''}".rstrip())


def stop(
    run: Annotated[str, typer.Argument(help="A run's id.")],
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """Ask a run to stop where it can be resumed. Works while another process has the project open."""
    from synthstudio.jobs import Studio
    from synthstudio.jobs.studio import ask_to_stop
    from synthstudio.workspace import Workspace

    try:
        with Studio(home, project) as studio:
            studio.tick()
            studio.stop(run)
            ended = studio.wait(studio.catalog.runs.get(run).id)
            typer.echo(f"{ended.id} is {ended.state}.")
    except CatalogBusy:
        ask_to_stop(Workspace.open(home, project), run)
        typer.echo(f"Asked {run} to stop; the process that has the project open will report it.")


def resume(
    run: Annotated[str, typer.Argument(help="A run's id.")],
    project: Project = "default",
    home: Home = HERE,
    log: Log = None,
) -> None:
    """Go on with a stopped, failed or lost run, and with the recipe that waits for it."""
    from synthstudio.cli.making import follow_pipeline
    from synthstudio.jobs import Studio
    from synthstudio.jobs.knowing import summary

    with Studio(home, project, log=log) as studio:
        studio.tick()
        run_id = studio.resume(run)
        for pipeline_id in studio.catalog.pipelines.holding(run_id):
            if studio.catalog.pipelines.get(pipeline_id).state == "running":
                started = time.monotonic()
                follow_pipeline(studio, pipeline_id)
                typer.echo(summary.text(summary.of(studio, pipeline_id, time.monotonic() - started)))
        ended = studio.wait(run_id)
        typer.echo(f"{ended.id} is {ended.state}. {ended.error or ''}".rstrip())
    if ended.state != "done":
        raise RunFailed(ended.error or f"The run is {ended.state}.")


def doctor(
    project: Project = "default",
    home: Home = HERE,
    repair: Annotated[
        bool, typer.Option("--repair", help="Set damaged files aside and make again what steps can make.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    rebuild: Annotated[
        bool, typer.Option(help="Make the catalog again from the journal and the run logs; the old one is kept.")
    ] = False,
) -> None:
    """Check devices, versions, models, the Hub, the disk, the catalog and every file; exit code 1 if one is bad."""
    from synthstudio.cli.doctor import examine

    found = examine(home, project, repair, rebuild)
    if as_json:
        typer.echo(json.dumps([check._asdict() for check in found], indent=2, ensure_ascii=False))
    else:
        for check in found:
            typer.echo(
                f"[{check.state:^4}] {check.name}: {check.finding}"
                + (f"\n       {check.advice}" if check.advice else "")
            )
    if any(check.state == "bad" for check in found):
        raise typer.Exit(1)
