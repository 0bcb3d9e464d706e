"""Why images were rejected, over the routes of Review: limits, other sites, one gesture and its undo."""

import json
import uuid

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from synthstudio.ui.api import review_routes
from tests.catalog.projects import opened
from tests.jobs.reviewed import decide, found, sampled, words
from tests.ui.test_review_routes import HOSTILE, Session, act, send, view

BAD = [{"field": "domain", "text": HOSTILE}]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Images in two domains, one of them hostile, all of whose first images were rejected."""
    with opened(tmp_path_factory.mktemp("home")) as studio:
        rows = sampled(studio.catalog, words(domains=("photo", HOSTILE)))
        decide(studio.catalog, "reject", [digest for digest, row in list(rows.items())[:60] if row.domain == HOSTILE])
        session = Session(studio)
        session.bad = {digest for digest, row in rows.items() if row.domain == HOSTILE}
        yield session


@pytest.fixture(scope="module")
def client(session):
    app, api = FastAPI(), FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    api.include_router(review_routes.router(session))
    app.mount("/studio", api)
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def why(client):
    return client.get("/studio/review/causes", params={"q": json.dumps(view(client)["query"])}).json()


def without(client, cause):
    asked = {"q": json.dumps(view(client)["query"]), "cause": json.dumps(cause)}
    return client.get("/studio/review/without", params=asked)


def test_one_press_rejects_what_is_pending_and_one_undo_takes_it_back(client, session):
    (cause,) = why(client)["causes"]
    assert cause["cause"] == BAD and cause["pending"] == 60 and cause["fills"]
    assert cause["sentence"] == f"100 % of rejects share domain = {HOSTILE}; 0 % of the rest do."
    before = session.studio.catalog.decisions.standing()
    one = act(verdict="reject", query=view(client)["query"], cause=cause["cause"], why=cause["says"])
    tab = str(uuid.uuid4())
    assert send(client, one).json()["outcomes"][0]["changed"] == 60
    assert send(client, one).json()["outcomes"][0]["again"] is True
    assert found(session.studio.catalog, standings=("rejected",)) == session.bad
    (branch,) = why(client)["branches"]
    assert (branch["act"], branch["standing"], branch["says"]) == (one["id"], 60, f"domain = {HOSTILE}")
    body = {"project": "default", "tab": tab, "acts": [act(undoes=branch["act"])]}
    assert client.post("/studio/review/decide", json=body).json()["outcomes"][0]["changed"] == 60
    assert session.studio.catalog.decisions.standing() == before
    assert why(client)["branches"] == []


def test_the_form_is_told_what_to_sample_without_it(client):
    filled = without(client, BAD).json()
    assert filled["kind"] == "sample.text" and filled["fields"]["domains"] == ["photo"]
    assert filled["says"].endswith("for 30 that were rejected.")


@pytest.mark.parametrize(
    "cause",
    [
        [], BAD * 3, [{"field": "digest", "text": "x"}], [{"field": "domain", "text": "x" * 2001}], "domain", [{}],
        [{"field": "domain", "op": "at_least", "number": 1}], [{"field": "guidance_scale", "text": "7"}],
        [{"field": "guidance_scale", "op": "at_least", "number": 1e13}],
        [{"field": "guidance_scale", "op": "at_least", "number": "1); drop table acts"}],
        [{"field": "domain') = '' or true --", "text": ""}], [{"field": "domain", "text": "a", "sql": "true"}],
    ],
)  # fmt: skip
def test_a_condition_that_makes_no_sense_is_refused_and_stores_nothing(client, session, cause):
    before = session.studio.catalog.decisions.last()
    one = act(verdict="reject", query=view(client)["query"], cause=cause)
    assert without(client, cause).status_code == 422
    if cause:
        assert send(client, one).status_code == 422
    assert session.studio.catalog.decisions.last() == before


def test_a_branch_without_a_view_that_was_looked_at_is_refused(client, session):
    before = session.studio.catalog.decisions.last()
    assert send(client, act(verdict="reject", query={}, cause=BAD)).status_code == 400
    send(client, act(verdict="reject", cause=BAD))
    assert session.studio.catalog.decisions.last() == before


def test_what_cannot_be_left_out_is_a_sentence(client):
    answer = without(client, [{"field": "run", "text": "r1"}])
    assert answer.status_code == 400 and answer.json()["error"].startswith("No form can leave this out.")


@pytest.mark.parametrize("route", ["causes", "without"])
def test_other_sites_may_not_look_and_nonsense_is_refused(client, route):
    asked = {"q": "{}", "cause": json.dumps(BAD)}
    headers = {"sec-fetch-site": "cross-site"}
    assert client.get(f"/studio/review/{route}", params=asked, headers=headers).status_code == 403
    for q in ("{", "[]", '{"sort": "x"}', '{"labels": [' + '"a",' * 6000 + '"a"]}'):
        assert client.get(f"/studio/review/{route}", params={**asked, "q": q}).status_code in (414, 422)
