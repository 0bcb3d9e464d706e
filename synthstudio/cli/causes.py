"""`causes`: what rejected images share, rejecting all that was made so, and the command that samples without it."""

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synthstudio.cli.options import HERE, Home, Project
from synthstudio.errors import BadInput
from synthstudio.quantities import many

if TYPE_CHECKING:
    from synthstudio.catalog.review import Query
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating.causes import Branch, Cause
    from synthstudio.step import Step

_WHO = "local"


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(causes)


def causes(
    only: Annotated[str, typer.Option("--set", help="Only images of this set, by name or id.")] = "",
    run: Annotated[str, typer.Option(help="Only images of this run, by name or id.")] = "",
    reject: Annotated[
        int | None, typer.Option(min=1, help="Reject all pending images of the cause with this number.")
    ] = None,
    without: Annotated[
        int | None, typer.Option(min=1, help="Print the step that samples again without the cause with this number.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print causes as JSON.")] = False,
    project: Project = "default",
    home: Home = HERE,
) -> None:
    """What rejected images share: settings that rejects have and the rest has not, where chance would hardly do it.

    The rest is what else was looked at: kept or moved, or pending between decisions. `--reject` is one act; take it
    back with `decisions --undo ID`.
    """
    from synthstudio.jobs import Studio
    from synthstudio.jobs.curating import causes as curating
    from synthstudio.jobs.curating import refill

    with Studio(home, project) as studio:
        studio.tick()
        query = _query(studio, only, run)
        found = curating.found(studio, query)
        if reject is not None:
            one = _numbered(found, reject)
            outcome = curating.reject(studio, query, one.conditions, _WHO)
            typer.echo(
                f"{many(outcome.changed, 'image')} with {one.says} rejected.\n"
                f"Take them back with: python -m synthstudio decisions --undo {outcome.id}"
            )
        elif without is not None:
            filled = refill.without(studio, query, _numbered(found, without).conditions)
            typer.echo(f"{filled.says}\n{_command(filled.step)}")
        elif as_json:
            typer.echo(json.dumps([_document(one) for one in found], indent=2, ensure_ascii=False))
        else:
            typer.echo(_told(found, curating.standing(studio)))


def _query(studio: "Studio", only: str, run: str) -> "Query":
    from synthstudio.catalog.review import Query

    names = studio.catalog.names
    sets = (names.find(only, ("set",)),) if only else ()
    return studio.catalog.review.settle(Query(image_sets=sets, run=names.find(run, ("run",)) if run else ""))


def _numbered(found: "list[Cause]", number: int) -> "Cause":
    if number > len(found):
        raise BadInput(f"There is no cause {number}: {many(len(found), 'cause')} can be told. See: causes")
    return found[number - 1]


def _told(found: "list[Cause]", branches: "list[Branch]") -> str:
    lines = []
    for number, one in enumerate(found, 1):
        lines += [f"{number}. {one.sentence}", f"   {many(one.pending, 'pending image')} made so."]
        lines += [f"   The same images: {', '.join(one.same)}"] if one.same else []
    lines = lines or ["Rejects share nothing that chance could not explain. Decide about more images in Review."]
    return "\n".join([*lines, *(f"Rejected as a whole: {one.says}, {many(one.standing, 'image')}" for one in branches)])


def _document(one: "Cause") -> dict[str, Any]:
    rule = one.rule
    return {
        "conditions": [each.model_dump(mode="json", exclude_defaults=True) for each in one.conditions],
        "sentence": one.sentence, "rejects": [rule.hits, rule.rejected], "rest": [rule.others, rule.rest], "p": rule.p,
        "same": list(one.same), "pending": one.pending,
    }  # fmt: skip


def _command(step: "Step") -> str:
    """The command that asks for a step: what is not its default, lists as JSON."""
    from synthstudio.step import describe

    defaults = {field.name: field.default for field in describe(type(step))}
    words = ["python", "-m", "synthstudio", "step", step.kind]
    for name, value in step.fields.items():
        default = defaults[name]
        if value is not None and value != (list(default) if isinstance(default, tuple) else default):
            given = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            words += [f"--{name.replace('_', '-')}", given]
    return shlex.join(words)
