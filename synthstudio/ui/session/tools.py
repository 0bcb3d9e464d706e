"""What every tab needs: errors as sentences, events that are not part of the API, forms that survive a reload."""

import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import gradio as gr
from pydantic import ValidationError, validate_call

from synthstudio.complaints import refusal
from synthstudio.errors import BadInput, StudioError
from synthstudio.ui import scripts
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.words import safe

P = ParamSpec("P")
R = TypeVar("R")

# Keyword arguments of an event that is no part of the public API and shows no spinner.
# Not queued: a short request and its answer, where a queued event needs a stream that a busy moment can break. Its
# progress is shown on nothing: gradio goes through every component of which it would show some, hidden or not, whenever
# any event begins or ends, which took most of the time in which the page opens.
QUIET: Any = {"api_visibility": "private", "show_progress": "hidden", "show_progress_on": [], "queue": False}
_OURS = "This went wrong inside the program, not in what you asked. Nothing was started; its log says more."

log = logging.getLogger("synthstudio")


_FOR_STRANGERS, _REFUSE = "for_strangers", "refuse"
_LONGEST = 100_000
_FIRST_TAB = "start"  # that a page comes with whose address names none


def spoken(function: Callable[P, R]) -> Callable[P, R]:
    """Hand an error a person can mend to a caller of the API as a sentence. Forms answer by `Form` instead: gradio
    shows nothing where an event that is not queued raises.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except StudioError as error:
            raise gr.Error(safe(error), duration=15, print_exception=False) from error

    return wrapped


def typed(function: Callable[P, R]) -> Callable[P, R]:
    """Refuse arguments of another type than the function names: a program may send anything to a public endpoint."""
    checked: Any = validate_call(function)

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
        try:
            return checked(**given)
        except ValidationError as error:
            raise refusal(error) from error

    return wrapped


def for_strangers(function: Callable[P, R]) -> Callable[P, R]:
    """Mark an event that only looks, at little cost: on a public copy it answers who has not signed in, too."""
    vars(function)[_FOR_STRANGERS] = True
    return function


def close_to_strangers(page: gr.Blocks, session: StudioSession) -> None:
    """The door of every event of a page, whoever wired it: on a public copy a stranger gets the sign-in sentence, and
    no event gets a text that cannot be stored.
    """
    for event in page.fns.values():
        if event.fn is not None:
            event.fn = _behind_door(event.fn, session)


def _behind_door(function: Callable[..., Any], session: StudioSession) -> Callable[..., Any]:
    # Gradio's own ask who has signed in, and send to the sign-in.
    is_open = hasattr(function, _FOR_STRANGERS) or str(function.__module__).startswith("gradio.")

    refuse = getattr(function, _REFUSE, None)  # a form's own way to say it

    @functools.wraps(function)
    def entered(*args: Any, **kwargs: Any) -> Any:
        try:
            if not is_open:
                session.check_writable()
            check_texts(args)
        except StudioError as error:
            if refuse is None:
                raise
            return refuse(error)
        return function(*args, **kwargs)

    vars(entered)[_FOR_STRANGERS] = is_open
    return spoken(entered)


def check_texts(values: Iterable[Any]) -> None:
    """BadInput for a text, in a list too, that is endless or holds half a character, which no file can."""
    for value in values:
        if isinstance(value, list | tuple):
            check_texts(one for one in value if isinstance(one, str))
        if isinstance(value, str):
            if len(value) > _LONGEST:
                raise BadInput(f"A text of {len(value)} characters is too long. Shorten it to {_LONGEST}.")
            if any("\ud800" <= letter <= "\udfff" for letter in value):
                raise BadInput("The text holds half a character. Type it again, or leave the sign out.")


class Form:
    """The controls of a form by name, and the place where it answers.

    Every refusal stands in that place, and each of its sentences once more beside the field it is about: the script
    `assets/page/shared/answers.js` puts it there, by the id that every control is given here.
    """

    def __init__(self, name: str, controls: Mapping[str, Any]) -> None:
        self.name = name
        self.controls = dict(controls)
        for field, control in self.controls.items():
            control.elem_id = control.elem_id or f"ss-{name}-{field.replace('_', '-')}"
            # What cannot be is refused in words by us; gradio would round, or raise what nobody sees.
            vars(control)["preprocess"] = _as_given
        self.said = gr.HTML("", elem_id=f"ss-{name}-said", elem_classes="ss-plainblock", apply_default_css=False)

    @property
    def fields(self) -> list[Any]:
        """The controls, in the order of their values."""
        return list(self.controls.values())

    def values(self, given: Sequence[Any]) -> dict[str, Any]:
        """The values of an event's inputs, by name."""
        return dict(zip(self.controls, given, strict=True))

    def press(self, button: Any, act: Callable[..., object], done: str) -> None:
        """When the button is pressed, `act` on the fields; `done` is what the page runs if nothing was refused."""
        self.follow(button.click(self.answered(act), self.fields, self.said, trigger_mode="once", **QUIET), done)

    def then(self, event: Any, act: Callable[..., object], done: str) -> None:
        """The same after another event of the page."""
        self.follow(event.then(self.answered(act), self.fields, self.said, **QUIET), done)

    def planned(self, filled_in: Any, tab: gr.Tab | None, place: Any, plan: Callable[[dict[str, Any]], str]) -> Any:
        """Keep a plan beside the form: made when the form was filled in, when anything in it changes, and when its tab,
        if one is given, is opened, as photos may have come; a page that comes with another tab needs none before.
        Where there can be none, it is said why. Returns the first event.
        """

        def show(*given: Any) -> tuple[str, str]:
            try:
                return plan(self.values(given)), ""
            except StudioError as error:
                return "", self.refusal(error)

        def show_first(request: gr.Request, *given: Any) -> tuple[Any, Any]:
            seen = tab is None or tab.id == request.query_params.get("tab", _FIRST_TAB)
            return show(*given) if seen else (gr.skip(), gr.skip())

        for one in (show, show_first):
            vars(one)[_REFUSE] = lambda error: ("", self.refusal(error))
        told: Any = {"inputs": self.fields, "outputs": [place, self.said], **QUIET}
        changed = [one.change for one in self.fields]
        opened = [] if tab is None else [tab.select]
        self.follow(gr.on([*changed, *opened], show, trigger_mode="always_last", **told))
        return filled_in.then(show_first, **told)

    def follow(self, event: Any, done: str | None = None) -> None:
        """After an event that has filled the place of answers: mark the fields, or go on with `done` after a press."""
        event.then(None, self.said, None, js=scripts.call("answered", self.name, done), **QUIET)

    def answered(self, act: Callable[..., object]) -> Callable[..., str]:
        """`act` as an event whose output is the place of answers: empty, or why it could not be done."""

        @functools.wraps(act)
        def wrapped(*values: Any) -> str:
            try:
                act(*values)
            except StudioError as error:
                return self.refusal(error)
            except Exception:
                log.exception("a press in the form %s failed", self.name)
                return self.refusal(StudioError(_OURS))
            return ""

        vars(wrapped)[_REFUSE] = self.refusal
        return wrapped

    def refusal(self, error: StudioError) -> str:
        """An error as sentences, each with the id of the field it is about."""
        about = error.fields or {"": str(error)}
        lines = [
            f'<p data-field="{safe(getattr(self.controls.get(field), "elem_id", ""))}">{safe(text)}</p>'
            for field, text in about.items()
        ]
        return f'<div class="ss-badline ss-refused" role="alert">{"".join(lines)}</div>'


def _as_given(payload: Any) -> Any:
    return payload


def refused(field: str, text: str) -> BadInput:
    """The error that says what is wrong with one field of a form."""
    error = BadInput(text)
    error.fields = {field: text}
    return error


def chosen_photos(values: Mapping[str, Any]) -> str:
    """The photos a form names; an empty box is a mistake that can be mended."""
    if not values["data"]:
        raise refused("data", "Photos: choose some, or write the path of a folder, zip or parquet file.")
    return str(values["data"])


def whole(values: Mapping[str, Any], name: str, label: str, least: int = 1, most: int | None = None) -> int:
    """A whole number of a form within its bounds; an empty box is a mistake that can be mended."""
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
        raise refused(name, f"{label} must be a whole number.")
    if value < least:
        raise refused(name, f"{label} must be at least {least}.")
    if most is not None and value > most:
        raise refused(name, f"{label} must be at most {most}.")
    return int(value)


def remembered(page: gr.Blocks, key: str, form: Sequence[Any]) -> Any:
    """Keep the values of a form in the reader's browser; returns the event that puts them back after a reload.

    The browser does both by itself: a gr.BrowserState is mounted with its tab, and a tab that was not opened yet would
    forget the form.
    """
    back = page.load(None, None, list(form), js=scripts.call("restoreForm", key, len(form)), **QUIET)
    gr.on(
        [one.change for one in form],
        None,
        list(form),
        None,
        js=scripts.call("rememberForm", key),
        **QUIET,
    )
    return back


def filled(event: Any, name: str) -> None:
    """Tell the page that the form of this name has its values, see `assets/page/shared/forms.js`."""
    event.then(None, js=scripts.call("loaded", name), **QUIET)


def empty(text: str) -> str:
    """What a place says while there is nothing in it: what to do next."""
    return f'<div class="ss-empty">{text}</div>'
