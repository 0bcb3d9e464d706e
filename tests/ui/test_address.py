"""The project of a request is the one in its address: which it is, how many are open, what nobody can reach."""

import contextvars
import functools
import threading

import pytest

from synthstudio.errors import BadInput, UnknownName
from synthstudio.jobs.public.quotas import Quota
from synthstudio.step import build
from synthstudio.ui.access import visitors
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.api.live import Live
from synthstudio.ui.session import address, houses
from synthstudio.ui.session.place import Place
from synthstudio.ui.session.state import StudioSession
from tests.jobs.counting import Paint
from tests.ui.conftest import NoLauncher

HOSTILE = [
    "..", "../default", "../../etc", "/", "/etc/passwd", "default/../other", "default\0", "%2e%2e", "DEFAULT ",
    "-" * 65, "a" * 5000, "\ud800", "default/../../visitors", "\u202edefault", "project.json", ".",
]  # fmt: skip


def scope(path="/", query=""):
    return {"type": "http", "path": path, "raw_path": path.encode(), "query_string": query.encode("latin1")}


def asks(project, ask, visitor=None):
    """What a request for this project gets, as the guard lets it in."""

    def inside():
        address.enter(project)
        visitors.enter(visitor)
        return ask()

    return contextvars.copy_context().run(inside)


def names(session, project):
    return asks(project, lambda: session.project)


@pytest.mark.parametrize(("path", "query", "becomes", "project"), [
    ("/studio/@my-cats-1234abcd/runs/x/log", "limit=3", "/studio/runs/x/log", "my-cats-1234abcd"),
    ("/studio/@a/images/b", "project=c", "/studio/images/b", "a"),
    ("/", "tab=data&project=cats", "/", "cats"),
    ("/gradio_api/run/predict", "project=cats&project=dogs", "/gradio_api/run/predict", "cats"),
    ("/studio/state", "", "/studio/state", None),
    ("/", "project=", "/", None),
    ("/studio/@../state", "", "/studio/@../state", None),
    ("/studio/@A/state", "", "/studio/@A/state", None),
    ("/studio/@" + "a" * 65 + "/state", "", "/studio/@" + "a" * 65 + "/state", None),
    ("/studio/@a", "", "/studio/@a", None),
    ("/", "project=%ff", "/", None),
    ("/", "&".join(["a=b"] * 60) + "&project=x", "/", None),
])  # fmt: skip
def test_an_address_names_its_project_in_its_path_or_its_query(path, query, becomes, project):
    found = address.read(scope(path, query))
    assert (found["path"], found[address.SCOPE_KEY]) == (becomes, project)
    assert found["raw_path"] == becomes.encode()


def test_two_tabs_work_in_two_projects_at_the_same_time(session):
    slugs = [session.open("cats"), session.open("My dogs!")]
    assert slugs[0] == "cats"
    assert [names(session, one) for one in slugs] == ["cats", "My dogs!"]
    run = asks(slugs[0], lambda: session.studio.submit(Paint())[0])
    assert asks(slugs[0], lambda: [one.id for one in session.studio.catalog.runs.all()]) == [run]
    assert asks(slugs[1], lambda: session.studio.catalog.runs.all()) == []
    assert asks(slugs[0], lambda: session.studio.catalog.runs.get(run).state) == "queued"


def test_what_the_page_is_told_of_work_is_of_its_project_even_within_one_moment(session):
    live = Live(session)
    for name in ("cats", "dogs"):
        session.open(name)
    asks("cats", lambda: session.studio.submit(Paint()))
    assert [asks(one, live.state)["queued"] for one in ("cats", "dogs", "cats")] == [1, 0, 1]
    assert asks("dogs", live.state)["project"] == "dogs"


def test_every_open_project_is_looked_after(session):
    looked = []
    for name in ("cats", "dogs"):
        session.open(name)
        with address.within(name):
            session.studio.tick = functools.partial(looked.append, name)
    session.tick()
    assert sorted(looked) == ["cats", "dogs"]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_project_is_refused_and_makes_no_folder(session, name):
    with pytest.raises(UnknownName, match="no project"):
        names(session, name)
    assert [one.name for one in (session.home / "projects").iterdir()] == ["default"]


def test_a_copied_folder_does_not_open_the_project_it_was_copied_from(session):
    copy = session.home / "projects" / "copy"
    copy.mkdir()
    (copy / "project.json").write_text('{"name": "default"}')
    assert session.find("copy") is None
    assert session.projects() == {"default": "default"}


def test_a_project_is_found_by_its_slug_and_by_its_name(session):
    place = session.open("  My dogs!  ")
    assert session.find(place) == session.find("My dogs!") == "My dogs!"
    assert session.open("My dogs!") == place
    assert session.projects() == {"default": "default", place: "My dogs!"}


@pytest.mark.parametrize(("name", "words"), [(" ", "needs a name"), ("x" * 121, "120 characters")])
def test_a_project_without_a_name_or_with_an_endless_one_is_not_made(session, name, words):
    with pytest.raises(BadInput, match=words):
        session.open(name)


def test_an_address_without_a_project_leads_to_the_one_that_was_opened_last_after_a_restart_too(tmp_path):
    first = StudioSession(tmp_path / "home")
    first.open("cats")
    assert first.project == "default"  # making one is not opening its page
    first.note_opened("cats")
    assert first.project == "cats"
    first.close()
    again = StudioSession(tmp_path / "home")
    assert again.project == "cats"
    again.close()
    chosen = StudioSession(tmp_path / "home", "dogs")
    assert chosen.project == "dogs"
    chosen.close()


@pytest.mark.parametrize("kept", [b"../../etc", b"gone", b"\xff\xfe", b""])
def test_what_was_opened_last_and_is_no_project_any_more_leads_to_the_first(tmp_path, kept):
    home = tmp_path / "home"
    home.mkdir()
    (home / "last-project").write_bytes(kept)
    session = StudioSession(home)
    assert session.project == "default"
    session.close()


def test_idle_projects_are_closed_and_opened_again_when_somebody_asks(session, monkeypatch):
    for name in ("idle", "busy"):
        session.open(name)
    asks("busy", lambda: session.studio.submit(Paint()))
    monkeypatch.setattr(houses, "_IDLE_SECONDS", -1.0)
    session.open_houses.close_idle()
    assert [one.project for one in session.houses()] == ["busy"]
    monkeypatch.undo()
    assert names(session, "idle") == "idle"


def test_a_project_that_somebody_changes_is_not_closed_meanwhile(session, monkeypatch):
    monkeypatch.setattr(houses, "_IDLE_SECONDS", -1.0)
    with session.acting() as studio:
        closing = threading.Thread(target=session.open_houses.close_idle)
        closing.start()
        closing.join(20)
        assert not closing.is_alive()
        assert studio.catalog.runs.all() == []


def test_there_is_an_end_to_open_projects_and_who_was_longest_away_goes_first(session, monkeypatch):
    for number in range(7):
        session.open(f"p{number}")
    with pytest.raises(BadInput, match="8 projects are open and in use"):
        session.open("one more")
    monkeypatch.setattr(houses, "_IN_USE_SECONDS", -1.0)
    asks("p0", lambda: session.studio)
    session.open("one more")
    assert {one.project for one in session.houses()} == {*(f"p{number}" for number in range(7)), "one more"}


def test_a_project_asked_for_by_many_at_once_is_opened_once(session):
    place = session.open("cats")
    session.open_houses.close()
    together, found = threading.Barrier(12), []

    def one():
        together.wait()
        found.append(asks(place, lambda: session.house))

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 12
    assert len(set(map(id, found))) == 1


@pytest.fixture
def space(tmp_path):
    opened = SpaceSession(tmp_path / "home", "default", Place(public=True, sign_in=True), Quota(jobs=1))
    opened.launcher = NoLauncher()
    yield opened
    opened.close()


def test_a_visitor_reaches_no_project_of_another_and_a_stranger_only_the_demo(space):
    place = asks(None, lambda: space.open("Ada's cats"), "Ada")
    assert asks(place, lambda: space.project, "Ada") == "Ada's cats"
    for visitor in ("Bob", None):
        with pytest.raises(UnknownName):
            asks(place, lambda: space.studio, visitor)
        assert asks(None, space.projects, visitor) == {"default": "default"}
    assert asks("default", lambda: space.home, "Bob") != asks("default", lambda: space.home, None)


@pytest.mark.parametrize("name", HOSTILE)
def test_on_a_public_copy_what_is_no_project_is_refused_to_everybody(space, name):
    for visitor in ("Ada", None):
        with pytest.raises(UnknownName):
            asks(name, lambda: space.studio, visitor)
    assert not (space.home / "visitors").exists()


def test_what_works_in_one_project_of_a_visitor_counts_in_their_others(space):
    step = build("collect.import_images", {"source": "source:digits"})

    def submit():
        with space.acting() as studio:
            return studio.submit(step)

    for name in ("cats", "dogs"):
        asks(None, lambda name=name: space.open(name), "Ada")
    asks("cats", submit, "Ada")
    with pytest.raises(BadInput, match="1 at most per person"):
        asks("dogs", submit, "Ada")
    asks(None, submit, "Bob")


def test_who_signs_in_at_the_demo_gets_to_a_project_of_their_own(tmp_path):
    space = SpaceSession(tmp_path / "home", "The demo", Place(public=True, sign_in=True), Quota())
    place = asks(None, lambda: space.slug)
    assert asks(place, lambda: space.project, "Ada") == "default"
    assert asks(place, lambda: space.project) == "The demo"
    space.close()
