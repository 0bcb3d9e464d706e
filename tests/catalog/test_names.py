"""Names: one per thing, unique, changeable, found by those who type them."""

import pytest

import tests.jobs.counting  # noqa: F401
from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog import Catalog
from synthstudio.catalog.pipelines import Node
from synthstudio.errors import BadInput, UnknownName
from synthstudio.events import Output
from synthstudio.resources import Resources
from tests.catalog.projects import opened
from tests.jobs.counting import Paint

A, B = "a" * 64, "b" * 64
SHOTS = ImageSet.of("set", [Member("cat", A)])
TEST = ImageSet.of("test", [Member("cat", B)])
LORA = f"adapter:{A}"


def done(catalog, run_id, step, **outputs):
    catalog.runs.add(run_id, step, Resources())
    catalog.ingest(run_id, [(1.0, Output(name=name, value=value)) for name, value in outputs.items()], 10)
    catalog.runs.set_state(run_id, "done")


@pytest.fixture
def catalog(tmp_path):
    """A project whose runs were over before anybody asked for a name."""
    with Catalog(tmp_path / "catalog.duckdb") as opened:
        done(opened, "r1", Paint(images=1), shots=SHOTS.id, test=TEST.id, labels=["cat"])
        done(opened, "r2", Paint(images=2), adapter=LORA)
        opened.images.add_set(SHOTS, "r1")
        request = {"data": "/home/me/my cats.zip"}
        node = Node(0, "adapter", 1, "adapt.lora", {})
        opened.pipelines.add("p1", "datadream", request, [node])
        opened.pipelines.fill("p1", 0, "r2", reused=False)
        yield opened


def test_a_project_without_names_gets_them_from_where_things_came_from(catalog):
    found = {one.id: (one.name, one.role) for one in catalog.names.all()}
    assert found[SHOTS.id] == ("shots", "set")
    assert found[LORA] == ("adapter-datadream-my-cats-fold2", "adapter")
    assert found["p1"] == ("datadream-my-cats", "recipe run")
    assert len({name for name, _ in found.values()}) == len(found) == 6


def test_things_of_the_same_origin_are_told_apart_and_keep_their_names(catalog):
    assert catalog.names.of(SHOTS.id) == "shots"
    other = ImageSet.of("set", [Member("dog", B)])
    done(catalog, "r3", Paint(images=3), shots=other.id)
    assert catalog.names.of(other.id) == "shots-2"
    assert catalog.names.of(SHOTS.id) == "shots"


def test_a_name_that_was_given_stands_after_a_restart(catalog, tmp_path):
    assert catalog.names.give(SHOTS.id, "  my  best ") == "my best"
    catalog.close()
    with Catalog(tmp_path / "catalog.duckdb") as again:
        assert again.names.find("my best") == SHOTS.id
        assert [one.given for one in again.names.all() if one.id == SHOTS.id] == [True]
        assert [one.size for one in again.names.all() if one.id == SHOTS.id] == [1]


def test_names_come_back_when_the_catalog_is_made_again(tmp_path):
    with opened(tmp_path) as studio:
        run_id, _ = studio.submit(Paint(images=1))
        other, _ = studio.submit(Paint(images=2))
        assert studio.catalog.names.of(other) == "run-test.paint-2"
        studio.catalog.names.give(run_id, "mine")
        before = studio.catalog.names.all()
    (tmp_path / "projects" / "default" / "catalog.duckdb").unlink()
    with opened(tmp_path) as studio:
        assert studio.catalog.names.all() == before
        assert studio.catalog.names.find("mine") == run_id
    with opened(tmp_path, rebuild=True) as studio:
        assert studio.catalog.names.all() == before


def test_two_things_never_share_a_name_and_the_first_keeps_it(catalog):
    catalog.names.give(SHOTS.id, "mine")
    with pytest.raises(BadInput, match="'mine' is the name of set:"):
        catalog.names.give(LORA, "mine")
    assert catalog.names.find("mine") == SHOTS.id
    assert catalog.names.give(SHOTS.id, "mine") == "mine"


@pytest.mark.parametrize(
    ("name", "why"), [("  ", "empty"), ("x" * 121, "shorten"), ("set:" + "0" * 64, "looks like an id")]
)
def test_a_name_that_cannot_be_one_is_refused(catalog, name, why):
    with pytest.raises(BadInput, match=why):
        catalog.names.give(SHOTS.id, name)
    assert catalog.names.of(SHOTS.id) == "shots"


def test_a_thing_is_found_by_name_by_id_and_by_the_beginning_of_its_id(catalog):
    assert {catalog.names.find(text, ("set",)) for text in ("shots", SHOTS.id, SHOTS.id[:12])} == {SHOTS.id}


def test_a_name_of_the_wrong_role_says_what_is_needed(catalog):
    with pytest.raises(BadInput, match="'test' is a test; a set is needed. Test images stay untouched"):
        catalog.names.find("test", ("set",))


def test_an_unknown_name_offers_the_nearest_of_its_role(catalog):
    with pytest.raises(UnknownName, match="Did you mean shots"):
        catalog.names.find("shot", ("set",))
    with pytest.raises(UnknownName, match="no classifier yet"):
        catalog.names.find("probe", ("classifier",))
