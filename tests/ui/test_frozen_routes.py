"""Frozen sets as the page asks for them: what changed, going back, and taking that back."""

import pytest
from fastapi.testclient import TestClient

from synthstudio.catalog.review import Query
from synthstudio.jobs.curating.freeze import freeze
from synthstudio.ui.api import frozen_routes, routes
from synthstudio.ui.api.live import Live
from synthstudio.ui.session.state import StudioSession
from tests.jobs.counting import Paint
from tests.jobs.curating.test_decision_files import decide
from tests.jobs.inline import InlineLauncher

ACT = "an-act-of-this-test"


@pytest.fixture
def session(tmp_path):
    """Six images; two are accepted and frozen as `monday`, one of them is rejected since."""
    opened = StudioSession(tmp_path / "home")
    opened.studio.launcher = InlineLauncher()
    studio = opened.studio
    run, _ = studio.submit(Paint(images=6))
    studio.wait(run, 0)
    studio.catalog.review.newest()
    opened.images = [row["digest"] for row in studio.catalog.images.made_by(run)]
    decide(studio, "keep", *opened.images[:2])
    made = freeze(studio, studio.catalog.review.settle(Query(standings=("accepted",))), (), "monday")
    studio.wait(made.run_id, 0)
    decide(studio, "reject", opened.images[0])
    yield opened
    opened.close()


@pytest.fixture
def client(session):
    others = [frozen_routes.router(session)]
    return TestClient(routes.api(session, Live(session), others), base_url="http://127.0.0.1:7860")


def test_the_page_sees_what_changed_goes_back_and_takes_that_back(client, session):
    found = client.get("/frozen", params={"before": "monday"}).json()
    assert found["sentence"] == "From monday (2 images) to now (1 image): 1 removed."
    assert found["counts"] == {"added": 0, "removed": 1, "moved": 0}
    (one,) = found["images"]["removed"]
    assert one["digest"] == session.images[0] and one["after"] == ""
    body = {"name": "monday", "id": ACT}
    assert client.post("/frozen/restore", json=body).json() == {"act": ACT, "changed": 1}
    assert client.get("/frozen", params={"before": "monday"}).json()["classes"] == []
    assert client.post("/frozen/restore", json=body | {"id": f"{ACT}-2"}).json()["changed"] == 0
    assert client.post("/frozen/undo", json={"act": ACT}).json() == {"changed": 1, "kept_elsewhere": 0}
    assert client.get("/frozen", params={"before": "monday"}).json() == found


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("restore", {"name": "sunday", "id": ACT}, 404),
        ("restore", {"name": "m" * 121, "id": ACT}, 422),
        ("restore", {"name": "monday", "id": "../../etc"}, 422),
        ("restore", {"name": "monday", "id": ACT, "who": "somebody else"}, 422),
        ("undo", {"act": "nobody-did-this"}, 422),
    ],
)
def test_what_cannot_be_is_refused(client, path, body, status):
    answer = client.post(f"/frozen/{path}", json=body)
    assert answer.status_code == status, answer.text


def test_another_site_cannot_restore(client):
    elsewhere = {"origin": "https://elsewhere.example"}
    assert client.post("/frozen/restore", json={"name": "monday", "id": ACT}, headers=elsewhere).status_code == 403
