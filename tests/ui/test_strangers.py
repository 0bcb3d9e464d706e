"""What gradio offers to somebody who has not signed in: every event is asked, those of later tabs too."""

import json

import gradio as gr
import pytest

from synthstudio.errors import BadInput
from synthstudio.jobs.public.quotas import Quota
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.place import place
from synthstudio.ui.session.tools import check_texts
from synthstudio.ui.shell import build
from tests.ui.blocks import built
from tests.ui.served import SPACE

LOOKING = {"result", "greet", "fill", "refresh", "_sources", "_of_preset", "presets", "_size", "<lambda>"}
LOOKING |= {"renewed", "shown"}  # lists of sets, and which fields a method has


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    home = tmp_path_factory.mktemp("space") / "home"
    session = SpaceSession(home, "default", place({**SPACE, "OAUTH_CLIENT_SECRET": ""}, home), Quota())
    with built():
        yield build(session, Live(session))
    session.close()


def said(event, page):
    """What an event answers a stranger who sends nothing useful."""
    values = [None] * len(event.inputs)
    try:
        return json.dumps(event.fn(*values), default=str)
    except Exception as error:  # noqa: BLE001 - whatever it is, a stranger sees it
        return str(error)


def test_every_event_asks_strangers_to_sign_in_unless_it_is_known_to_look_only(page):
    events = [event for event in page.fns.values() if event.fn is not None]
    closed = [event for event in events if not event.fn.for_strangers]
    assert {event.fn.__name__ for event in events if event.fn.for_strangers} <= LOOKING
    assert {"begin", "show", "run_recipe", "review_helped", "train_classifier", "use_settings"} <= {
        event.fn.__name__ for event in closed
    }
    for event in closed:
        assert "looked at" in said(event, page), event.fn.__name__


def test_a_preview_tells_strangers_to_sign_in_in_its_place_and_works_nothing_out(page, monkeypatch):
    for name in (
        "synthstudio.ui.tabs.asking.preview",
        "synthstudio.ui.tabs.distil_plan.preview",
        "synthstudio.ui.tabs.sample.plan",
    ):
        monkeypatch.setattr(name, lambda *given: pytest.fail("it was worked out"))
    previews = [event for event in page.fns.values() if event.fn is not None and event.fn.__name__ == "show"]
    assert len(previews) >= 5
    for event in previews:
        assert "looked at" in said(event, page)


def test_the_door_of_every_event_refuses_a_text_that_cannot_be_stored(page):
    event = next(one for one in page.fns.values() if one.fn is not None and one.fn.__name__ == "result")
    with pytest.raises(gr.Error, match="half a character"):
        event.fn("\ud800")


@pytest.mark.parametrize("value", ["\ud800", ["fine", "\udfff"], "x" * 1_000_000])
def test_no_event_takes_a_text_that_cannot_be_stored(value):
    with pytest.raises(BadInput, match=r"half a character|too long"):
        check_texts([1, None, value])
