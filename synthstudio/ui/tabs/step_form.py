"""A form for one or several kinds of Step, read off the Steps themselves: a field that is added needs nothing here.

What names images, classifiers and the like is chosen from all that the project holds; models by name; the rest has the
control of its type. Fields that several kinds share, with the same rules, are one control.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from synthstudio.complaints import concerning, label
from synthstudio.errors import BadInput, StudioError
from synthstudio.intake.sources import DIGITS
from synthstudio.jobs.asking.asked import AUTO
from synthstudio.models import MODELS, reference, witness
from synthstudio.step import STEPS, FieldInfo, Step, describe, fields_naming, roles_of, step_class, step_title
from synthstudio.step import build as build_step
from synthstudio.ui.session.choices import everything
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import for_strangers, refused
from synthstudio.ui.tabs import controls

_UNKNOWN = "0" * 64
CHOSEN_LATER = f"{AUTO}@{_UNKNOWN}"  # in the place of a model that the photos will choose
_FIRST_FEW = 2  # of a list that must not be empty, chosen until somebody chooses
_NONE = ("–", "")
_A_MODEL = "A name, a folder or a Hub repository."
_FIRST_MODEL = {"encoder": "pico-clip", "backbone": "pico"}
_FIRST_SCORER = "score.label_agreement"
_AUTOMATIC = ("auto: your photos choose", AUTO)


@dataclass(frozen=True)
class Look:
    """How a form shows its fields: `first` are in sight, the rest is under More; `skip` is asked for elsewhere.

    `choose` is the label of the list of kinds, of which `several` may be chosen; `values` and `labels` are used in the
    place of a Step's own defaults and of the names of its fields. Of the models in `automatic` the first choice is that
    the photos choose: `fields` then gives `CHOSEN_LATER`.
    """

    first: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    choose: str = "What to do"
    several: bool = False
    explained: bool = False  # say of each kind what it is
    values: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    automatic: tuple[str, ...] = ()


@dataclass
class _Asked:
    """One control, the field it asks for, and the kinds that have it."""

    name: str
    info: FieldInfo
    roles: tuple[str, ...]
    several: bool
    model: bool
    control: Any
    kinds: list[str] = field(default_factory=list)


def kinds_of(prefix: str) -> list[str]:
    """Every kind of Step that begins so; one that is added is there by itself."""
    return sorted(kind for kind in STEPS if kind.startswith(prefix))


def scorers() -> list[str]:
    """Every scorer, first the one that recipes filter by."""
    return sorted(kinds_of("score."), key=lambda kind: kind != _FIRST_SCORER)


def _explained(kind: str) -> str:
    """'Train a linear probe: Logistic regression on unit embeddings': the words of a kind, and what its class says."""
    about = re.split(r"[,.;:(]", (step_class(kind).__doc__ or kind).strip().splitlines()[0])[0].strip()
    named = step_title(kind)
    return about if named.startswith(about) else f"{named}: {about}"


class StepForm:
    """Controls for the fields of `kinds`; with several kinds, one (or with `several` more) of them is chosen first."""

    def __init__(self, session: StudioSession, name: str, kinds: Sequence[str], look: Look) -> None:
        self.session, self.name, self.kinds, self.look = session, name, list(kinds), look
        self.kind = self._chooser() if len(self.kinds) > 1 else None
        self._asked: dict[str, _Asked] = {}
        found = self._fields()
        for key, one in found.items():
            if one.name in look.first:
                self._make(key, one)
        rest = {key: one for key, one in found.items() if key not in self._asked}
        if rest:
            with gr.Accordion("More", open=False, elem_id=f"ss-{name}-more"):
                for key, one in rest.items():
                    self._make(key, one)

    # ---- the controls

    @property
    def controls(self) -> dict[str, Any]:
        """Every control by the key of its value."""
        found = {} if self.kind is None else {"kind": self.kind}
        return found | {key: one.control for key, one in self._asked.items()}

    @property
    def listed(self) -> list[Any]:
        """The controls whose choices come from the project."""
        return [one.control for one in self._asked.values() if one.roles]

    def choices(self, chosen: Sequence[Any]) -> list[Any]:
        """New choices for `listed`, what the project holds now; what is `chosen` and still there stays."""
        found = []
        for one, value in zip((one for one in self._asked.values() if one.roles), chosen, strict=True):
            offered = self._choices(one)
            ids = [each for _, each in offered]
            if one.several:
                kept: Any = [each for each in value or () if each in ids]
                kept = kept or (ids[:_FIRST_FEW] if one.info.required else [])
            else:
                kept = value if value in ids else next(iter(ids), None)
            found.append(gr.Dropdown(offered, value=kept))
        return found

    @property
    def preview(self) -> Callable[[dict[str, Any]], str] | None:
        """A way of its own to say what it will do; this form has none."""
        return None

    def follow_kind(self, quiet: Mapping[str, Any]) -> None:
        """Show the fields of the chosen kind only."""
        if self.kind is None:
            return
        asked = list(self._asked.values())
        classes = [type(one.control) for one in asked]

        @for_strangers
        def shown(chosen: Any) -> list[Any]:
            kinds = self._chosen({"kind": chosen})
            return [cls(visible=bool(set(one.kinds) & set(kinds))) for cls, one in zip(classes, asked, strict=True)]

        self.kind.change(shown, self.kind, [one.control for one in asked], **quiet)

    def _chooser(self) -> Any:
        offered = [(_explained(kind) if self.look.explained else step_title(kind), kind) for kind in self.kinds]
        about: dict[str, Any] = {"label": self.look.choose, "elem_id": f"ss-{self.name}-kind"}
        if self.look.several:
            return gr.CheckboxGroup(offered, value=self.kinds[:1], **about)
        return gr.Dropdown(offered, value=self.kinds[0], filterable=False, **about)

    def _fields(self) -> dict[str, _Asked]:
        found: dict[str, _Asked] = {}
        for kind in self.kinds:
            cls = step_class(kind)
            models = fields_naming(cls, "model")
            for info in describe(cls):
                if info.name in self.look.skip:
                    continue
                same = [one for one in found.values() if one.name == info.name and _alike(one.info, info)]
                if not same:
                    key = info.name if info.name not in found else f"{kind.partition('.')[2]}_{info.name}"
                    roles, several = roles_of(cls, info.name)
                    same = [_Asked(info.name, info, roles, several, info.name in models, None)]
                    found[key] = same[0]
                same[0].kinds.append(kind)
        return found

    def _make(self, key: str, one: _Asked) -> None:
        # In sight from the start where the first kind has it.
        about: dict[str, Any] = {
            "label": self.look.labels.get(one.name, label(one.name)), "visible": self.kinds[0] in one.kinds,
            "elem_id": f"ss-{self.name}-{key.replace('_', '-')}",
        }  # fmt: skip
        if one.roles:
            offers = gr.Dropdown([], multiselect=one.several, info=one.info.help, **about)
            one.control = following(offers, lambda: self._choices(one), fill=False)  # filled when the fold is opened
        elif one.model:
            automatic = [_AUTOMATIC] if one.name in self.look.automatic else []
            first = AUTO if automatic else _first_model(one)
            offered = [*automatic, *_models(one.name)]
            one.control = gr.Dropdown(offered, value=first, allow_custom_value=True, info=_A_MODEL, **about)
        else:
            cls = step_class(one.kinds[0])
            if one.name in self.look.values and self.kinds[0] in one.kinds:
                about["value"] = controls.show(cls, self.look.values, [one.name])[0]
            one.control = controls.control(cls, one.name, **about)
        self._asked[key] = one

    def _choices(self, one: _Asked) -> list[tuple[str, str]]:
        found = everything(self.session, one.roles)
        return found if one.info.required or one.several else [_NONE, *found]

    # ---- the way back

    def _chosen(self, values: Mapping[str, Any]) -> list[str]:
        if self.kind is None:
            return self.kinds
        given = values["kind"] if isinstance(values["kind"], list) else [values["kind"]]
        return [kind for kind in self.kinds if kind in given]

    def chosen(self, values: Mapping[str, Any]) -> list[str]:
        """The kinds that are chosen; BadInput where none is."""
        found = self._chosen(values)
        if not found:
            raise refused("kind", "Choose at least one of these.")
        return found

    def fields(self, kind: str, values: Mapping[str, Any], *, preview: bool = False) -> dict[str, Any]:
        """The fields of a kind as its Step takes them. A preview names models without looking for them."""
        own = {key: one for key, one in self._asked.items() if kind in one.kinds}
        found: dict[str, Any] = {}
        for key, one in own.items():
            if one.model:
                with concerning(key):
                    found[one.name] = self._model(one, str(values[key] or "").strip(), preview)
            elif one.roles:
                found[one.name] = self._made(key, one, values[key])
            else:
                found |= controls.read(step_class(kind), {one.name: values[key]})
        return found

    def steps(self, values: Mapping[str, Any], *, preview: bool = False) -> list[Step]:
        """The Steps that are asked for; every refusal is about the control that can mend it."""
        return [self.step(kind, self.fields(kind, values, preview=preview)) for kind in self.chosen(values)]

    def step(self, kind: str, fields: dict[str, Any]) -> Step:
        """A Step of these fields; what its rules refuse is said of this form's controls."""
        try:
            return build_step(kind, fields)
        except StudioError as error:
            keys = {one.name: key for key, one in self._asked.items() if kind in one.kinds}
            error.fields = {keys.get(name, name): text for name, text in error.fields.items()}
            raise

    def _made(self, key: str, one: _Asked, value: Any) -> Any:
        if one.several:
            return list(value or ())
        if not value and one.info.required:
            raise refused(key, f"{label(one.name)}: choose one. Where the list is empty, there is none yet.")
        return value or None

    def _model(self, one: _Asked, name: str, preview: bool) -> str | None:
        if not name:
            if one.info.required:
                raise BadInput(f"{label(one.name)}: name one.")
            return None
        if name == AUTO and one.name in self.look.automatic:
            return CHOSEN_LATER
        if preview:
            return f"{''.join(c if not c.isspace() and c != '@' else '-' for c in name)[:80]}@{_UNKNOWN}"
        self.session.check_writable()
        self.session.check_sources(DIGITS, name)
        return reference(name, "backbone" if one.name == "backbone" else "encoder", self.session.studio.workspace)


def _first_model(one: _Asked) -> str:
    """What a form begins with: who looks for copies is the eye at hand, any other model that may be left out is."""
    if one.name == "eye":
        return witness()
    return _FIRST_MODEL.get(one.name, "") if one.info.required else ""


def _models(field_name: str) -> list[tuple[str, str]]:
    purpose = "backbone" if field_name == "backbone" else "encoder"
    return [(f"{one.name}: {one.about}", one.name) for one in MODELS.values() if one.purpose == purpose]


def _alike(one: FieldInfo, other: FieldInfo) -> bool:
    """Whether one control can stand for both: whether a field must be given may differ."""
    return one._replace(required=False) == other._replace(required=False)
