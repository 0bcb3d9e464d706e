"""What every tab needs: errors as sentences, events that are not part of the API, forms that survive a reload."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import gradio as gr

from synthstudio.errors import StudioError
from synthstudio.ui.words import safe

P = ParamSpec("P")
R = TypeVar("R")

# Keyword arguments of an event that is no part of the public API and shows no spinner.
# Not queued: a short request and its answer, where a queued event needs a stream that a busy moment can break.
QUIET: Any = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


def spoken(function: Callable[P, R]) -> Callable[P, R]:
    """Show an error a person can mend as a sentence on the page."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except StudioError as error:
            raise gr.Error(safe(error), duration=15, print_exception=False) from error

    return wrapped


def remembered(page: gr.Blocks, key: str, form: Sequence[Any]) -> Any:
    """Keep the values of a form in the reader's browser; returns the event that puts them back after a reload.

    The browser does both by itself: a gr.BrowserState is mounted with its tab, and a tab that was not opened yet would
    forget the form.
    """
    back = page.load(None, None, list(form), js=f"() => studio.restoreForm('{key}', {len(form)})", **QUIET)
    gr.on(
        [one.change for one in form],
        None,
        list(form),
        None,
        js=f"(...all) => studio.rememberForm('{key}', all)",
        **QUIET,
    )
    return back


def filled(event: Any, name: str) -> None:
    """Tell the page that the form of this name has its values, see `assets/page/studio.js`."""
    event.then(None, js=f"() => studio.loaded('{name}')", **QUIET)


def empty(text: str) -> str:
    """What a place says while there is nothing in it: what to do next."""
    return f'<div class="ss-empty">{text}</div>'
