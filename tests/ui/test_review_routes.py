"""The routes of Review, attacked and used: no browser, no gradio page, no worker."""

import contextlib
import errno
import io
import json
import uuid

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image as Picture

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog.review import Query
from synthstudio.errors import StorageFull
from synthstudio.events import Made, Scored
from synthstudio.jobs.public.ledger import Ledger
from synthstudio.jobs.running.launchers import ProcessLauncher
from synthstudio.jobs.studio import Studio
from synthstudio.resources import Resources
from synthstudio.ui.api import filter_routes, image_routes, review_routes, review_state
from tests.jobs.counting import Paint

HOSTILE = "<img src=x onerror=alert(1)>"


class Session:
    project = "default"

    def __init__(self, studio):
        self.studio = studio
        self.ledger = Ledger(studio.workspace.root)

    @contextlib.contextmanager
    def acting(self):
        yield self.studio

    @contextlib.contextmanager
    def admitting(self, coming_bytes=0, coming_files=0):
        with self.ledger.admitting(coming_bytes, coming_files):
            yield self.studio


def picture(colour, side):
    out = io.BytesIO()
    Picture.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Three images of a cat, one with a hostile class, one of them large; nothing is changed by name in the tests."""
    with Studio(tmp_path_factory.mktemp("home"), launcher=ProcessLauncher()) as studio:
        studio.catalog.runs.add("r1", Paint(), Resources())
        sides = [8, 8, 8, 400]
        digests = [studio.workspace.put(picture((n * 40, 7, 7), side)) for n, side in enumerate(sides)]
        labels = ["cat", "cat", HOSTILE, "cat"]
        lines = [
            (1.0, Made(index=n, image=Image(d, label, "synthetic", 8, 8, {"seed": n, "prompt": HOSTILE})))
            for n, (d, label) in enumerate(zip(digests, labels, strict=True))
        ]
        studio.catalog.ingest("r1", lines, 10)
        opened = Session(studio)
        opened.digests = digests
        yield opened


@pytest.fixture(scope="module")
def client(session):
    app, api = FastAPI(), FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    api.include_router(image_routes.router(session))
    api.include_router(review_routes.router(session))
    api.include_router(filter_routes.router(session))
    app.mount("/studio", api)
    return TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)


def view(client, **query):
    answer = client.get("/studio/review/view", params={"q": json.dumps(query)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def act(**fields):
    return {"id": str(uuid.uuid4()), **fields}


def send(client, *acts, project="default", **kwargs):
    body = {"project": project, "tab": str(uuid.uuid4()), "acts": list(acts)}
    return client.post("/studio/review/decide", json=body, **kwargs)


def test_pictures_are_kept_for_ever_and_small_ones_are_made_once(client, session):
    large = session.digests[3]
    small = client.get(f"/studio/thumbs/160/{large}")
    assert (small.status_code, small.headers["content-type"]) == (200, "image/webp")
    assert "immutable" in small.headers["cache-control"]
    assert Picture.open(io.BytesIO(small.content)).size == (160, 160)
    kept = list((session.studio.workspace.root / "cache").rglob("*.webp"))
    assert [path.stem for path in kept] == [large]
    kept[0].write_bytes(b"RIFFstill the cache")
    assert client.get(f"/studio/thumbs/{large}").content == b"RIFFstill the cache"
    kept[0].unlink()
    whole = client.get(f"/studio/images/{large}")
    assert whole.content == session.studio.workspace.get(large)
    assert whole.headers["x-content-type-options"] == "nosniff"


def test_a_downloaded_image_says_how_it_was_made_and_has_the_same_pixels(client, session):
    digest = session.digests[0]
    answer = client.get(f"/studio/images/{digest}/file")
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    stored, given = (Picture.open(io.BytesIO(one)) for one in (session.studio.workspace.get(digest), answer.content))
    note = json.loads(given.info["synthstudio"])
    assert stored.tobytes() == given.tobytes() and note["id"] == digest
    assert note["request"]["kind"] == "test.paint" and note["index"] == 0
    assert "trainedAlgorithmicMedia" in given.info["XML:com.adobe.xmp"] and "Seed: 0" in given.info["parameters"]
    plain = client.get(f"/studio/images/{digest}/file", params={"notes": False})
    assert plain.content == session.studio.workspace.get(digest)
    assert client.get(f"/studio/images/{'0' * 64}/file").status_code == 404


def test_a_picture_that_is_small_already_is_not_stored_again(client, session):
    answer = client.get(f"/studio/thumbs/320/{session.digests[0]}")
    assert answer.content == session.studio.workspace.get(session.digests[0])


@pytest.mark.parametrize("route", ["images", "thumbs", "thumbs/160", "review/details"])
@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/project.json", "../../project.json", "%2fetc%2fpasswd",
        "//etc/passwd", "..%5c..%5cproject.json", "%252e%252e%252fproject.json", "project.json", "a" * 63, "a" * 65,
        "A" * 64, "g" * 64, "a" * 64, "%00", "catalog.duckdb", "a" * 64 + "%0a", "file:%2f%2f%2fetc%2fpasswd",
    ],
)  # fmt: skip
def test_only_pictures_of_the_project_are_served(client, route, name):
    assert client.get(f"/studio/{route}/{name}").status_code in (404, 405)


def test_blobs_that_are_no_pictures_are_not_served(client, session):
    manifest = session.studio.workspace.put_set(ImageSet.of("set", [Member("cat", session.digests[0])]))
    assert client.get(f"/studio/images/{manifest.partition(':')[2]}").status_code == 404


@pytest.mark.parametrize("size", ["0", "161", "99999", "-160", "160.0", "..", "1e9"])
def test_sizes_are_ours(client, session, size):
    assert client.get(f"/studio/thumbs/{size}/{session.digests[3]}").status_code == 404


@pytest.mark.parametrize("attack", ["file", "folder", "swapped"])
def test_links_and_changed_files_are_refused(client, session, tmp_path, attack):
    workspace = session.studio.workspace
    data = picture((1, 2, 3 + len(attack)), 8)
    digest = workspace.put(data)
    session.studio.catalog.ingest(
        "r1", [(2.0, Made(index=100 + len(attack), image=Image(digest, "cat", "synthetic", 8, 8)))], 20
    )
    path, elsewhere = workspace.path(digest), tmp_path / digest
    assert client.get(f"/studio/images/{digest}").status_code == 200
    elsewhere.write_bytes(data)
    if attack == "file":
        path.unlink()
        path.symlink_to(elsewhere)
    elif attack == "folder":
        held = path.parent.rename(tmp_path / "held")
        path.parent.symlink_to(held)
    else:
        path.write_bytes(picture((9, 9, 9), 8))
    try:
        assert client.get(f"/studio/images/{digest}").status_code == 410
        assert "Make again" in client.get(f"/studio/thumbs/160/{digest}").json()["detail"]
    finally:
        if attack == "folder":
            path.parent.unlink()
            held.rename(path.parent)


def test_a_full_disk_costs_the_cache_not_the_picture(client, session, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr("synthstudio.ui.api.image_routes.os.replace", full)
    assert client.get(f"/studio/thumbs/96/{session.digests[3]}").status_code == 200
    assert not list((session.studio.workspace.root / "cache").rglob("*.part"))


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1:7860.evil.example"}, {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)  # fmt: skip
def test_other_sites_may_neither_decide_nor_look(client, session, headers):
    one = act(verdict="reject", images=[session.digests[0]])
    before = session.studio.catalog.decisions.last()
    assert send(client, one, headers=headers).status_code == 403
    assert client.get("/studio/review/start", headers=headers).status_code == 403
    assert session.studio.catalog.decisions.last() == before


def test_our_own_page_may(client, session):
    one = act(verdict="clear", images=[session.digests[0]])
    headers = {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
    assert send(client, one, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x" * 36}, {"id": "1'; drop table acts; --"}, {"images": ["../x"]}, {"images": ["A" * 64]},
        {"verdict": "delete"}, {"images": ["a" * 64] * 1001}, {"who": "admin"}, {"verdict": "relabel", "label": ""},
        {"verdict": "relabel", "label": "x" * 200}, {"why": "x" * 501}, {"query": {"sort": "number; drop table acts"}},
        {"spans": [[-1, 5]]}, {"undoes": "nothing"}, {"tags": ["a, b"]}, {"tags": ["\x00"]}, {"tags": ["x" * 61]},
        {"tags": ["x"] * 21}, {"tags": "x"}, {"query": {"limits": [{"field": "made", "low": 1}]}},
    ],
)  # fmt: skip
def test_requests_that_make_no_sense_are_refused_and_store_nothing(client, session, changes):
    before = session.studio.catalog.decisions.last()
    answer = send(client, {**act(verdict="reject", images=[session.digests[0]]), **changes})
    assert answer.status_code in (400, 422)
    assert session.studio.catalog.decisions.last() == before


def test_other_bodies_are_refused(client):
    url = "/studio/review/decide"
    assert client.post(url, content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    assert client.post(url, content=b"{", headers={"content-type": "application/json"}).status_code == 422
    deep = b"[" * 100_000
    assert client.post(url, content=deep, headers={"content-type": "application/json"}).status_code == 422
    endless = (b"x" * 65536 for _ in range(100))
    assert client.post(url, content=endless, headers={"content-type": "application/json"}).status_code == 413


def test_decide_undo_and_see_it_in_another_tab(client, session):
    digest = session.digests[1]
    mark = client.get("/studio/review/changes", params={"since": 0}).json()["last"]
    one = act(verdict="reject", images=[digest])
    answer = send(client, one).json()
    assert answer["outcomes"][0]["changed"] == 1
    assert [digest, "reject", ""] == answer["rows"][0][:3]
    seen = client.get("/studio/review/changes", params={"since": mark}).json()
    assert [row[:3] for row in seen["rows"]] == [[digest, "reject", ""]]
    assert view(client, standings=["rejected"])["total"] == 1
    assert send(client, one).json()["outcomes"][0]["again"] is True
    assert client.get("/studio/review/changes", params={"since": 0}).json()["last"] == seen["last"]


def test_tags_are_put_on_a_selection_found_and_taken_back(client, session):
    query = view(client)["query"]
    one = act(tags=[" to  keep ", "<b>"], query=query, spans=[[0, 1]])
    assert send(client, one).json()["outcomes"][0]["changed"] == 4
    limits = [{"field": "tag", "any_of": ["to keep"]}]
    found = view(client, limits=limits)
    assert (found["total"], found["chips"]) == (2, [["tag", "tag: to keep"]])
    assert client.get("/studio/review/start").json()["tags"] == [["<b>", 2], ["to keep", 2]]
    assert client.get(f"/studio/review/details/{session.digests[0]}").json()["tags"] == ["<b>", "to keep"]
    assert send(client, act(tags=["<b>"], off=True, images=session.digests)).json()["outcomes"][0]["changed"] == 2
    assert send(client, act(undoes=one["id"])).status_code == 200
    assert view(client, limits=limits)["total"] == 0


def test_the_values_of_a_field_and_the_sql_of_a_view_are_told(client):
    def asked(path, query, **more):
        return client.get(f"/studio/review/filter/{path}", params={"q": json.dumps(query), **more})

    query = view(client, limits=[{"field": "seed", "any_of": ["0", "2"]}])["query"]
    assert asked("field", query, name="prompt").json() == {"texts": []}
    spread = asked("field", query, name="width").json()
    assert (spread["low"], spread["high"], spread["inside"], spread["whole"]) == (8, 8, 2, 2)
    assert asked("field", query, name="sampler").json() == {"texts": [["", "", 2]]}
    assert asked("likeness", query).json() == {}
    assert "seed, '') in ('0', '2')" in asked("sql", query).json()["sql"]
    for name in ("made", "score:", "x" * 91, "number; drop table review"):
        assert asked("field", query, name=name).status_code == 422
    assert asked("field", {}, name="width").status_code == 422
    assert asked("sql", query | {"limits": [{"field": "seed"}]}).status_code == 422


def test_another_project_is_told_so_and_nothing_is_stored(client, session):
    answer = send(client, act(verdict="reject", images=[session.digests[0]]), project="another")
    assert answer.status_code == 409
    assert "Nothing was stored" in answer.json()["detail"]


def test_a_full_disk_is_said_and_nothing_is_claimed(client, session, monkeypatch):
    def full(*_, **__):
        raise StorageFull("The disk is full. Free some space.")

    monkeypatch.setattr(session.studio.catalog.decisions, "decide", full)
    answer = send(client, act(verdict="reject", images=[session.digests[0]]))
    assert (answer.status_code, answer.json()["error"]) == (507, "The disk is full. Free some space.")


def test_counts_belong_to_their_filters(client, session):
    send(client, act(verdict="keep", images=[session.digests[3]]))
    found = view(client, labels=["cat"])
    classes = {label: counts for label, *counts in found["classes"]}
    assert classes[HOSTILE] == [1, 0, 0]
    assert sum(classes["cat"]) == found["total"] == sum(found["origins"].values())


def test_a_page_needs_a_settled_view(client):
    unsettled = client.get("/studio/review/page", params={"q": "{}", "start": 0, "count": 5})
    assert unsettled.status_code == 422
    query = json.dumps(view(client)["query"])
    rows = client.get("/studio/review/page", params={"q": query, "start": 1, "count": 2}).json()
    assert len(rows) == 2
    assert client.get("/studio/review/page", params={"q": query, "start": 0, "count": 501}).status_code == 422


def test_details_tell_how_an_image_was_made(client, session):
    found = client.get(f"/studio/review/details/{session.digests[2]}").json()
    assert found["made"][0]["made"] == {"seed": 2, "prompt": HOSTILE}
    sentence = found["made"][0]["sentence"]
    assert sentence.startswith("Made from noise (paint images")
    assert sentence.endswith(f", seed 2, as “{HOSTILE}”.")
    assert found["nearest"] is None


def test_a_selection_is_frozen_with_its_provenance(client, session):
    settled = view(client)["query"]
    body = {"project": "default", "query": settled, "spans": [[0, 1]]}
    frozen = client.post("/studio/review/freeze", json=body).json()
    assert frozen["size"] == 2
    studio = session.studio
    assert studio.wait(frozen["run_id"]).state == "done"
    assert studio.catalog.runs.outputs(frozen["run_id"])["images"] == frozen["image_set"]
    assert view(client, image_set=frozen["image_set"])["total"] == 2


def test_a_selection_is_frozen_under_the_name_somebody_gave_it(client, session):
    body = {"project": "default", "query": view(client, labels=["cat"])["query"], "spans": [[0, 0]]}
    frozen = client.post("/studio/review/freeze", json={**body, "name": "  my  cats "}).json()
    assert frozen["name"] == "my cats"
    assert session.studio.catalog.names.find("my cats", ("set",)) == frozen["image_set"]
    another = {**body, "spans": [[1, 1]], "name": "my cats"}
    runs = len(session.studio.catalog.runs.all())
    refused = client.post("/studio/review/freeze", json=another)
    assert (refused.status_code, len(session.studio.catalog.runs.all())) == (400, runs)
    assert "'my cats' is the name of" in refused.json()["error"]
    assert "Choose another name." in refused.json()["error"]
    assert client.post("/studio/review/freeze", json={**another, "name": "a" * 121}).status_code == 422


def test_without_a_name_the_program_names_the_set(client, session):
    body = {"project": "default", "query": view(client)["query"], "spans": [[0, 2]], "name": " "}
    frozen = client.post("/studio/review/freeze", json=body).json()
    assert frozen["name"] is None
    session.studio.wait(frozen["run_id"])
    assert session.studio.catalog.names.of(frozen["image_set"]).startswith("selection")


def test_nothing_chosen_is_a_sentence(client):
    settled = view(client, labels=["no such class"])["query"]
    answer = client.post("/studio/review/freeze", json={"project": "default", "query": settled})
    assert answer.status_code == 400
    assert "No image is chosen" in answer.json()["error"]


def test_the_target_is_kept(client):
    answer = client.post("/studio/review/target", json={"project": "default", "wanted": 12})
    assert answer.json() == {"targets": {"": 12}}
    assert client.get("/studio/review/start").json()["targets"] == {"": 12}


def test_a_page_says_the_chosen_score_of_every_tile(client, session):
    scored = Scored(scorer="sharpness", values=tuple((one, n / 10) for n, one in enumerate(session.digests[:2])))
    session.studio.catalog.ingest("r1", [(2.0, scored)], 20)
    query = view(client, scorer="sharpness")["query"]
    rows = client.get("/studio/review/page", params={"q": json.dumps(query), "start": 0, "count": 9}).json()
    assert [row[6] for row in rows][:4] == [0.0, 0.1, None, None]
    plain = view(client)["query"]
    rows = client.get("/studio/review/page", params={"q": json.dumps(plain), "start": 0, "count": 9}).json()
    assert {row[6] for row in rows} == {None}


def test_how_much_of_the_gain_is_decided_follows_every_decision(client, session):
    """Images that are better left in count nothing; nor do the limits of the view."""
    harms = zip(session.digests, (6.0, 3.0, -4.0, 1.0), strict=True)
    session.studio.catalog.ingest("r1", [(3.0, Scored(scorer="influence", values=tuple(harms)))], 30)
    send(client, act(images=session.digests))
    scale = client.get("/studio/review/start").json()["scales"]["influence"]
    assert (scale["order"], scale["sort"]) == ("What pays most first", "score_high")
    found = view(client, scorer="influence", sort=scale["sort"], low=0)
    assert found["banked"] == 0 and found["histogram"]["high"] == 6
    rejected, cleared = act(verdict="reject", images=[session.digests[0]]), act(images=[session.digests[0]])
    for gesture, share in ((rejected, 0.6), (cleared, 0.0)):
        assert send(client, gesture).status_code == 200
        tally = client.get("/studio/review/tally", params={"q": json.dumps({"scorer": "influence"})}).json()
        assert tally["banked"] == pytest.approx(share)
    assert view(client)["banked"] is None is view(client, scorer="sharpness")["banked"]
    likeness = Query(scorer="influence", similar_to=session.digests[0])
    assert review_state.banked(session.studio, likeness) == {"banked": None}
