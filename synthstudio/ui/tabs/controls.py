"""Controls read off a Step's fields: one declaration for form, flag and row."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from synthstudio.complaints import label as words_of
from synthstudio.step import FieldInfo, Step, describe
from synthstudio.terms import ABOUT, Slider

_FEW_CHOICES = 5
_FINE = 0.001  # the step of a share or a weight that begins at 0
_OPTIONAL_NUMBERS = ("integer or none", "number or none")


def control(cls: type[Step], name: str, label: str | None = None, **changes: Any) -> Any:
    """The control of one field: a slider where the vocabulary gives a comfortable range, else by its type."""
    info = next(field for field in describe(cls) if field.name == name)
    hint = next((one for one in cls.model_fields[name].metadata if isinstance(one, Slider)), None)
    shown: dict[str, Any] = {
        "label": label or words_of(name),
        "info": info.help.replace("none: use", "leave empty to use").replace("none:", "empty:")
        if info.type in _OPTIONAL_NUMBERS
        else info.help,
        "value": _shown(info),
        "elem_id": f"ss-{cls.kind.replace('.', '-').replace('_', '-')}-{name.replace('_', '-')}",
    } | changes
    return _by_type(info, hint, shown)


def _by_type(info: FieldInfo, hint: Slider | None, shown: dict[str, Any]) -> Any:
    if info.choices:
        kind = gr.Radio if len(info.choices) <= _FEW_CHOICES else gr.Dropdown
        return kind([(ABOUT.get(choice, choice), choice) for choice in info.choices], **shown)
    if info.type == "boolean":
        return gr.Checkbox(**shown)
    if info.type in _OPTIONAL_NUMBERS:
        return gr.Textbox(**shown)  # a number that may be left out is text: an empty gr.Number is a mistake elsewhere
    if info.type in ("integer", "number") and hint is not None:
        return gr.Slider(hint.low, hint.high, step=hint.step, **shown)
    if info.type in ("integer", "number"):
        # No bounds and no precision here: the Step refuses what it cannot take with a sentence, gr.Number with a bare
        # error, and it would round 1.5 without a word.
        return gr.Number(step=1 if info.type == "integer" else _step(info, shown["value"]), **shown)
    if info.type == "array":
        return gr.Textbox(lines=2, **shown)
    return gr.Textbox(**shown)


def _step(info: FieldInfo, value: float | None) -> float:
    """What one press of an arrow changes: a unit of the first digit, so that a learning rate does not jump by 1."""
    if value:
        return min(1.0, 10.0 ** math.floor(math.log10(abs(value))))
    return _FINE if info.maximum is not None and info.maximum <= 1 else 1.0


def _shown(info: FieldInfo) -> Any:
    return _as_shown(info, info.default)


def _as_shown(info: FieldInfo, value: Any) -> Any:
    if info.type == "array":
        return "\n".join(map(str, value or ()))
    if info.type in _OPTIONAL_NUMBERS:
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return value


def read(cls: type[Step], values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a Step from the values of its controls; an empty box of an optional field is none."""
    known = {field.name: field for field in describe(cls)}
    return {name: _value(known[name], value) for name, value in values.items() if name in known}


def _value(info: FieldInfo, value: Any) -> Any:
    if info.type == "array" and isinstance(value, str):
        return [line.strip() for line in value.replace(",", "\n").splitlines() if line.strip()]
    if isinstance(value, str) and info.type in _OPTIONAL_NUMBERS:
        value = None if value.strip().lower() == "none" else value.strip()  # pydantic reads or refuses the rest
    if info.type.endswith("or none") and value in ("", None):
        return None
    if info.type.startswith("integer") and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def show(cls: type[Step], fields: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """Values for the controls of `names` from a Step's fields: the way back of `read`."""
    known = {field.name: field for field in describe(cls)}
    return [_as_shown(known[name], fields.get(name, known[name].default)) for name in names]
