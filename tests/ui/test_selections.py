"""What a frozen selection is asked in the page: what the review was worth, and which is exported."""

import json
import shutil
import uuid
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.jobs.curating import accepted
from synthstudio.jobs.curating.freeze import freeze_accepted
from synthstudio.ui.api import review_routes, routes, views_routes
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.state import StudioSession
from tests.jobs.colours import carried_out
from tests.jobs.inline import InlineLauncher


@pytest.fixture
def session(colours, tmp_path):
    """A finished recipe of one fold, which keeps 15 images; its clock ticks."""
    shutil.copytree(colours, tmp_path / "home")
    opened = StudioSession(tmp_path / "home")
    opened.studio.launcher = InlineLauncher()
    opened.start()
    yield opened
    opened.close()


@pytest.fixture
def client(session):
    others = [review_routes.router(session), views_routes.export_router(session)]
    return TestClient(routes.api(session, Live(session), others), base_url="http://127.0.0.1:7860")


def reviewed(session):
    """Reject one image and move one; returns the rejected one."""
    studio = session.studio
    studio.catalog.review.newest()
    (part,) = accepted.offered(studio, accepted.pipeline(studio).id)
    blue, green = [next(m for m in studio.workspace.image_set(part.kept) if m.label == it) for it in ("blue", "green")]
    for image, verdict, label in ((blue.image, "reject", ""), (green.image, "relabel", "red")):
        act = Act(str(uuid.uuid4()), "t", Chosen.images([image]), verdict, label)
        studio.catalog.decisions.decide([act], "ada")
    return blue.image


def helped(client, name="", project="default"):
    return client.post("/review/helped", json={"project": project, "name": name})


def test_a_frozen_selection_is_judged_and_its_card_shows_four_arms_and_the_sentence(client, session):
    reviewed(session)
    with session.acting() as studio:
        freeze_accepted(studio, "mine")
    answer = helped(client, "mine")  # at once: whoever is quick need not know that the set is still being written
    assert answer.status_code == 200, answer.text
    pipeline = answer.json()["pipeline"]
    assert helped(client, "mine").json()["pipeline"] == pipeline
    with session.acting() as studio:
        assert carried_out(studio, pipeline) == "done"
    shown = client.get("/state", params={"pipeline": pipeline}).json()["pipeline"]
    assert (shown["id"], shown["title"], shown["state"]) == (pipeline, "Did my review help?", "done")
    arms = [arm["arm"] for arm in shown["result"]["arms"]]
    assert arms == ["zero_shot", "real_only", "everything", "selection", "random"]
    assert "14 of 15 images (1 left out, 1 moved)" in shown["result"]["sentence"]
    assert "hance" in shown["result"]["next"]
    assert "Train a linear probe: real + your selection" in [node["words"] for node in shown["nodes"]]


def test_without_a_name_what_is_accepted_now_is_frozen_and_judged(client, session):
    rejected = reviewed(session)
    pipeline = helped(client).json()["pipeline"]
    chosen = session.studio.catalog.pipelines.get(pipeline).request["set"]
    images = set(session.studio.workspace.image_set(chosen))
    assert len(images) == 14 and rejected not in images
    listed = client.get("/review/selections").json()["selections"]
    assert [(one["id"], one["size"]) for one in listed] == [(chosen, 14)]


def test_a_review_that_changed_nothing_is_refused_and_nothing_is_frozen(client, session):
    runs = len(session.studio.catalog.runs.all())
    answer = helped(client)
    assert (answer.status_code, len(session.studio.catalog.runs.all())) == (400, runs)
    assert answer.json()["error"].startswith("Nothing was rejected, moved or added")
    with session.acting() as studio:
        freeze_accepted(studio, "same")
    assert helped(client, "same").json() == answer.json()


def test_an_unknown_selection_is_refused_with_the_names_there_are(client, session):
    reviewed(session)
    with session.acting() as studio:
        freeze_accepted(studio, "mine")
    assert "Did you mean mine" in helped(client, "mime").json()["error"]
    absent = helped(client, f"set:{'0' * 64}")
    assert (absent.status_code, absent.json()["error"].partition(".")[0]) == (400, "This selection is not there")
    assert helped(client, "a" * 121).status_code == 422
    assert helped(client, "mine", project="another").status_code == 409
    assert len(session.studio.catalog.pipelines.all()) == 1


def test_without_a_finished_recipe_there_is_nothing_to_judge(tmp_path):
    session = StudioSession(tmp_path / "home")
    try:
        asked = TestClient(routes.api(session, Live(session), [review_routes.router(session)]))
        assert "There is no finished recipe yet" in helped(asked).json()["error"]
    finally:
        session.close()


def exported(client, session, name, **asked):
    """(card on the page, names of the pictures in train) of an export of the recipe's dataset."""
    pipeline = accepted.pipeline(session.studio).id
    answer = client.post("/exports", json={"pipeline": pipeline, "name": name, **asked})
    assert answer.status_code == 200, answer.text
    with session.acting() as studio:
        for run in answer.json()["runs"]:
            assert studio.wait(run, 0).state == "done"
    cards = client.get("/exports").json()["exports"]
    card = next(one for one in cards if one["kind"] == "export.image_folder" and one["name"] == name)
    return card, {path.stem for path in (Path(card["folder"]) / "train").rglob("*.png")}


def test_an_export_holds_what_is_accepted_now_or_the_chosen_selection_and_says_the_counts(client, session):
    with session.acting() as studio:
        before = freeze_accepted(studio, "before")
        assert studio.wait(before.run_id, 0).state == "done"
    reviewed(session)
    now, accepted_now = exported(client, session, "now")
    assert now["counted"] == {"before": 15, "after": 14}
    assert "before" in [one["name"] for one in client.get("/exports").json()["selections"]]
    then, frozen_then = exported(client, session, "then", selection="before")
    assert then["counted"] == {"before": 15, "after": 15}
    assert len(frozen_then) == len(accepted_now) + 1


def test_a_selection_that_is_not_there_is_refused_beside_its_field(client, session):
    pipeline = accepted.pipeline(session.studio).id
    refused = client.post("/exports", json={"pipeline": pipeline, "selection": "mine"})
    assert refused.status_code in (404, 422)
    assert "mine" in refused.json()["fields"]["selection"]
    assert client.get("/exports").json()["exports"] == []


def only(client, **asked):
    """(words, digests) of what "Review these" opens."""
    found = client.get("/review/only", params=asked).json()
    view = client.get("/review/view", params={"q": json.dumps(found["filter"])}).json()
    rows = client.get("/review/page", params={"q": json.dumps(view["query"]), "start": 0, "count": 500}).json()
    return found["words"], {row[0] for row in rows}


def test_review_opens_on_exactly_the_images_of_a_recipe_a_fold_a_run_or_a_set(client, session):
    studio = session.studio
    studio.catalog.review.newest()
    recipe = accepted.pipeline(studio)
    (one,) = accepted.offered(studio, recipe.id)
    made = {member.image for member in studio.workspace.image_set(one.made)}
    name = studio.catalog.names.of(recipe.id)
    assert only(client, what=recipe.id) == (name, made)
    assert only(client, what=name, fold=0) == (f"{name}, fold 1", made)
    assert "no images yet" in client.get("/review/only", params={"what": name, "fold": 1}).json()["error"]
    draw = next(run for run in studio.catalog.runs.all() if run.kind == "test.draw")
    drawn = {row["digest"] for row in studio.catalog.images.made_by(draw.id)}
    assert only(client, what=draw.id)[1] == drawn
    kept = {member.image for member in studio.workspace.image_set(one.kept)}
    assert only(client, what=one.kept)[1] == kept
    assert client.get("/review/only", params={"what": "gone"}).status_code == 400
