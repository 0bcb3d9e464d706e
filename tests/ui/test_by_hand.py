"""One step at a time: what the small forms submit, what they refuse, and what a filter shows before it is done."""

import shutil

import gradio as gr
import pytest
from fastapi.testclient import TestClient

from synthstudio.errors import Leak, StudioError
from synthstudio.jobs.knowing import measured as jobs_measured
from synthstudio.step import STEPS
from synthstudio.ui.api import measure_views, routes, views_routes
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.choices import everything
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.tabs import by_hand
from synthstudio.ui.tabs.filter_form import FilterForm, falling_out, scores_of
from synthstudio.ui.tabs.step_form import StepForm
from tests.jobs.inline import InlineLauncher
from tests.ui.blocks import built

PLACES = [by_hand.SPLIT, by_hand.SCORE, by_hand.COMPARE, by_hand.MEASURE, by_hand.EXPORT]


@pytest.fixture(scope="module")
def session(colours, tmp_path_factory):
    """A finished recipe of one fold with 15 synthetic images, whose sharpness was scored by hand."""
    home = tmp_path_factory.mktemp("by hand") / "home"
    shutil.copytree(colours, home)
    opened = StudioSession(home)
    opened.studio.launcher = InlineLauncher()
    form = form_of(opened, by_hand.SCORE)
    (run,) = by_hand.submit(opened, form.steps(values_of(form, kind=["score.sharpness"], images=made(opened))))
    assert ended(opened, run) == "done"
    yield opened
    opened.close()


def form_of(session, place):
    with built(), gr.Blocks():
        return StepForm(session, place.name, place.kinds(), place.look)


@pytest.fixture(scope="module")
def filtering(session):
    with built(), gr.Blocks():
        return FilterForm(session, "filter")


def values_of(form, **given):
    return {**{key: one.value for key, one in form.controls.items()}, **given}


def ended(session, run):
    with session.acting() as studio:
        return studio.wait(run, 0).state


def made(session):
    """The images that a sampler made."""
    return named(session, "set", 15)


def named(session, role, size=None):
    return next(one.id for one in session.studio.catalog.names.all((role,)) if size in (None, one.size))


def outputs(session, run):
    return session.studio.catalog.runs.outputs(run)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_every_field_of_every_kind_has_one_control(session, place):
    form = form_of(session, place)
    for kind in place.kinds():
        assert set(form.fields(kind, values_of(form, **_something(form)), preview=True)) == set(
            STEPS[kind].model_fields
        )
    assert all(one.elem_id.startswith(f"ss-{place.name}-") for one in form.controls.values())


def _something(form):
    """Something chosen in every list that must not be empty."""
    return {key: "x" for key, one in form._asked.items() if one.roles and not one.several}


def test_an_imported_pool_is_split_by_hand(session):
    form = form_of(session, by_hand.SPLIT)
    pool = form.choices([None])[0]
    assert pool.value == named(session, "pool")
    steps = form.steps(values_of(form, images=pool.value, shots="2"))
    assert "36 in 3 classes" in by_hand.preview(session, steps)
    (run,) = by_hand.submit(session, steps)
    assert ended(session, run) == "done"
    assert len(session.studio.workspace.image_set(outputs(session, run)["shots"])) == 6


def test_several_scorers_are_asked_for_at_once_and_share_what_they_have_in_common(session, colours_clip):
    form = form_of(session, by_hand.SCORE)
    shots = named(session, "set", 9)
    given = {"images": made(session), "encoder": str(colours_clip)}
    given |= {key: shots for key in form.controls if key.endswith("references")}
    values = values_of(form, kind=["score.label_agreement", "score.nearest_real"], **given)
    runs = by_hand.submit(session, form.steps(values))
    assert [ended(session, run) for run in runs] == ["done", "done"]
    assert {"label_agreement", "nearest_real", "sharpness"} == set(scores_of(session, made(session)))


def test_classifiers_are_compared_by_hand(session):
    form = form_of(session, by_hand.COMPARE)
    classifiers = [value for _, value in everything(session, ("classifier",))][:2]
    values = values_of(form, test=named(session, "test"), classifiers=classifiers, baseline=classifiers[1])
    (run,) = by_hand.submit(session, form.steps(values))
    assert ended(session, run) == "done"
    assert "report" in outputs(session, run)


def test_any_set_and_any_classifier_is_exported_by_hand(session):
    form = form_of(session, by_hand.EXPORT)
    dataset = values_of(form, kind="export.image_folder", synthetic=made(session))
    classifier = values_of(form, kind="export.classifier", classifier=named(session, "classifier"))
    for values in (dataset, classifier):
        (run,) = by_hand.submit(session, form.steps(values))
        assert ended(session, run) == "done"
        assert (session.studio.workspace.root / outputs(session, run)["folder"]).is_dir()


@pytest.mark.parametrize(
    ("place", "given", "field", "words"),
    [
        (by_hand.SPLIT, {}, "images", "choose one"),
        (by_hand.SPLIT, {"images": "set:x"}, "images", "must look like"),
        (by_hand.SPLIT, {"images": f"pool:{'0' * 64}", "test_fraction": 2}, "test_fraction", "less than 1"),
        (by_hand.SCORE, {"kind": []}, "kind", "at least one"),
        (by_hand.SCORE, {"kind": ["score.sharpness"], "images": f"set:{'0' * 64}", "size": 3}, "size", "at least 16"),
        (by_hand.COMPARE, {"test": f"test:{'0' * 64}", "classifiers": []}, "classifiers", "at least 1"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_control(session, place, given, field, words):
    form = form_of(session, place)
    with pytest.raises(StudioError, match=words) as found:
        form.steps(values_of(form, **given), preview=True)
    assert field in found.value.fields


def test_a_test_photo_reaches_no_scorer_and_nothing_is_queued(session):
    form = form_of(session, by_hand.SCORE)
    before = len(session.studio.catalog.runs.all())
    (test,) = (session.studio.workspace.image_set(one) for one in [named(session, "test")])
    leaking = session.studio.workspace.put_set(type(test)("set", tuple(test)))
    with session.acting() as studio:
        studio.catalog.images.add_set(session.studio.workspace.image_set(leaking), studio.catalog.runs.all()[0].id)
    with pytest.raises(Leak, match="test set"):
        by_hand.submit(session, form.steps(values_of(form, kind=["score.sharpness"], images=leaking)))
    assert len(session.studio.catalog.runs.all()) == before


def test_a_filter_shows_histogram_counts_and_what_falls_out_and_then_does_the_same(session, filtering):
    body = session.studio.workspace.document(scores_of(session, made(session))["sharpness"])
    middle = sorted(value for _, value in body["values"])[7]
    values = values_of(filtering, images=made(session), sharpness_at_least=f"{middle}")
    (step,) = filtering.steps(values)
    text = falling_out(session, step)
    assert "8 of 15 images stay, 7 fall out" in text
    assert text.count("<img src='/studio/thumbs/") == 7
    assert "class='in'" in text and "class='out'" in text and "Sharpness: 15 values" in text
    (run,) = by_hand.submit(session, [step])
    assert ended(session, run) == "done"
    assert len(session.studio.workspace.image_set(outputs(session, run)["images"])) == 8


def test_a_filter_keeps_the_best_of_each_class(session, filtering):
    values = values_of(filtering, images=made(session), best_by="sharpness", best_count="2")
    assert "6 of 15 images stay, 9 fall out" in falling_out(session, filtering.steps(values)[0])


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"images": None}, "images", "choose one"),
        ({"sharpness_at_most": "high"}, "sharpness_at_most", "must be a number"),
        ({"sharpness_at_most": "inf"}, "sharpness_at_most", "must be a number"),
        ({"nearest_real_at_most": "1", "images": "shots"}, "nearest_real_at_most", "no|No"),
        ({"best_by": "sharpness", "best_count": "1.5"}, "best_count", "whole number"),
        ({"best_by": "sharpness", "best_count": "0"}, "best_count", "at least 1"),
    ],
)
def test_a_bound_that_cannot_be_is_refused_beside_its_box(session, filtering, given, field, words):
    wanted = {"images": made(session), **given}
    if wanted["images"] == "shots":
        wanted["images"] = named(session, "set", 9)
    with pytest.raises(StudioError, match=words) as found:
        filtering.steps(values_of(filtering, **wanted))
    assert list(found.value.fields) == [field]


@pytest.fixture(scope="module")
def measured(session, colours_clip):
    """What /measures says of the made images and the shots: both against the shots, the shots also otherwise."""
    client = TestClient(routes.api(session, Live(session), [views_routes.router(session)]))
    assert client.get("/measures").json()["groups"] == []
    form = form_of(session, by_hand.MEASURE)
    shots, validation = of_split(session, "shots"), of_split(session, "validation")
    for images, references, neighbours in (
        (shots, shots, 5),
        (made(session), shots, 5),
        (shots, validation, 5),
        (shots, shots, 3),
    ):
        given = values_of(form, images=images, references=references, encoder=str(colours_clip), neighbours=neighbours)
        (run,) = by_hand.submit(session, form.steps(given))
        assert ended(session, run) == "done"
    return client.get("/measures").json()


def of_split(session, output):
    *_, split = session.studio.catalog.runs.of_kind("collect.split")  # that of the recipe; a later one is by hand
    return outputs(session, split.id)[output]


def test_measured_sets_stand_beside_each_other_with_intervals(session, measured):
    shots = of_split(session, "shots")
    *_, group = measured["groups"]
    synthetic, itself = group["rows"]
    assert (itself["n"], synthetic["n"], group["photos"]) == ([9, 9], [15, 9], 9)
    assert synthetic["images_name"] == session.studio.catalog.names.of(made(session))
    assert (group["references"], group["eye"]) == (shots, "clip")
    for row in (itself, synthetic):
        found, said = row["all"]["coverage"], row["said"]["coverage"]
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
        assert said["value"] == f"{100 * found['value']:.0f} %" and " to " in said["interval"]
        assert row["all"]["frechet_distance"]["low"] is None
        assert set(row["said"]) == {one["name"] for one in measured["measures"]}
    assert synthetic["all"]["kernel_distance"]["value"] > itself["all"]["kernel_distance"]["value"]


def test_sets_measured_against_other_photos_or_otherwise_are_not_called_comparable(session, measured):
    otherwise, others, first = measured["groups"]
    assert [len(group["rows"]) for group in measured["groups"]] == [1, 1, 2]
    assert otherwise["apart"] == "" and otherwise["heading"].endswith("with 3 neighbours")
    assert others["references"] == of_split(session, "validation") and "other real photos" in others["apart"]
    assert "another eye" not in first["apart"] and "another number of neighbours" in first["apart"]


class Reader:
    """A project that nobody has read yet."""

    def __init__(self, studio):
        self.catalog, self.workspace = studio.catalog, studio.workspace


def test_a_measurement_whose_numbers_are_lost_hides_no_other_and_is_named(session, measured):
    run = measured["groups"][0]["rows"][0]["run"]
    report = outputs(session, run)["measures"]
    place = session.studio.workspace.path(report.partition(":")[2])
    kept = place.read_bytes()
    place.unlink()
    found = jobs_measured.document(Reader(session.studio))
    place.write_bytes(kept)
    assert len(found["groups"]) == 2
    (said,) = found["problems"]
    assert session.studio.catalog.names.of(run) in said and "cannot be read" in said


def test_the_form_of_a_measurement_begins_with_the_set_of_the_address_and_photos_that_taught_nothing(session, measured):
    begun = measure_views.begun(session, {"measure": made(session)})
    assert (begun["images"], begun["references"]) == (made(session), of_split(session, "validation"))
    assert measure_views.begun(session, {"measure": "set:../../x"})["images"] != "set:../../x"


def test_images_are_never_measured_against_test_photos(session, colours_clip):
    form = form_of(session, by_hand.MEASURE)
    given = values_of(form, images=made(session), references=named(session, "test"), encoder=str(colours_clip))
    with pytest.raises(StudioError):
        by_hand.submit(session, form.steps(given))
