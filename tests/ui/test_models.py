"""The models in the page: listed, downloaded, stopped and resumed; on a public copy only as its owner allows."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from synthstudio.errors import NotFetched
from synthstudio.jobs.asking.asked import Asked
from synthstudio.jobs.public.quotas import Quota
from synthstudio.models import MODELS
from synthstudio.ui.access import visitors
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.api import models_routes, models_views, routes
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.place import Place
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.tabs import asking
from tests.hubserver import Hub, Repository
from tests.jobs.inline import InlineLauncher


@pytest.fixture
def served(tmp_path, monkeypatch, colours_clip):
    files = {path.name: path.read_bytes() for path in colours_clip.iterdir()}
    found = Hub(somebody__clip=Repository(files, licence="<b>mine</b>"))
    found.repositories[MODELS["vit-b-16-laion2b"].hub] = Repository({**files, "pytorch_model.bin": b"x"})
    monkeypatch.setenv("HF_ENDPOINT", found.address)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models_views, "_FRESH_SECONDS", -1.0)
    yield found
    found.close()


@pytest.fixture
def session(served, tmp_path):
    opened = StudioSession(tmp_path / "home")
    opened.studio.launcher = InlineLauncher()
    yield opened
    opened.close()


@pytest.fixture
def client(session):
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/studio", routes.api(session, Live(session), [models_routes.router(session)]))
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def rows(client):
    return {one["name"]: one for one in client.get("/studio/models").json()["models"]}


def test_a_model_is_listed_downloaded_and_then_here(session, client):
    before = rows(client)["vit-b-16-laion2b"]
    assert (before["where"], before["can_fetch"], before["download"]) == ("not here", True, None)
    assert not rows(client)["pico"]["can_fetch"]
    run = client.post("/studio/models/fetch", json={"model": "vit-b-16-laion2b"}).json()["run"]
    assert rows(client)["vit-b-16-laion2b"]["download"]["state"] == "queued"
    assert session.studio.wait(run).state == "done"
    after = rows(client)["vit-b-16-laion2b"]
    assert (after["where"], after["download"], after["licence"]) == ("hub cache", None, "MIT")
    assert after["bytes"] > 0 and after["memory_cpu"] > 0


def test_a_download_of_any_repository_is_listed_from_its_beginning_and_when_it_fails_says_why(session, client, served):
    served.repositories["somebody/clip"].lost.add("open_clip_config.json")
    run = client.post("/studio/models/fetch", json={"model": " somebody/clip "}).json()["run"]
    assert session.studio.wait(run).state == "failed"
    row = rows(client)["somebody/clip"]
    assert (row["where"], row["can_fetch"]) == ("not here", False)
    assert row["download"]["state"] == "failed" and "does not have it" in row["download"]["error"]
    served.repositories["somebody/clip"].lost.clear()
    assert client.post(f"/studio/runs/{run}/resume").status_code == 200
    assert session.studio.wait(run).state == "done"
    assert rows(client)["somebody/clip"]["where"] == "hub cache"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"model": "pico"}, "needs no download"),
        ({"model": "sd51"}, "Did you mean sd15"),
        ({"model": "../.."}, "no model called"),
        ({"model": "a/b", "precision": "fp8"}, "fp16"),
        ({"model": ""}, "model"),
        ({"model": "x" * 201}, "model"),
        ({"model": "a/b", "revision": "main"}, "revision"),
    ],
)
def test_what_cannot_be_downloaded_is_refused_in_words(client, body, said):
    answer = client.post("/studio/models/fetch", json=body)
    assert answer.status_code in (404, 422) and said in answer.json()["detail"]


def test_a_form_that_names_a_model_that_is_not_here_says_how_to_get_it_and_fetches_nothing(session, served):
    with pytest.raises(NotFetched, match="Download it under Library, Models") as refused:
        asking.start(session, "datadream", Asked(data="digits", backbone="sd15"))
    assert "backbone" in refused.value.fields
    assert session.studio.catalog.runs.all() == [] and served.asked == []


def as_visitor(name, do):
    token = visitors.enter(name)
    try:
        return do()
    finally:
        visitors.leave(token)


@pytest.mark.parametrize(("downloads", "may"), [(False, "none"), (True, "known")])
def test_on_a_public_copy_the_list_is_seen_and_its_owner_says_who_downloads(served, tmp_path, downloads, may):
    session = SpaceSession(tmp_path / "public", None, Place(public=True, downloads=downloads), Quota())
    try:
        found = as_visitor("Ada", lambda: models_views.every(session))
        assert found["may"] == may and not any(one["place"] for one in found["models"])
        assert as_visitor(None, lambda: models_views.every(session))["may"] == may
        for who, model, said in (
            (None, "vit-b-16-laion2b", "only be looked at"),
            ("Ada", "somebody/clip", "Only the models in the list"),
            *((("Ada", "vit-b-16-laion2b", "who runs this Space"),) if not downloads else ()),
        ):
            with pytest.raises(Exception, match=said):
                as_visitor(who, lambda model=model: models_views.fetch(session, model, "fp16"))
        if downloads:
            assert as_visitor("Ada", lambda: models_views.fetch(session, "vit-b-16-laion2b", "fp16"))["run"]
    finally:
        session.close()
