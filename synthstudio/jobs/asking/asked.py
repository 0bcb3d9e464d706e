"""From what a person typed to what is hashed: names of data and models become digests."""

from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from synthstudio.catalog.names import Names
from synthstudio.catalog.pipelines import Node
from synthstudio.complaints import concerning, refusal
from synthstudio.errors import BadInput
from synthstudio.intake import sources
from synthstudio.jobs.asking.recipes import Recipe, json_or_text, parse_setting
from synthstudio.modelfolder import Purpose
from synthstudio.models import at_hand, reference, witness
from synthstudio.resources import Resources
from synthstudio.step import Step, build, fields_naming, is_list, roles_of, step_class
from synthstudio.terms import Seed, Shots
from synthstudio.workspace import Workspace

AUTO = "auto"
_UNKNOWN = "0" * 64
LARGE_ENCODER = "vit-b-16-laion2b"  # competes where the backbone is a large one too


class Asked(BaseModel):
    """What a person asks of a recipe, in their words."""

    data: Annotated[str, Field(max_length=4096)]
    shots: Shots = 16
    folds: Annotated[int, Field(ge=1, le=100)] = 1
    preset: Annotated[str, Field(max_length=80)] = "quick"
    backbone: Annotated[str, Field(max_length=4096)] = "pico"
    # What looks at pictures; none or "auto": the shots choose among those at hand.
    encoder: Annotated[str, Field(max_length=4096)] | None = None
    # What filters; none: another one than is trained, where another one is able.
    judge: Annotated[str, Field(max_length=4096)] | None = None
    settings: Annotated[list[Annotated[str, Field(max_length=10_000)]], Field(max_length=200)] = []
    # The set a small set is made from; none: the shots of the split.
    pool: Annotated[str, Field(pattern=r"^set:[0-9a-f]{64}$")] | None = None
    seed: Seed = 0
    resources: Resources = Resources()

    def __init__(self, **words: Any) -> None:
        """BadInput where a word of the request cannot be, so that every way to ask says it alike."""
        try:
            super().__init__(**words)
        except ValidationError as error:
            raise refusal(error) from error


def prepare(workspace: Workspace, asked: Asked) -> dict[str, Any]:
    """A recipe's request: data and models named by digest, and beside them what the person said."""
    check_resources(asked.resources)
    with concerning("settings"):
        for text in asked.settings:
            parse_setting(text)
    found = asked.model_dump()
    with concerning("data"):
        found["source"] = sources.register(asked.data, workspace)
    with concerning("backbone"):
        found["backbone"] = reference(asked.backbone, "backbone", workspace)
    with concerning("encoder"):
        found |= _eyes(workspace, asked)
    with concerning("judge"):
        found["judge_eye"] = reference(asked.judge, "encoder", workspace) if asked.judge else None
    found["witness"] = reference(witness(), "encoder", workspace) if witness() else None
    return found


def planned(recipe: Recipe, asked: Asked) -> list[Node]:
    """The nodes of a recipe without touching data or models; BadInput says what cannot be."""
    return recipe.nodes({**asked.model_dump(), **placeholders(asked)})


def placeholders(asked: Asked) -> dict[str, Any]:
    """Stands for what only `prepare` can know: digests of data and models."""
    backbone = "".join(c if c.isalnum() or c in "-_." else "-" for c in asked.backbone) or "model"
    return {
        "source": f"source:{_UNKNOWN}",
        "backbone": f"{backbone}@{_UNKNOWN}",
        "encoder": f"encoder@{_UNKNOWN}",
        "shots": asked.shots,
        "folds": asked.folds,
        "resources": asked.resources.model_dump(),
    }


def _eyes(workspace: Workspace, asked: Asked) -> dict[str, Any]:
    """The encoders to choose from; `left_out` says in sentences which of those known are not at hand."""
    if asked.encoder not in (None, AUTO):
        named = reference(str(asked.encoder), "encoder", workspace)
        return {"encoder": named, "eyes": [named], "left_out": []}
    found, left_out = at_hand(workspace, *([] if asked.backbone == "pico" else [LARGE_ENCODER]))
    return {"encoder": AUTO, "eyes": found, "left_out": left_out}


def step_from_text(kind: str, options: dict[str, str], workspace: Workspace, names: Names | None = None) -> Step:
    """A Step from command-line words. Data and models may be given by name or path; lists and filters as JSON, lists
    of words with commas between; sets, adapters and all else that was made by id or, with `names`, by name. Who looks
    for copies is the eye at hand unless another is named, or `none`.
    """
    cls = step_class(kind)
    fields: dict[str, Any] = {}
    models = fields_naming(cls, "model")
    for name, text in options.items():
        if name == "source" and not text.startswith("source:"):
            fields[name] = sources.register(text, workspace)
        elif name in models and "@" not in text and text not in ("null", "none"):
            fields[name] = _named(text, cls, name, workspace)
        else:
            fields[name] = _value(text, cls, name, names)
    if "eye" in cls.model_fields and "eye" not in fields and witness():
        fields["eye"] = reference(witness(), "encoder", workspace)
    return build(kind, fields)


def _named(text: str, cls: type[Step], field: str, workspace: Workspace) -> str | list[str]:
    """Models by name, folder or repository, as references; several with commas between where a field takes a list."""
    purpose: Purpose = "backbone" if field == "backbone" else "encoder"
    if not is_list(cls, field):
        return reference(text, purpose, workspace)
    return [reference(one.strip(), purpose, workspace) for one in text.split(",")]


def _value(text: str, cls: type[Step], name: str, names: Names | None) -> Any:
    """JSON for anything but text fields, where `3` must stay the text 3, and names of what was made."""
    info = cls.model_fields.get(name)
    if info is not None and info.annotation is str and not roles_of(cls, name)[0]:
        return text
    roles, several = roles_of(cls, name)
    value = text if roles and not several else json_or_text(text)
    if not roles:
        alone = value == text or isinstance(value, int | float)  # one class may be called 7
        return [part.strip() for part in text.split(",")] if several and alone else value
    wanted = value if isinstance(value, list) else [text]
    found = [_made(one, roles, name, names) for one in wanted]
    return found if several else found[0]


def _made(text: Any, roles: tuple[str, ...], field: str, names: Names | None) -> Any:
    """The id of what a person names for a field; `none` stays none."""
    if names is None or not isinstance(text, str) or text in ("null", "none"):
        return None if text in ("null", "none") else text
    try:
        return names.find(text, roles)
    except BadInput as error:
        raise type(error)(f"--{field.replace('_', '-')}: {error}") from error


def check_resources(resources: Resources) -> None:
    """BadInput for a device name that cannot be one."""
    name = resources.device.partition(":")[0]
    with concerning("device"):
        if name not in ("auto", "cpu", "cuda", "mps"):
            raise BadInput(f"{resources.device!r} is not a device. Use auto, cpu, cuda, cuda:1 or mps.")
