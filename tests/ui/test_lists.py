"""What there is to choose from follows what happens, and what a person chose is never replaced in silence."""

import json
import shutil

import gradio as gr
import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Output, Progress
from synthstudio.jobs.knowing.stock import typed
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.ui.api.live import Live
from synthstudio.ui.session import choices, lists
from synthstudio.ui.session.choices import PLAIN
from synthstudio.ui.session.lists import Asked, asked_of, following, refreshed
from synthstudio.ui.shell import build as build_page
from synthstudio.ui.tabs.sample import _Wish
from tests.examples import EXAMPLES
from tests.jobs.counting import Paint
from tests.ui.blocks import built
from tests.ui.test_distil import finish
from tests.ui.test_shots import upload

NOTHING = Asked({})


def adapted(session, name="r1", **fields):
    """A finished adaptation; returns the id of its adapter."""
    body = {"backbone": EXAMPLES["adapt.lora"]["backbone"], "run": name}
    adapter = session.studio.workspace.put_document("adapter", body)
    step = build("adapt.lora", {**EXAMPLES["adapt.lora"], **fields})
    finish(session.studio, name, step, Output(name="adapter", value=adapter))
    return adapter


def dropdown(offered, **kwargs):
    extra = {name: kwargs.pop(name) for name in ("typed", "fill") if name in kwargs}
    return following(gr.Dropdown([], label="Thing", elem_id="thing", **kwargs), lambda: offered, **extra)


def one(session, control, value, asked=NOTHING):
    """(new value or "kept", what is said) of one control after the lists have changed."""
    update, said = refreshed(session, [control], [value], asked)
    return update.get("value", "kept"), said


OFFERED = [("Second", "b"), ("First", "a")]


def test_a_choice_that_is_still_there_is_kept_and_nothing_else_is_sent(session):
    update, said = refreshed(session, [dropdown(OFFERED)], ["a"], NOTHING)
    assert (update["choices"], said) == (OFFERED, "")
    assert "value" not in update


@pytest.mark.parametrize("empty", [None, "", []])
def test_where_nothing_was_chosen_the_newest_is(session, empty):
    assert one(session, dropdown(OFFERED), empty) == ("b", "")
    assert one(session, dropdown(OFFERED, fill=False), empty) == ("kept", "")
    assert one(session, dropdown([]), empty) == ("kept", "")


def test_a_choice_that_is_gone_is_said_and_nothing_takes_its_place_later_either(session):
    value, said = one(session, dropdown(OFFERED), "c")
    assert value is None
    assert "Thing: what was chosen is not there any more" in said
    assert 'data-field="thing"' in said
    assert one(session, dropdown(OFFERED), None, Asked({}, ["thing"]))[0] is None
    assert one(session, dropdown(OFFERED), "a", Asked({}, ["thing"])) == ("kept", "")


def test_what_somebody_typed_is_theirs(session):
    control = dropdown(OFFERED, allow_custom_value=True, typed=lambda value: value.startswith("/"))
    assert one(session, control, "/photos") == ("kept", "")
    assert one(session, control, "c")[0] is None


def test_of_several_chosen_ones_those_that_are_there_stay(session):
    control = dropdown(OFFERED, multiselect=True)
    assert one(session, control, ["a", "b"])[0] == "kept"
    assert one(session, control, [])[0] == ["b", "a"]
    value, said = one(session, control, ["a", "c"])
    assert (value, "not there any more" in said) == (["a"], True)


def test_what_somebody_has_emptied_is_not_filled_again(session):
    control = dropdown(OFFERED, multiselect=True)
    for value in (["a"], []):  # what was chosen, or filled in just now: the page remembers that there was something
        assert 'data-held="thing"' in one(session, control, value)[1]
    assert one(session, control, [], Asked({}, held=["thing"])) == ("kept", "")


@pytest.mark.parametrize("junk", [7, {"a": 1}, [["a"]], "\0", True, 1.5])
def test_whatever_is_sent_as_a_choice_is_answered(session, junk):
    assert one(session, dropdown(OFFERED), junk)[0] is None
    control = dropdown(OFFERED, allow_custom_value=True, typed=lambda value: typed(session.studio, value))
    one(session, control, junk)


def test_the_page_may_ask_for_a_value_or_for_what_a_run_made(session):
    adapter = adapted(session)
    control = following(gr.Dropdown([], label="Adapter", elem_id="a"), lambda: choices.adapters(session))
    assert one(session, control, PLAIN, Asked({"a": "run:r1"})) == (adapter, "")
    assert one(session, control, PLAIN, Asked({"a": adapter})) == (adapter, "")
    for wanted in ("run:nothing", "run:", "adapter:" + "0" * 64, "../../etc"):
        value, said = one(session, control, PLAIN, Asked({"a": wanted}))
        assert value == "kept"
        assert "not there any more" in said


@pytest.mark.parametrize(
    "sent",
    [None, [], {}, {"asked": 7}, {"asked": "{"}, {"asked": "[" * 4000}, {"asked": "[]"}, {"asked": "x" * 5000},
     {"asked": json.dumps({"choose": {"a": 1}, "gone": [], "held": []})},
     {"asked": json.dumps({"choose": [], "gone": [], "held": []})}, {"asked": json.dumps({"choose": {}, "gone": []})},
     {"asked": json.dumps({"choose": {}, "gone": [7], "held": []})}],
)  # fmt: skip
def test_what_the_page_does_not_send_is_refused_in_words(sent):
    with pytest.raises(BadInput, match="Reload the page"):
        asked_of(sent)


def test_the_version_follows_ended_runs_names_and_photos_and_nothing_else(session):
    seen = [lists.version(session)]

    def changed():
        seen.append(lists.version(session))
        return seen[-1] != seen[-2]

    assert not changed()
    session.studio.catalog.runs.add("r0", Paint(), Resources())
    session.studio.catalog.ingest("r0", [(1.0, Progress(done=1, total=3, unit="images"))], 1)
    assert not changed()
    adapter = adapted(session)
    assert changed()
    session.studio.catalog.names.give(adapter, "mine")
    assert changed()
    session.studio.catalog.names.give(adapter, "yours")
    assert changed()
    upload(session, {"cat": 3, "dog": 3})
    assert changed()
    shutil.rmtree(session.studio.workspace.root / "sources")
    assert changed()


def asked_for(session, adapter):
    """The adapter that the Sample form asks for when this is chosen in it."""
    with built(), gr.Blocks():
        form = _Wish(session)
    values = {name: control.value for name, control in form.all.items()}
    return form.step({**values, "labels": ["cat"], "adapter": adapter}).adapter


def test_before_there_is_an_adapter_images_are_made_with_the_model_as_it_is(session):
    assert choices.adapters(session) == [("None yet: the model as it is", "")]
    assert asked_for(session, "") is None


@pytest.mark.parametrize("nothing", ["", None])
def test_once_there_is_an_adapter_none_is_a_choice_and_no_choice_is_refused(session, nothing):
    adapter = adapted(session)
    assert [value for _, value in choices.adapters(session)] == [adapter, PLAIN]
    with pytest.raises(BadInput, match="Adapter: choose one") as refusal:
        asked_for(session, nothing)
    assert list(refusal.value.fields) == ["adapter"]
    assert asked_for(session, PLAIN) is None
    assert asked_for(session, adapter) == adapter


def test_the_first_adapter_to_come_takes_the_place_of_none_yet(session):
    control = following(gr.Dropdown([], label="Adapter", elem_id="a"), lambda: choices.adapters(session))
    assert one(session, control, None)[0] == ""
    adapter = adapted(session)
    assert one(session, control, "")[0] == adapter
    adapted(session, "r2", rank=8)
    assert one(session, control, adapter) == ("kept", "")
    assert one(session, control, PLAIN) == ("kept", "")


def test_shots_and_classes_come_with_the_split(session):
    shots = session.studio.workspace.put_set(ImageSet.of("set", [Member("cat", "a" * 64), Member("dog", "b" * 64)]))
    images = following(gr.Dropdown([], label="Shots", elem_id="i"), lambda: choices.shots(session))
    assert one(session, images, None) == ("kept", "")
    step = build("collect.split", EXAMPLES["collect.split"])
    finish(session.studio, "r1", step, Output(name="shots", value=shots), Output(name="labels", value=["cat", "dog"]))
    assert one(session, images, None) == (shots, "")
    assert choices.labels(session) == ["cat", "dog"]


def test_every_list_of_the_page_follows(session):
    with built():
        page = build_page(session, Live(session))
    dropdowns = [block for block in page.blocks.values() if isinstance(block, gr.Dropdown)]
    empty = {block.elem_id: block for block in dropdowns if not block.choices}
    assert {"ss-adapt-images", "ss-sample-adapter", "ss-sample-labels"} <= empty.keys()
    assert [name for name, block in empty.items() if "follows" not in vars(block)] == ["ss-project"]
    marked = [block for block in dropdowns if "follows" in vars(block)]
    assert {"ss-data", "ss-distil-data"} <= {block.elem_id for block in marked}
    assert all(block.elem_id and block.label for block in marked)
