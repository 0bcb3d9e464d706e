"""Runs while they wait and work: their order, their names, their curves, what is seen of them."""

import pytest
from fastapi.testclient import TestClient

from synthstudio.artifacts import Image
from synthstudio.catalog.pipelines import Node
from synthstudio.events import Made, Progress
from synthstudio.jobs import Studio
from synthstudio.jobs.asking.asked import Asked
from synthstudio.step import build
from synthstudio.ui.api import routes, run_routes, views_routes
from synthstudio.ui.api.live import Live
from synthstudio.ui.session import lists
from synthstudio.ui.session.place import Place
from synthstudio.ui.tabs import asking
from tests.examples import BACKBONE, ENCODER, EXAMPLES
from tests.ui.conftest import NoLauncher


class OneAtATime(NoLauncher):
    """Says which run it was asked to start, and that it works."""

    def __init__(self):
        self.started = []

    def launch(self, folder, computes):
        self.started.append(folder.name)
        return 1, 1.0

    def alive(self, pid, started):
        return True


@pytest.fixture
def client(session):
    live = Live(session)
    others = [views_routes.router(session), run_routes.router(session)]
    return TestClient(routes.api(session, live, others), raise_server_exceptions=False)


@pytest.fixture
def waiting(session):
    """Three runs that wait, in the order in which they were asked for."""
    fields = EXAMPLES["sample.text"]
    return [session.studio.submit(build("sample.text", {**fields, "seed": seed}))[0] for seed in (1, 2, 3)]


def places(client):
    return {row["run"]: row["place"] for row in client.get("/runs").json()}


def test_runs_start_in_the_order_that_people_give_them(client, session, waiting):
    first, second, third = waiting
    answer = client.post("/queue", json={"runs": [third, first]})
    assert answer.json()["runs"] == [third, first, second]
    assert places(client) == {third: 1, first: 2, second: 3}
    session.studio.launcher = launcher = OneAtATime()
    for _ in range(3):
        session.studio.tick()
        session.studio.catalog.runs.set_state(launcher.started[-1], "stopped")
    assert launcher.started == [third, first, second]


def test_the_order_survives_a_restart_and_a_lost_catalog_and_who_comes_later_is_last(session, waiting):
    first, second, third = waiting
    session.studio.reorder([third, first])
    home = session.home
    session.studio.close()
    for lost in (False, True):
        with Studio(home, launcher=NoLauncher(), rebuild=lost) as studio:
            assert [run.id for run in studio.catalog.runs.in_state("queued")] == [third, first, second]
    with Studio(home, launcher=NoLauncher()) as studio:
        later, _ = studio.submit(build("sample.text", {**EXAMPLES["sample.text"], "seed": 4}))
        studio.stop(third)
        studio.resume(third)  # who steps out of the queue comes back behind those who have a turn
        queued = [run.id for run in studio.catalog.runs.in_state("queued")]
        assert sorted(queued[-2:]) == sorted([later, third]) and queued[:2] == [first, second]
    session.house.studio = Studio(home, launcher=NoLauncher())


def test_an_order_names_runs_that_are_there_and_passes_over_what_has_begun(client, session, waiting):
    first, second, third = waiting
    assert client.post("/queue", json={"runs": ["gone"]}).status_code == 404
    assert client.post("/queue", json={"runs": []}).status_code == 422
    session.studio.catalog.runs.launched(first, "cpu", 1, 1.0)
    assert client.post("/queue", json={"runs": [third, first, third]}).json()["runs"] == [third, second]


def test_a_run_and_a_recipe_get_the_names_that_people_give_them(client, session, waiting):
    pipeline = recipe(session, waiting[0])
    assert client.post("/runs-named", json={"thing": waiting[0], "name": "more sixes"}).json() == {"name": "more sixes"}
    assert client.post("/runs-named", json={"thing": pipeline, "name": "monday"}).json() == {"name": "monday"}
    row = next(row for row in client.get("/runs").json() if row["run"] == waiting[0])
    assert (row["name"], row["named"]) == ("more sixes", True)
    shown = client.get("/state").json()["pipeline"]
    assert (shown["name"], shown["named"]) == ("monday", True)
    taken = client.post("/runs-named", json={"thing": waiting[1], "name": "monday"})
    assert taken.status_code == 422 and list(taken.json()["fields"]) == ["name"]
    assert client.post("/runs-named", json={"thing": "more sixes", "name": "sevens"}).json() == {"name": "sevens"}


def recipe(session, *run_ids):
    """A recipe whose steps have these runs."""
    request = {**Asked(data="digits").model_dump(), "source": "source:digits", "backbone": BACKBONE, "encoder": ENCODER}
    kinds = [session.studio.catalog.runs.get(run_id).kind for run_id in run_ids]
    nodes = [Node(place, f"n{place}", 0, kind, {}) for place, kind in enumerate(kinds)]
    pipeline = session.studio.start("datadream", request, nodes)
    for place, run_id in enumerate(run_ids):
        session.studio.catalog.pipelines.fill(pipeline, place, run_id, False)
    return pipeline


def test_a_finished_recipe_run_is_kept_as_a_recipe_of_ones_own(client, session, waiting):
    pipeline = recipe(session, waiting[0])

    def keep(name):
        return client.post("/recipes-saved", json={"pipeline": pipeline, "name": name})

    assert not client.get("/state").json()["pipeline"]["keepable"]
    assert (keep("mine").status_code, "finished" in keep("mine").text) == (422, True)
    session.studio.catalog.pipelines.set_state(pipeline, "done")
    assert client.get("/state", params={"pipeline": pipeline}).json()["pipeline"]["keepable"]
    before = lists.version(session)
    assert keep(" mine ").json()["said"].startswith("Kept as mine")
    assert "mine" in dict(map(reversed, asking.recipes(session))) and lists.version(session) != before
    for name, said in (("mine", "already"), ("datadream", "already"), ("../mine", "cannot name a recipe")):
        refused = keep(name)
        assert refused.status_code == 422 and said in refused.json()["fields"]["name"], refused.text
    session.where = Place(public=True)
    assert "public copy" in keep("other").text
    assert [one.name for one in (session.recipe_home / "recipes").iterdir()] == ["mine.toml"]


def draw(session, run_id, labels):
    """Let a run have made images, class by class as a plan goes; their digests."""
    digests = [session.studio.workspace.put(f"image {n}".encode()) for n in range(len(labels))]
    made = [Made(index=n, image=Image(digests[n], label, "synthetic", 8, 8, {})) for n, label in enumerate(labels)]
    session.studio.catalog.ingest(run_id, [(float(n), one) for n, one in enumerate(made)], 10)
    return digests


def test_the_newest_images_show_every_class(client, session, waiting):
    recipe(session, waiting[0])
    digests = draw(session, waiting[0], ["cat"] * 40 + ["dog"] * 40 + ["hen"] * 40)
    shown = client.get("/state").json()["pipeline"]["images"]
    assert [one["label"] for one in shown[:6]] == ["hen", "dog", "cat"] * 2
    assert shown[0]["digest"] == digests[119] and shown[2]["digest"] == digests[39]
    of_run = client.get(f"/runs/{waiting[0]}").json()["images"]
    assert {one["label"] for one in of_run} == {"cat", "dog", "hen"}


def test_a_recipe_that_waits_hides_nothing_of_the_one_that_works(client, session, waiting):
    working = recipe(session, waiting[0])
    session.studio.catalog.runs.launched(waiting[0], "cpu", 1, 1.0)
    queued = recipe(session, waiting[1])
    assert client.get("/state").json()["pipeline"]["id"] == working
    assert client.get("/state", params={"pipeline": queued}).json()["pipeline"]["id"] == queued
    session.studio.catalog.runs.set_state(waiting[0], "done")
    session.studio.catalog.runs.launched(waiting[1], "cpu", 1, 1.0)
    assert Live(session).state()["pipeline"]["id"] == queued


def test_curves_of_several_runs_come_together_to_be_laid_over_each_other(client, session, waiting):
    for run_id, height in zip(waiting[:2], (1.0, 2.0), strict=True):
        session.studio.catalog.runs.launched(run_id, "cpu", 1, 1.0)
        log = session.studio.workspace.run_folder(run_id) / "events.jsonl"
        lines = [Progress(done=n, total=4, unit="steps", values={"loss": height / n}) for n in (1, 2, 4)]
        write_log(log, lines)
    found = client.get("/curves", params={"run": waiting[:2]}).json()
    assert [one["run"] for one in found] == waiting[:2]
    assert [one["curves"]["loss"] for one in found] == [[[1, 1.0], [2, 0.5], [4, 0.25]], [[1, 2.0], [2, 1.0], [4, 0.5]]]
    assert client.get("/curves", params={"run": waiting * 3}).status_code == 422
    assert client.get("/curves", params={"run": ["gone"]}).status_code == 404


def write_log(path, events):
    from synthstudio.jobs.running.log import EventLog

    log = EventLog(path.parent)
    for event in events:
        log.append(event)
