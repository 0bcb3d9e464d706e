"""Finding images by words over its routes: asked for once, waited for, and who may ask."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from synthstudio import models
from synthstudio.artifacts import ImageSet, Member
from synthstudio.embeddings import EmbeddingStore
from synthstudio.events import Output
from synthstudio.jobs.knowing import found_by_words
from synthstudio.step import build
from synthstudio.ui.api import review_routes, routes, word_routes
from tests.catalog.projects import opened
from tests.jobs.counting import Paint
from tests.steps.kit import LABELS, coloured
from tests.ui.test_map_routes import done, made, worked
from tests.ui.test_review_routes import Session

WORDS = "/studio/review/words"
ABROAD = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Nine pictures of three colours, which nothing has looked at."""
    with opened(tmp_path_factory.mktemp("home")) as studio:
        painted(studio, range(3))
        yield Session(studio)


def painted(studio, numbers):
    members = [Member(label, studio.workspace.put(coloured(label, n))) for label in LABELS for n in numbers]
    labels = [member.label for member in members]
    done(
        studio,
        Paint(images=len(members) + numbers[0]),
        *made([member.image for member in members], "synthetic", labels.__getitem__),
        Output(name="images", value=studio.workspace.put_set(ImageSet.of("set", members))),
    )
    return [member.image for member in members]


@pytest.fixture(scope="module")
def client(session):
    app, api = FastAPI(), routes.api(session, None, [review_routes.router(session), word_routes.router(session)])
    app.mount("/studio", api)
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def ask(client, text, **more):
    return client.post(WORDS, json={"project": "default", "text": text, **more})


def read(session):
    """Do here what a worker would do."""
    (run,) = session.studio.catalog.runs.in_state("queued", "running")
    assert run.kind == "measure.words"
    worked(session.studio, run.id)


def test_words_are_read_once_new_images_are_looked_at_and_the_view_is_by_likeness(client, session):
    found = ask(client, " a  red picture ").json()
    assert (found["text"], found["said"], found["run"]["state"]) == ("a red picture", "", "queued")
    refused = client.get("/studio/review/view", params={"q": json.dumps({"words": "a red picture"})})
    assert refused.status_code == 400 and "Find by words" in refused.json()["error"]
    assert ask(client, "a red picture").json()["run"]["id"] == found["run"]["id"]  # joined, not queued twice
    read(session)
    assert client.get(WORDS, params={"run": found["run"]["id"], "text": found["text"]}).json()["run"] is None
    view = client.get(
        "/studio/review/view", params={"q": json.dumps({"words": "a red picture", "sort": "score_high"})}
    ).json()
    assert (view["total"], view["query"]["words"]) == (9, "a red picture")
    page = client.get("/studio/review/page", params={"q": json.dumps(view["query"]), "start": 0, "count": 9}).json()
    scores = [row[6] for row in page]
    assert None not in scores and scores == sorted(scores, reverse=True)
    assert ask(client, "a red picture").json() == {"text": "a red picture", "run": None, "said": ""}
    late = painted(session.studio, range(7, 9))
    again = ask(client, "a red picture").json()
    assert again["run"]["id"] != found["run"]["id"]
    read(session)
    eye = found_by_words.reader(session.studio)
    assert not EmbeddingStore(session.studio.workspace, eye).missing(late)


def test_words_that_are_too_long_for_the_encoder_say_so_each_time(client, session):
    ask(client, "red cup " * 24)
    read(session)
    assert "it read “red cup" in ask(client, "red cup " * 24).json()["said"]


@pytest.mark.parametrize("text", ["", "  ", "\x00", "x" * 201, "x" * 5000, None, ["red"], {"$ne": 1}])
def test_a_text_that_cannot_be_looked_for_is_refused_and_nothing_runs(client, session, text):
    before = session.studio.catalog.runs.ids()
    assert ask(client, text).status_code == 422
    assert session.studio.catalog.runs.ids() == before


def test_another_site_another_project_and_another_run_are_refused(client, session):
    assert client.post(WORDS, json={"project": "default", "text": "red"}, headers=ABROAD).status_code == 403
    assert client.post(WORDS, json={"project": "other", "text": "red"}).status_code == 409
    assert ask(client, "red", encoder="pico-clip").status_code == 422
    painter = next(run.id for run in session.studio.catalog.runs.all() if run.kind != "measure.words")
    for run in (painter, "0000-nothing", "../x"):
        assert client.get(WORDS, params={"run": run, "text": "red"}).status_code in (404, 422)


def test_the_encoder_of_the_project_reads_if_it_can_else_the_best_that_is_at_hand(session, monkeypatch):
    studio = session.studio
    assert found_by_words.reader(studio).startswith(f"{models.reader()}@")
    own = models.reference("pico-clip", "encoder", studio.workspace)
    image_set = studio.catalog.images.sets_by_origin(1)[False][0]
    scores = Output(name="scores", value=studio.workspace.put_document("scores", {}))
    done(studio, build("score.label_agreement", {"images": image_set, "encoder": own}), scores)
    monkeypatch.setattr(models, "READERS", ())
    assert found_by_words.reader(studio) == own


def test_an_empty_project_says_what_to_do(tmp_path):
    with opened(tmp_path) as studio:
        app, api = FastAPI(), routes.api(Session(studio), None, [word_routes.router(Session(studio))])
        app.mount("/studio", api)
        client = TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
        answer = ask(client, "red")
        assert answer.status_code == 422 and "no set of images to look through yet" in answer.json()["detail"]
