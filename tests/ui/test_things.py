"""The Library's routes: listed, named, used, thrown away; by who may, and by nobody else."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from synthstudio.errors import BadInput
from synthstudio.jobs.public.ledger import used
from synthstudio.jobs.public.quotas import Quota
from synthstudio.step import STEPS
from synthstudio.ui.access import visitors
from synthstudio.ui.access.guard import Guard, Rules
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.api import routes, things_routes, things_views
from synthstudio.ui.api.live import Live
from synthstudio.ui.api.run_views import detail
from synthstudio.ui.session.place import Place
from synthstudio.ui.session.state import StudioSession
from tests.jobs.counting import Learn, Paint
from tests.jobs.inline import InlineLauncher
from tests.jobs.keeping.throwing import Deliver, Half, blobs, images, made, settled

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def session(tmp_path):
    opened = StudioSession(tmp_path / "home")
    opened.studio.launcher = InlineLauncher()
    yield opened
    opened.close()


@pytest.fixture
def client(session):
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/studio", routes.api(session, Live(session), [things_routes.router(session)]))
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def ask(client, path, **body):
    answer = client.post(f"/studio/things/{path}", json=body)
    return answer.status_code, answer.json()


def test_everything_is_listed_once_with_its_kind_its_room_and_its_maker(session, client):
    _, painted = made(session.studio, Paint(images=4))
    made(session.studio, Half(images=painted))
    _, adapter = made(session.studio, Learn(), "adapter")
    exported, _ = made(session.studio, Deliver())
    found = client.get("/studio/things").json()
    rows = {one["id"]: one for one in found["things"]}
    assert set(rows) >= {painted, adapter, exported} and len(rows) == 4
    assert [rows[one]["kind"] for one in (painted, adapter, exported)] == ["Set", "Adapter", "Export"]
    assert (rows[painted]["images"], rows[painted]["bytes"], rows[adapter]["bytes"]) == (4, 4 * 4096, 8192)
    assert {one["role"] for one in found["kinds"]} == {"set", "adapter", "export"}


def test_a_thing_says_where_it_came_from_what_read_it_and_what_can_be_done_with_it(session, client):
    maker, painted = made(session.studio, Paint(images=4))
    reader, half = made(session.studio, Half(images=painted))
    one = client.get("/studio/things/one", params={"id": painted}).json()
    assert (one["run"], [run["run"] for run in one["used_by"]]) == (maker, [reader])
    (given,) = client.get("/studio/things/one", params={"id": half}).json()["from"]
    assert given["id"] == painted
    places = [action["go"] for action in one["actions"]]
    assert {"tab": "review", "only": painted} in places
    assert {"tab": "train", "synthetic": painted} in places
    assert {"tab": "runs", "show": maker} in places


def test_a_name_is_changed_in_its_place_and_one_that_is_taken_is_refused_in_words(session, client):
    _, painted = made(session.studio, Paint(images=4))
    _, adapter = made(session.studio, Learn(), "adapter")
    assert ask(client, "name", id=painted, name="mine") == (200, {"name": "mine"})
    status, said = ask(client, "name", id=adapter, name="mine")
    assert status == 422 and "is the name of" in said["detail"]
    names = {one["id"]: one["name"] for one in client.get("/studio/things").json()["things"]}
    assert names[painted] == "mine"


def test_it_is_thrown_away_as_planned_and_made_again_when_asked(session, client):
    _, painted = made(session.studio, Paint(images=4))
    _, planned = ask(client, "plan", ids=[painted])
    status, done = ask(client, "free", ids=[painted], digest=planned["digest"])
    assert (status, done["bytes"]) == (200, planned["bytes"])
    (row,) = client.get("/studio/things").json()["things"]
    assert (row["state"], row["bytes"]) == ("freed", 0)
    status, asked = ask(client, "again", id=painted)
    assert status == 200 and len(asked["runs"]) == 1
    settled(session.studio)
    (row,) = client.get("/studio/things").json()["things"]
    assert row["state"] == "here"
    assert ask(client, "again", id=painted)[0] == 422


def test_what_a_step_made_that_is_not_installed_here_is_listed_by_the_name_of_its_step(session, client, monkeypatch):
    made(session.studio, Paint(images=4))
    monkeypatch.delitem(STEPS, "test.paint")
    (row,) = client.get("/studio/things").json()["things"]
    assert row["made"] == "test.paint"


def test_without_a_look_at_the_plan_nothing_is_thrown_away(session, client):
    _, painted = made(session.studio, Paint(images=4))
    before = blobs(session.studio)
    for body in ({"ids": [painted]}, {"ids": [painted], "digest": "0" * 16}, {"ids": [painted], "digest": ""}):
        assert ask(client, "free", **body)[0] == 422
    assert blobs(session.studio) == before


@pytest.mark.parametrize(
    "body", [{"ids": []}, {"ids": ["x"] * 1001}, {"ids": ["x" * 81]}, {"ids": "all"}, {"ids": [1]}, {}, [], "x", None]
)
def test_a_request_of_another_shape_is_refused_in_words(client, body):
    for path in ("plan", "free"):
        answer = client.post(f"/studio/things/{path}", content=json.dumps(body))
        assert answer.status_code == 422
        assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("name", ["../../etc/passwd", "set:" + "0" * 64, "\0", HOSTILE, "set:../../x", "%2e%2e"])
def test_ids_that_are_none_are_refused_and_change_nothing(session, client, name):
    made(session.studio, Paint(images=2))
    before = blobs(session.studio)
    assert client.get("/studio/things/one", params={"id": name}).status_code == 404
    for path, body in (("plan", {"ids": [name]}), ("free", {"ids": [name], "digest": "x"}), ("again", {"id": name}),
                       ("name", {"id": name, "name": "mine"})):  # fmt: skip
        assert ask(client, path, **body)[0] == 404, path
    assert blobs(session.studio) == before


def test_another_site_can_throw_nothing_away(session, client):
    _, painted = made(session.studio, Paint(images=2))
    _, planned = ask(client, "plan", ids=[painted])
    answer = client.post("/studio/things/free", json={"ids": [painted], "digest": planned["digest"]},
                         headers={"origin": "https://evil.example"})  # fmt: skip
    assert answer.status_code == 403
    assert images(session.studio, painted) <= blobs(session.studio)


def test_a_run_whose_result_was_thrown_away_says_so_and_shows_no_picture_of_it(session, client):
    run_id, painted = made(session.studio, Paint(images=4))
    assert len(detail(session, run_id)["images"]) == 4
    _, planned = ask(client, "plan", ids=[painted])
    ask(client, "free", ids=[painted], digest=planned["digest"])
    found = detail(session, run_id)
    assert found["images"] == []
    assert "Thrown away to free space" in found["damage"]


@pytest.fixture
def space(tmp_path, request):
    opened = SpaceSession(tmp_path / "home", "default", Place(public=True, sign_in=True), request.param)
    opened.launcher = InlineLauncher()
    yield opened
    opened.close()


def as_visitor(name, do):
    token = visitors.enter(name)
    try:
        return do()
    finally:
        visitors.leave(token)


@pytest.mark.parametrize("space", [Quota()], indirect=True)
def test_a_visitor_can_neither_see_nor_throw_away_what_is_anothers(space):
    _, hers = as_visitor("Ada", lambda: made(space.studio, Paint(images=4)))
    for do in (lambda: things_views.plan(space, [hers]), lambda: things_views.free(space, [hers], "Bob", True, ""),
               lambda: things_views.detail(space, hers), lambda: things_views.rename(space, hers, "mine")):  # fmt: skip
        with pytest.raises(BadInput, match="no such thing"):
            as_visitor("Bob", do)
    assert as_visitor("Bob", lambda: things_views.every(space))["things"] == []
    assert as_visitor("Ada", lambda: images(space.studio, hers) <= blobs(space.studio))


@pytest.mark.parametrize("space", [Quota()], indirect=True)
def test_a_stranger_throws_nothing_away_and_makes_nothing_again(space):
    space.studio.launcher = InlineLauncher()
    _, shown = made(space.studio, Paint(images=4))
    for do in (lambda: things_views.free(space, [shown], "?", True, ""), lambda: things_views.again(space, shown),
               lambda: things_views.rename(space, shown, "mine")):  # fmt: skip
        with pytest.raises(BadInput, match="only be looked at"):
            do()
    app = Guard(FastAPI(), Rules(hosts=(), public=True))
    client = TestClient(app, base_url="http://127.0.0.1:7860")
    for path in ("free", "plan", "again", "name"):
        assert client.post(f"/studio/things/{path}", json={}).status_code == 403
    assert len(things_views.every(space)["things"]) == 1


@pytest.mark.parametrize("space", [Quota(bytes=8 << 20)], indirect=True)
def test_what_was_freed_is_room_at_once(space):
    def story():
        _, adapter = made(space.studio, Learn(size=3 << 20), "adapter")
        before = used(space.home).bytes
        with pytest.raises(BadInput, match="may hold"), space.admitting(4 << 20):
            pass
        planned = things_views.plan(space, [adapter])
        things_views.free(space, [adapter], "Ada", False, planned["digest"])
        assert before - used(space.home).bytes >= planned["bytes"] >= 3 << 20
        with space.admitting(4 << 20):
            return True

    assert as_visitor("Ada", story)


@pytest.mark.parametrize("space", [Quota(images=6)], indirect=True)
def test_images_that_were_thrown_away_are_room_for_others(space):
    def story():
        _, painted = made(space.studio, Paint(images=5))
        with pytest.raises(BadInput, match="more than 6 images"):
            space.studio.refuse_over(coming_images=4)
        planned = things_views.plan(space, [painted])
        things_views.free(space, [painted], "Ada", False, planned["digest"])
        space.studio.refuse_over(coming_images=4)
        return True

    assert as_visitor("Ada", story)


@pytest.mark.parametrize("space", [Quota(jobs=1)], indirect=True)
def test_making_again_is_admitted_like_any_work(space):
    def story():
        _, painted = made(space.studio, Paint(images=4))
        planned = things_views.plan(space, [painted])
        things_views.free(space, [painted], "Ada", False, planned["digest"])
        space.studio.launcher = type("Waiting", (), {"launch": lambda *_: None, "alive": lambda *_: False})()
        space.studio.submit(Learn())
        with pytest.raises(BadInput, match="1 at most per person"):
            things_views.again(space, painted)
        return space.studio.catalog.runs.in_state("queued")

    assert len(as_visitor("Ada", story)) == 1
