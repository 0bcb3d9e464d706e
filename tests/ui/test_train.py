"""Training by hand: what the form submits and refuses, what is compared, and what the page says of it."""

import shutil
from typing import ClassVar

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from synthstudio import models
from synthstudio.artifacts import ImageSet
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.errors import BadInput, Leak, StudioError, UnknownName
from synthstudio.jobs.curating import accepted, by_hand
from synthstudio.jobs.curating.by_hand import NOW, Wish
from synthstudio.jobs.curating.freeze import freeze_accepted
from synthstudio.step import STEPS, Step
from synthstudio.terms import ImageSetId, ModelRef
from synthstudio.ui.api import exports, report_views, review_state, routes, views_routes
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.tabs import train
from synthstudio.ui.tabs.step_form import StepForm
from tests.jobs.colours import carried_out
from tests.jobs.inline import InlineLauncher
from tests.ui.blocks import built

PROBE = "train.linear_probe"


@pytest.fixture
def session(colours, tmp_path):
    yield from opened(colours, tmp_path / "home")


@pytest.fixture(scope="module")
def unchanged(colours, tmp_path_factory):
    """A project for tests that only look."""
    yield from opened(colours, tmp_path_factory.mktemp("unchanged") / "home")


def opened(colours, home):
    """A finished recipe of one fold: 9 shots, 15 synthetic images, all kept."""
    shutil.copytree(colours, home)
    session = StudioSession(home)
    session.studio.launcher = InlineLauncher()
    yield session
    session.close()


@pytest.fixture
def form(session):
    return form_of(session)


@pytest.fixture(scope="module")
def unchanged_form(unchanged):
    return form_of(unchanged)


def form_of(session):
    """The form of the method, on a page of its own."""
    with built(), gr.Blocks():
        return StepForm(session, "train", sorted(by_hand.methods(), key=lambda kind: kind != train.FIRST), train._LOOK)


@pytest.fixture
def encoder(session, colours_clip):
    return models.reference(str(colours_clip), "encoder", session.studio.workspace)


def shots(session):
    return train.real_sets(session)[0][1]


def filled(session, form, colours_clip, **given):
    """The values of the form as somebody fills it."""
    values = {key: one.value for key, one in form.controls.items()}
    return {
        **values, "kind": PROBE, "encoder": str(colours_clip), "real": shots(session), "synthetic": NOW,
        "ratio": train.ALL, "seed": 0, "baseline": True, "rivals": True, "test": "", **given,
    }  # fmt: skip


def nodes(session, pipeline):
    return {node.name: node for node in session.studio.catalog.pipelines.nodes(pipeline)}


def ended(session, pipeline):
    with session.acting() as studio:
        assert carried_out(studio, pipeline) == "done", studio.catalog.pipelines.get(pipeline).error
    return session.studio.catalog.pipelines.get(pipeline)


def test_the_form_trains_on_what_is_accepted_now_and_on_the_photos_alone_and_compares_all(session, form, colours_clip):
    earlier = [one.id for one in session.studio.catalog.names.all(("classifier",))]
    pipeline = train.start(session, form, filled(session, form, colours_clip, ratio="1 : 1"))
    made = nodes(session, pipeline)
    assert list(made) == ["selection", "share", "real_only", "real_and_synthetic", "report"]
    assert made["share"].template["count"] == 9
    ended(session, pipeline)
    outputs = {
        name: session.studio.catalog.runs.outputs(node.run_id) for name, node in nodes(session, pipeline).items()
    }
    both = session.studio.workspace.document(outputs["real_and_synthetic"]["classifier"])
    assert len(session.studio.workspace.image_set(both["synthetic"])) == 9
    report = session.studio.workspace.document(outputs["report"]["report"])
    first, second, *others = report["classifiers"]
    assert (first, second) == (outputs["real_and_synthetic"]["classifier"], outputs["real_only"]["classifier"])
    assert report["baseline"] == second and set(others) == set(earlier) - {second}
    assert report["tests"] == [by_hand.held_out_with(session.studio, shots(session))]


def test_its_report_opens_in_evaluate_by_name_and_its_panel_has_the_answer(session, form, colours_clip):
    client = TestClient(routes.api(session, Live(session), [views_routes.router(session)]))
    pipeline = ended(session, train.start(session, form, filled(session, form, colours_clip)))
    shown = client.get("/state", params={"pipeline": pipeline.id}).json()["pipeline"]
    assert (shown["title"], shown["shots_words"]) == ("Train by hand", "9 real and 15 synthetic images")
    assert shown["preset"] == "Train a linear probe"
    assert shown["result"]["sentence"].startswith("This classifier names ")
    counts = shown["result"]["counts"]
    assert (counts["real"], counts["synthetic"], counts["kept"]) == (9, 15, 15)
    rows = client.get("/reports").json()
    assert rows[0]["asked"]["recipe"] == "by hand" and rows[0]["gain"]["n"] == shown["result"]["n"]
    found = client.get(f"/reports/{rows[0]['run']}").json()
    assert len(found["arms"]) == len(shown["result"]["arms"]) >= 3
    assert {arm["words"] for arm in found["arms"]} <= {one.name for one in session.studio.catalog.names.all()}
    assert found["arms"][0]["help"].startswith("linear probe on clip, 9 real and 15 synthetic images")
    assert found["arms"][0]["against"] is None and found["arms"][1]["against"]["n"] == found["n"]
    assert found["pair"] == [found["arms"][1]["arm"], found["arms"][0]["arm"]]
    arm, label = found["arms"][0]["arm"], found["labels"][0]
    cell = client.get(f"/reports/{rows[0]['run']}/cell", params={"arm": arm, "truth": label, "said": label})
    assert cell.status_code == 200
    assert pipeline.id not in [one["id"] for one in exports.overview(session)["recipes"]]
    assert found["reviewable"]  # a confusion leads to the images that were learnt from
    (learnt,) = review_state.only(session.studio, pipeline.id)["filter"]["image_sets"]
    assert len(session.studio.workspace.image_set(learnt)) == 15


def test_the_photos_choose_the_eye_unless_one_is_named(session, form, colours_clip):
    asked = filled(session, form, colours_clip, encoder=form.controls["encoder"].value, synthetic="", rivals=False)
    assert asked["encoder"] == "auto"
    assert "Choose the eye" in train.preview(session, form, asked)
    pipeline = ended(session, train.start(session, form, asked))
    made = nodes(session, pipeline.id)
    assert list(made) == ["eye", "real_only", "report"]
    studio = session.studio
    assert studio.catalog.runs.fields(made["eye"].run_id)["images"] == [shots(session)]
    trained = studio.workspace.document(studio.catalog.runs.outputs(made["real_only"].run_id)["classifier"])
    assert trained["encoder"] == studio.catalog.runs.outputs(made["eye"].run_id)["eye"]
    shown = Live(session).state(pipeline.id)["pipeline"]
    assert "chosen because" in shown["result"]["eye"] and shown["backbone"] == "auto"
    with pytest.raises(BadInput) as refusal:
        train.start(session, form, {**asked, "real": "", "synthetic": NOW, "test": shots(session)})
    assert "nothing can choose it" in refusal.value.fields["encoder"]


def test_what_learnt_from_photos_alone_leads_to_no_images(session, form, colours_clip):
    alone = ended(session, train.start(session, form, filled(session, form, colours_clip, synthetic="")))
    (report,) = [node.run_id for node in nodes(session, alone.id).values() if node.name == "report"]
    assert not report_views.detail(session, report)["reviewable"]
    with pytest.raises(BadInput, match="no images yet"):
        review_state.only(session.studio, alone.id)


def test_a_frozen_selection_is_used_as_it_is_and_the_same_wish_is_joined(session, form, colours_clip):
    with session.acting() as studio:
        frozen = freeze_accepted(studio, "mine")
        assert studio.wait(frozen.run_id, 0).state == "done"
    assert ("mine (15 images)", frozen.image_set) in train.synthetic_sets(session)
    values = filled(session, form, colours_clip, synthetic=frozen.image_set, baseline=False, rivals=False)
    pipeline = train.start(session, form, values)
    assert train.start(session, form, values) == pipeline
    made = nodes(session, pipeline)
    assert made["real_and_synthetic"].template["synthetic"] == frozen.image_set
    assert made["report"].template["classifiers"] == ["$real_and_synthetic.classifier"]
    ended(session, pipeline)


def test_one_kind_of_image_is_enough(session, form, colours_clip):
    pipeline = train.start(session, form, filled(session, form, colours_clip, synthetic=""))
    assert list(nodes(session, pipeline)) == ["real_only", "report"]
    test = train.test_sets(session)[1][1]
    alone = train.start(session, form, filled(session, form, colours_clip, real="", test=test))
    assert list(nodes(session, alone)) == ["selection", "synthetic_only", "report"]
    ended(session, alone)


def test_the_plan_says_counts_and_time_and_writes_nothing(unchanged, unchanged_form, colours_clip):
    session, form = unchanged, unchanged_form
    before = (len(session.studio.catalog.runs.all()), len(session.studio.catalog.pipelines.all()))
    text = train.preview(session, form, filled(session, form, colours_clip, ratio="1:1"))
    assert "<dd>9</dd>" in text and "9 of 15" in text and "Time" in text
    assert "Train a linear probe: real only" in text and "earlier classifiers" in text
    assert before == (len(session.studio.catalog.runs.all()), len(session.studio.catalog.pipelines.all()))


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"real": "", "synthetic": ""}, "real", "Choose real photos"),
        ({"ratio": "5 of 1"}, "ratio", "two numbers"),
        ({"ratio": "1 : 0"}, "ratio", "two numbers"),
        ({"ratio": "1 : 99999"}, "ratio", "two numbers"),
        ({"real": "", "synthetic": NOW}, "test", "no split is known"),
        ({"real": "", "synthetic": NOW, "ratio": "1 : 1", "test": "theirs"}, "ratio", "needs real photos"),
        ({"seed": 1.5}, "seed", "whole number"),
        ({"real_weight": 2}, "real_weight", "at most 1"),
        ({"penalty": -1}, "penalty", "more than 0"),
        ({"prompt": "$a {label}"}, "prompt", "dollar"),
        ({"encoder": ""}, "encoder", "name one"),
        ({"encoder": "no such model"}, "encoder", "no such model"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field_and_starts_nothing(
    unchanged, unchanged_form, colours_clip, given, field, words
):
    session, form = unchanged, unchanged_form
    if given.get("test"):
        given = {**given, "test": train.test_sets(session)[1][1]}
    with pytest.raises(StudioError, match=words) as found:
        train.start(session, form, filled(session, form, colours_clip, **given))
    assert list(found.value.fields) == [field]
    assert [one.recipe for one in session.studio.catalog.pipelines.all()] == ["datadream"]


def test_nothing_accepted_is_refused_beside_the_selection(session, form, colours_clip):
    studio = session.studio
    studio.catalog.review.newest()
    (part,) = accepted.offered(studio, accepted.pipeline(studio).id)
    images = [member.image for member in studio.workspace.image_set(part.kept)]
    studio.catalog.decisions.decide([Act("0" * 36, "t", Chosen.images(images), "reject")], "ada")
    for ask in (train.start, train.preview):
        with pytest.raises(BadInput, match="Nothing is accepted") as found:
            ask(session, form, filled(session, form, colours_clip))
        assert list(found.value.fields) == ["synthetic"]


def test_a_set_with_a_test_photo_in_it_is_refused_beside_its_field(session, form, colours_clip):
    test = session.studio.workspace.image_set(by_hand.held_out_with(session.studio, shots(session)))
    with session.acting() as studio:
        leaking = ImageSet.of("set", list(test)[:4])
        studio.workspace.put_set(leaking)
        studio.catalog.images.add_set(leaking, studio.catalog.runs.all()[0].id)
    with pytest.raises(Leak, match="in a test set") as found:
        train.start(session, form, filled(session, form, colours_clip, synthetic=leaking.id))
    assert list(found.value.fields) == ["synthetic"]


def test_a_new_method_is_offered_by_itself_with_the_fields_that_only_it_has(unchanged):
    class Nearest(Step):
        """Nearest class mean.

        More.
        """

        kind: ClassVar[str] = "train.nearest_mean"
        encoder: ModelRef
        real: ImageSetId | None = None
        synthetic: ImageSetId | None = None
        neighbours: int = 3

    try:
        assert "train.nearest_mean" in by_hand.methods()
        form = form_of(unchanged)
        assert ("Nearest class mean", "train.nearest_mean") in form.kind.choices
        assert form.controls["neighbours"].value == 3 and not form.controls["neighbours"].visible
        assert form.controls["encoder"].visible
    finally:
        del STEPS["train.nearest_mean"]


def test_a_program_trains_by_names_and_is_told_what_is_not_there(session, colours_clip):
    name = session.studio.catalog.names.of(shots(session))
    about = {"real": name, "method": PROBE, "encoder": str(colours_clip), "settings": "penalty=0.001\nreal_weight=0.5"}
    pipeline = train.asked(session, train.Asked(**about, synthetic="now", ratio="1 : 1"))
    template = nodes(session, pipeline)["real_and_synthetic"].template
    assert (template["penalty"], template["real_weight"], template["real"]) == (0.001, 0.5, shots(session))
    assert train.asked(session, train.Asked(**about, synthetic="now", ratio="1 : 1")) == pipeline
    with pytest.raises(UnknownName, match=PROBE):
        train.asked(session, train.Asked(method="train.linear_prob"))
    with pytest.raises(UnknownName, match="mine"):
        train.asked(session, train.Asked(**about, synthetic="mine"))
    with pytest.raises(BadInput, match="real must have at most 200"):
        train.Asked(real="x" * 201)


def test_what_the_address_names_is_chosen_and_a_choice_that_is_still_there_stays(unchanged):
    first = shots(unchanged)
    other = next(value for _, value in train.real_sets(unchanged)[1:])

    def chosen(given):
        return [one.value for one in train.lists(unchanged, given)]

    assert chosen(train.named_in(unchanged, {})) == [first, "", ""]
    assert chosen(train.named_in(unchanged, {"synthetic": "now"})) == [first, NOW, ""]
    assert chosen(train.named_in(unchanged, {"real": other, "synthetic": "gone"})) == [other, "", ""]
    assert chosen({"real": "", "synthetic": NOW, "test": ""}) == ["", NOW, ""]


def test_without_photos_there_is_nothing_to_train_on(tmp_path, colours_clip):
    empty = StudioSession(tmp_path / "none")
    try:
        assert train.real_sets(empty) == [("None: synthetic images alone", "")]
        with pytest.raises(BadInput, match="Choose real photos"):
            by_hand.plan(empty.studio, Wish(method=PROBE, fields={}))
    finally:
        empty.close()
