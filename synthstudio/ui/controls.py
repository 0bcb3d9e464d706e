"""Controls read off a Step's fields: one declaration for form, flag and row."""

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from synthstudio.errors import BadInput
from synthstudio.step import FieldInfo, Step, describe
from synthstudio.terms import Slider

_FEW_CHOICES = 5
_OPTIONAL_NUMBERS = ("integer or none", "number or none")


def ranged(low: float, high: float, **shown: Any) -> gr.Slider:
    """A slider whose range is comfort, not validity: while a number is typed it may be outside for a moment, and what
    cannot be is refused by the Step in words, where gr.Slider answers with a bare error.
    """
    slider = gr.Slider(low, high, **shown)
    # Of this one only: a subclass would have gradio write a .pyi file beside this one.
    vars(slider)["preprocess"] = _as_given
    return slider


def _as_given(payload: float) -> float:
    return payload


def control(cls: type[Step], name: str, label: str | None = None, **changes: Any) -> Any:
    """The control of one field: a slider where the vocabulary gives a comfortable range, else by its type."""
    info = next(field for field in describe(cls) if field.name == name)
    hint = next((one for one in cls.model_fields[name].metadata if isinstance(one, Slider)), None)
    shown: dict[str, Any] = {
        "label": label or name.replace("_", " ").capitalize(),
        "info": info.help,
        "value": _shown(info),
        "elem_id": f"ss-{cls.kind.replace('.', '-').replace('_', '-')}-{name.replace('_', '-')}",
    } | changes
    return _by_type(info, hint, shown)


def _by_type(info: FieldInfo, hint: Slider | None, shown: dict[str, Any]) -> Any:
    if info.choices:
        kind = gr.Radio if len(info.choices) <= _FEW_CHOICES else gr.Dropdown
        return kind(list(info.choices), **shown)
    if info.type == "boolean":
        return gr.Checkbox(**shown)
    if info.type in _OPTIONAL_NUMBERS:
        # An empty gr.Number reaches us as 0; only text can say "none".
        return gr.Textbox(placeholder="none", **shown)
    if info.type in ("integer", "number") and hint is not None:
        return ranged(hint.low, hint.high, step=hint.step, **shown)
    if info.type in ("integer", "number"):
        # No bounds here: the Step refuses what it cannot take with a sentence, gr.Number with a bare error.
        return gr.Number(precision=0 if info.type == "integer" else None, **shown)
    if info.type == "array":
        return gr.Textbox(lines=2, **shown)
    return gr.Textbox(**shown)


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
        return _number(info, value.strip())
    if info.type.endswith("or none") and value in ("", None):
        return None
    if info.type.startswith("integer") and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _number(info: FieldInfo, text: str) -> float | int | None:
    if text.lower() in ("", "none"):
        return None
    try:
        return int(text) if info.type.startswith("integer") else float(text)
    except ValueError:
        whole = "a whole number" if info.type.startswith("integer") else "a number"
        raise BadInput(f"{info.name.replace('_', ' ').capitalize()}: {text!r} is not {whole}.") from None


def show(cls: type[Step], fields: Mapping[str, Any], names: Iterable[str]) -> list[Any]:
    """Values for the controls of `names` from a Step's fields: the way back of `read`."""
    known = {field.name: field for field in describe(cls)}
    return [_as_shown(known[name], fields.get(name, known[name].default)) for name in names]
