"""The routes of saved views, used and attacked."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from synthstudio.ui.api import review_routes, routes, saved_view_routes
from tests.ui.test_review_routes import HOSTILE, session, view  # noqa: F401 - a fixture

VIEWS = "/studio/review/views"
ABROAD = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}


@pytest.fixture(scope="module")
def client(session):  # noqa: F811 - the fixture
    app, others = FastAPI(), [review_routes.router(session), saved_view_routes.router(session)]
    app.mount("/studio", routes.api(session, None, others))
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def say(client, what="", **body):
    return client.post(VIEWS + what, json={"project": "default", **body})


def names(client):
    return [one["name"] for one in client.get("/studio/review/start").json()["views"]]


def test_a_view_is_saved_opened_renamed_saved_over_and_deleted(client):
    query = {"labels": ["cat"], "standings": ["pending"], "sort": "newest"}
    made = say(client, name=HOSTILE, query=query).json()
    assert made["name"] == HOSTILE
    assert made["views"] == [{"name": HOSTILE, "words": "Pending images of the class cat; newest first."}]
    assert say(client, name=HOSTILE, query=query).status_code == 422
    assert say(client, name=HOSTILE, query={**query, "sort": "class"}, replace=True).status_code == 200
    assert say(client, "/rename", name=HOSTILE, new="cats").json()["name"] == "cats"
    found = client.get(f"{VIEWS}/one", params={"name": "cats"}).json()
    assert found["gone"] == ""
    shown = view(client, **found["filter"])
    assert (shown["total"], shown["words"]) == (3, "Pending images of the class cat; by class.")
    assert say(client, "/delete", name="cats").json() == {"views": []}
    assert "no saved views yet" in client.get(f"{VIEWS}/one", params={"name": "cats"}).json()["detail"]
    assert client.get(f"{VIEWS}/one", params={"name": "cats"}).status_code == 404


def test_a_view_of_a_set_that_is_gone_opens_with_a_sentence_and_shows_what_is_left(client):
    query = {"labels": ["cat"], "image_set": f"set:{'0' * 64}", "scorer": "gone_score", "low": 0.5}
    say(client, name="old", query=query)
    found = client.get(f"{VIEWS}/one", params={"name": "old"}).json()
    assert "the set set:00000000… and the score gone score, which are gone" in found["gone"]
    assert view(client, **found["filter"])["total"] == 3
    say(client, "/delete", name="old")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"name": "", "query": {}},
        {"name": "x" * 121, "query": {}},
        {"name": "\ud800", "query": {}},
        {"name": "x", "query": {"labels": ["y" * 201]}},
        {"name": "x", "query": {"labels": ["y"] * 5001}},
        {"name": "x", "query": {"labels": [f"{n:0200}" for n in range(1000)]}},
        {"name": "x", "query": {"sort": "number; drop table review"}},
        {"name": "x", "query": {"low": "nan"}},
        {"name": "x", "query": {}, "who": "somebody else"},
        {"name": ["x"], "query": {}},
    ],
)
def test_a_body_that_cannot_be_a_view_is_refused_and_keeps_nothing(client, body):
    text = json.dumps({"project": "default", **body})  # written here: no client would send half a character by itself
    answer = client.post(VIEWS, content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert names(client) == []


def test_another_project_another_site_and_an_unknown_view_change_nothing(client):
    assert client.post(VIEWS, json={"project": "other", "name": "x", "query": {}}).status_code == 409
    for what, body in (
        ("", {"name": "x", "query": {}}),
        ("/rename", {"name": "x", "new": "y"}),
        ("/delete", {"name": "x"}),
    ):
        assert client.post(VIEWS + what, json={"project": "default", **body}, headers=ABROAD).status_code == 403
    assert say(client, "/rename", name="x", new="y").status_code == 404
    assert say(client, "/delete", name="x").status_code == 404
    assert names(client) == []
