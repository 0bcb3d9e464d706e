"""The map of Review over its routes: points as bytes, what has a place, twins, holes, and who may ask for a map."""

import itertools
import json

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from synthstudio import models
from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.embeddings import EmbeddingStore
from synthstudio.events import Finished, Made, Output, Scored, Started
from synthstudio.jobs.running.log import EventLog
from synthstudio.step import build, from_json
from synthstudio.ui.api import map_routes, review_routes, routes
from tests.catalog.projects import digests, opened
from tests.jobs.counting import Paint
from tests.steps.kit import PlainWork
from tests.ui.test_review_routes import Session, act, send

CLASSES = ("cat", "dog")
PHOTOS, MADE, LATE, TESTED = digests(0, 12), digests(100, 120), digests(200, 203), digests(300, 302)
_runs = itertools.count(1)


def done(studio, step, *said):
    """A finished run of a step that has said something."""
    run_id, _ = studio.submit(step)
    studio.tick()
    log = EventLog(studio.workspace.run_folder(run_id))
    log.append(Started(attempt=1, pid=1, environment={}))
    for event in (*said, Finished(seconds=1.0, peak_memory_mb=1.0)):
        log.append(event)
    studio.tick()
    return run_id


def made(images, origin, label=lambda n: CLASSES[n % 2]):
    return [Made(index=n, image=Image(one, label(n), origin, 8, 8)) for n, one in enumerate(images)]


def kept(studio, images, role="set"):
    for image in images:
        studio.workspace.path(image).parent.mkdir(parents=True, exist_ok=True)
        studio.workspace.path(image).write_bytes(b"a picture")
    members = [Member(CLASSES[n % 2], image) for n, image in enumerate(images)]
    return studio.workspace.put_set(ImageSet.of(role, members))


def laid(studio):
    """Ask for a map as the page does, and do the work here; returns the run."""
    worked(studio, next(r.id for r in studio.catalog.runs.in_state("queued", "running") if r.kind == "measure.map"))


def worked(studio, run_id):
    """Do the work of a run that is waiting."""
    step = from_json(studio.catalog.runs.step_body(studio.catalog.runs.get(run_id).step_id))
    studio.tick()
    log = EventLog(studio.workspace.run_folder(run_id))
    log.append(Started(attempt=1, pid=1, environment={}))
    for event in (
        *step.run(PlainWork(studio.workspace, studio.workspace.root)),
        Finished(seconds=1.0, peak_memory_mb=1),
    ):
        log.append(event)
    studio.tick()
    assert studio.catalog.runs.get(run_id).state == "done", studio.catalog.runs.get(run_id).error


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Twelve photos, the first two shots, the others to validate with; twenty made images around the photos of cats."""
    with opened(tmp_path_factory.mktemp("home")) as studio:
        random = np.random.default_rng(0)
        eye = models.reference("pico-clip", "encoder", studio.workspace)
        directions = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)
        near = lambda row: directions[row % 2] + 0.1 * random.standard_normal(4)  # noqa: E731 - two lines of use
        vectors = np.array(
            [near(n) for n in range(12)] + [near(0) for _ in MADE] + [near(0) for _ in TESTED], np.float32
        )
        store = EmbeddingStore(studio.workspace, eye)
        store.put([*PHOTOS, *MADE, *TESTED], vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
        done(
            studio,
            Paint(images=1),
            *made([*PHOTOS, *TESTED], "real"),
            Output(name="images", value=kept(studio, PHOTOS)),
        )
        split = {"shots": kept(studio, PHOTOS[:2]), "validation": kept(studio, PHOTOS[2:]),
                 "test": kept(studio, TESTED, "test")}  # fmt: skip
        asked = build("collect.split", {"images": "pool:" + "0" * 64})
        done(studio, asked, *(Output(name=name, value=value) for name, value in split.items()))
        done(studio, Paint(images=2), *made(MADE, "synthetic", lambda _: "cat"),
             Scored(scorer="nearest_real", values=((MADE[0], 1.0), (MADE[1], 0.99), (PHOTOS[0], 1.0))),
             Output(name="images", value=kept(studio, MADE)))  # fmt: skip
        found = Session(studio)
        yield found


@pytest.fixture(scope="module")
def client(session):
    app, api = FastAPI(), routes.api(session, None, [review_routes.router(session), map_routes.router(session)])
    app.mount("/studio", api)
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def mapped(client, session):
    """The client, once there is a map."""
    assert client.get("/studio/review/map/state").json()["map"] is None
    answer = client.get("/studio/review/map/points", params={"q": json.dumps(settled(client)[0])})
    assert answer.status_code == 404 and "Make the map" in answer.json()["detail"]
    assert client.post("/studio/review/map", json={"project": "default"}).status_code == 200
    assert client.get("/studio/review/map/state").json()["run"]["state"] in ("queued", "running")
    laid(session.studio)
    return client


def settled(client, **query):
    view = client.get("/studio/review/view", params={"q": json.dumps(query)}).json()
    return view["query"], view["total"]


def ask(client, what, **query):
    return client.get(f"/studio/review/map/{what}", params={"q": json.dumps(settled(client, **query)[0])})


def points(client, **query):
    """Columns by name, as the page reads them, and the head."""
    data = ask(client, "points", **query).content
    long = int(np.frombuffer(data, "<u4", 1)[0])
    head, at, found = json.loads(data[4 : 4 + long]), 4 + long, {}
    for name in ("x", "y", "label", "run", "origin", "standing", "score", "mark"):
        kind = "<u2" if name in ("x", "y", "label", "run") else "u1"
        found[name] = np.frombuffer(data, kind, head["total"], at)
        at += found[name].nbytes
    assert at == len(data) and long % 4 == 0
    return found, head


def test_points_come_in_the_order_of_the_view_with_what_is_known_of_them(mapped):
    found, head = points(mapped)
    assert head["total"] == settled(mapped)[1] == 32 and head["labels"] == ["cat", "dog"]
    assert list(found["origin"]) == [0] * 12 + [1] * 20
    assert [head["labels"][code] for code in found["label"]] == list(CLASSES) * 6 + ["cat"] * 20
    assert set(found["mark"] & 1) == {1}
    cats = found["label"] == 0
    middles = [[found[axis][chosen].mean() for axis in ("x", "y")] for chosen in (cats, ~cats)]
    assert np.hypot(*np.subtract(*middles)) > 10_000
    turned, _ = points(mapped, sort="newest", origins=["synthetic"])
    assert np.array_equal(turned["x"], found["x"][12:][::-1])


def test_test_images_are_on_no_map(mapped, session):
    state = mapped.get("/studio/review/map/state").json()["map"]
    assert (state["images"], state["missing"], state["eye"]) == (32, 0, "pico-clip")
    assert points(mapped)[1]["total"] == 32


def test_a_score_of_the_view_is_told_in_steps_and_none_is_nought(mapped):
    found, head = points(mapped, scorer="nearest_real")
    assert (head["low"], head["high"]) == (0.99, 1.0)
    assert list(found["score"][[0, 1, 12, 13, 14]]) == [255, 0, 255, 1, 0]
    assert points(mapped)[1]["low"] is None


def test_a_twin_is_a_made_image_that_shows_a_photo_again_and_rejecting_all_of_them_is_one_act(mapped, session):
    marks = points(mapped)[0]["mark"]
    assert list(np.flatnonzero(marks & 2)) == [12]
    query, _ = settled(mapped)
    rejected = act(verdict="reject", query=query, spans=[[12, 12]])
    assert send(mapped, rejected).json()["outcomes"][0]["changed"] == 1
    assert list(ask(mapped, "standings").content)[12] == 2
    assert send(mapped, act(undoes=rejected["id"])).json()["outcomes"][0]["changed"] == 1
    assert list(ask(mapped, "standings").content)[12] == 0


def test_what_a_lasso_chose_is_decided_however_scattered_it_lies(mapped, session):
    query, total = settled(mapped)
    scattered = [[place, place] for place in range(0, total, 2)]
    few = act(verdict="keep", query=query, spans=scattered)
    assert send(mapped, few).json()["outcomes"][0]["changed"] == total // 2
    # The same place again and again, places behind the end, and spans the wrong way round choose nothing more.
    many = act(verdict="clear", query=query, spans=[*scattered * 20, [total, 2**53 - 1], [9, 3]])
    assert send(mapped, many).json()["outcomes"][0]["changed"] == total // 2
    assert set(ask(mapped, "standings").content) == {0}
    assert send(mapped, act(verdict="keep", query=query, spans=[[0, 0]] * 100_001)).status_code == 422


def test_holes_are_validation_photos_of_a_class_that_nothing_made_comes_near(mapped, session):
    found = ask(mapped, "holes").json()
    dogs = [hole for hole in found["holes"] if hole["label"] == "dog"]
    assert {hole["digest"] for hole in dogs} == set(PHOTOS[3::2])
    assert all(hole["far"] is None for hole in dogs), "nothing was made of this class"
    assert found["holes"][: len(dogs)] == dogs and PHOTOS[0] not in {hole["digest"] for hole in found["holes"]}
    assert [hole["place"] for hole in dogs] == [PHOTOS.index(hole["digest"]) for hole in dogs]
    assert {hole["place"] for hole in ask(mapped, "holes", origins=["synthetic"]).json()["holes"]} == {-1}


def test_what_is_rejected_fills_no_hole(mapped, session):
    covered = ask(mapped, "holes").json()["count"]
    session.studio.catalog.decisions.decide([Act("all", "t", Chosen.images(MADE), "reject")], "me")
    assert ask(mapped, "holes").json()["count"] == len(PHOTOS) - 2 > covered
    session.studio.catalog.decisions.decide([Act("back", "t", undoes="all")], "me")
    assert ask(mapped, "holes").json()["count"] == covered


def test_what_comes_later_has_no_place_until_it_is_asked_for_and_nothing_moves(mapped, session):
    studio, before = session.studio, points(mapped)[0]
    eye = models.reference("pico-clip", "encoder", studio.workspace)
    EmbeddingStore(studio.workspace, eye).put(LATE, np.eye(4, dtype=np.float32)[:3])
    done(studio, Paint(images=3), *made(LATE, "synthetic"), Output(name="images", value=kept(studio, LATE)))
    now, head = points(mapped)
    assert head["total"] == 35 and list(now["mark"][-3:]) == [0, 0, 0]
    assert mapped.get("/studio/review/map/state").json()["map"]["missing"] == 3
    assert mapped.post("/studio/review/map", json={"project": "default"}).status_code == 200
    laid(studio)
    later = points(mapped)[0]
    assert list(later["mark"][-3:]) == [1, 1, 1]
    assert all(np.array_equal(later[axis][:32], before[axis]) for axis in ("x", "y"))
    assert mapped.get("/studio/review/map/state").json()["map"]["missing"] == 0


def test_a_map_of_vectors_that_are_gone_still_shows_its_places(mapped, session):
    before = points(mapped)[0]["x"]
    folder = session.studio.workspace.root / "embeddings"
    folder.rename(aside := folder.with_name("aside"))
    try:
        assert np.array_equal(points(mapped)[0]["x"], before)
    finally:
        aside.rename(folder)


@pytest.mark.parametrize("what", ["points", "standings", "holes"])
@pytest.mark.parametrize(
    "q", ["", "{}", "[]", "null", '{"as_of": 1, "upto": -1}', '{"as_of": 1, "upto": 1e400}', "[" * 10_000,
          '{"as_of": 0, "upto": 1, "sort": "number; drop table acts"}'],
)  # fmt: skip
def test_questions_that_make_no_sense_are_refused(mapped, what, q):
    assert mapped.get(f"/studio/review/map/{what}", params={"q": q}).status_code in (422, 413)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"project": "default", "anew": "perhaps"},
        {"project": "x" * 401},
        {"project": "default", "encoder": "../../x"},
    ],
)
def test_a_request_for_a_map_is_taken_as_it_is_meant_or_not_at_all(mapped, session, body):
    before = len(session.studio.catalog.runs.all())
    assert mapped.post("/studio/review/map", json=body).status_code == 422
    assert mapped.post("/studio/review/map", json={"project": "another"}).status_code == 409
    assert len(session.studio.catalog.runs.all()) == before


def test_another_site_may_neither_look_nor_ask(mapped):
    evil = {"origin": "http://evil.example"}
    assert mapped.get("/studio/review/map/state", headers=evil).status_code == 403
    assert mapped.post("/studio/review/map", json={"project": "default"}, headers=evil).status_code == 403


def test_a_project_without_images_says_what_to_do_first(tmp_path):
    with opened(tmp_path / "home") as studio:
        empty = Session(studio)
        app = routes.api(empty, None, [map_routes.router(empty)])
        answer = TestClient(app).post("/review/map", json={"project": "default"})
        assert answer.status_code == 422 and "Import photos under Data" in answer.json()["detail"]
