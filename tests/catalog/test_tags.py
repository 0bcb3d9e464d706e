"""Tags: put on and taken off in acts like any other, undone, filtered by, and told as they stood."""

import itertools

import pytest
from pydantic import TypeAdapter, ValidationError

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog import Catalog
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.question import answer, reading
from synthstudio.catalog.review import Query
from synthstudio.catalog.tags import MOST
from synthstudio.catalog.view_sql import as_sql
from synthstudio.errors import BadInput
from synthstudio.events import Made
from synthstudio.resources import Resources
from synthstudio.view_terms import Limit, Tag
from tests.jobs.counting import Paint

A, B, C, D = IMAGES = [letter * 64 for letter in "abcd"]
numbers = itertools.count()


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "catalog.duckdb") as opened:
        opened.runs.add("r1", Paint(), Resources())
        made = [Made(index=n, image=Image(d, "cat", "synthetic", 8, 8)) for n, d in enumerate(IMAGES)]
        opened.ingest("r1", [(1.0, one) for one in made], 10)
        opened.review.newest()
        yield opened


def tag(catalog, *tags, on=(), off=False, tab="one", undoes=None):
    act = Act(f"act {next(numbers)}", tab, Chosen.images(on), tags=tags, off=off, undoes=undoes)
    return catalog.decisions.decide([act], "somebody")[0]


def tagged(catalog, *tags, **more):
    query = catalog.review.settle(Query(limits=(Limit(field="tag", any_of=tags),), **more))
    return [row["digest"] for row in catalog.review.page(query, 0, 100)]


def test_tags_are_put_on_once_taken_off_and_counted(catalog):
    assert tag(catalog, "blurry", "fig. 2", on=[A, B]).changed == 4
    assert tag(catalog, "blurry", on=[B, C]).changed == 1
    assert tagged(catalog, "blurry") == [A, B, C]
    assert tag(catalog, "blurry", on=IMAGES, off=True).changed == 3
    assert catalog.tags.all() == [("fig. 2", 2)]
    assert catalog.tags.of(IMAGES) == {A: ["fig. 2"], B: ["fig. 2"]}
    assert tagged(catalog, "") == [C, D]
    assert tagged(catalog, "", "fig. 2") == IMAGES


def test_an_undo_gives_back_what_stood_and_redo_does_it_again(catalog):
    tag(catalog, "blurry", on=[A])
    second = tag(catalog, "blurry", "dark", on=[A, B])
    undone = tag(catalog, undoes=second.id)
    assert catalog.tags.of(IMAGES) == {A: ["blurry"]}
    tag(catalog, undoes=undone.id)
    assert catalog.tags.of(IMAGES) == {A: ["blurry", "dark"], B: ["blurry", "dark"]}
    off = tag(catalog, "dark", on=[A], off=True)
    tag(catalog, undoes=off.id)
    assert tagged(catalog, "dark") == [A, B]


def test_what_another_tab_has_said_since_stays(catalog):
    first = tag(catalog, "blurry", on=[A, B], tab="one")
    tag(catalog, "blurry", on=[A], off=True, tab="two")
    tag(catalog, "blurry", on=[A], tab="two")
    outcome = tag(catalog, undoes=first.id, tab="one")
    assert (outcome.changed, outcome.kept_elsewhere) == (1, 1)
    assert tagged(catalog, "blurry") == [A]


def test_decisions_and_tags_leave_each_other_alone_and_share_one_number(catalog):
    decided = catalog.decisions.decide([Act("d1", "one", Chosen.images([A]), "reject")], "me")[0]
    put = tag(catalog, "blurry", on=[A])
    assert (decided.last, put.last, catalog.decisions.last()) == (1, 2, 2)
    tag(catalog, undoes="d1")
    assert catalog.decisions.states([A])[0]["verdict"] == "clear"
    assert tagged(catalog, "blurry") == [A]
    again = catalog.decisions.decide([Act(put.id, "one", Chosen.images([B]), tags=("x",))], "me")[0]
    assert again.again and tagged(catalog, "x") == []


def test_a_settled_view_stays_as_it_was_while_tags_change(catalog):
    tag(catalog, "blurry", on=[A, B])
    query = catalog.review.settle(Query(limits=(Limit(field="tag", any_of=("blurry",)),)))
    tag(catalog, "blurry", on=[A], off=True)
    tag(catalog, "blurry", on=[C])
    for when in (query, query.model_copy(update={"sort": "newest"})):
        assert {row["digest"] for row in catalog.review.page(when, 0, 9)} == {A, B}
    assert catalog.tags.of(IMAGES, as_of=query.as_of) == {A: ["blurry"], B: ["blurry"]}
    assert tagged(catalog, "blurry") == [B, C]
    assert catalog.spreads.texts(query, "tag") == [("", 2), ("blurry", 2)]


def test_test_images_take_no_tags_and_lose_those_they_had(catalog):
    tag(catalog, "blurry", on=[A, B])
    catalog.images.add_set(ImageSet.of("test", [Member("cat", A), Member("cat", C)]), "r1")
    assert tag(catalog, "dark", on=[A, C]).changed == 0
    assert catalog.tags.of(IMAGES) == {B: ["blurry"]}
    assert tagged(catalog, "blurry") == [B]


def test_there_is_a_most_of_different_tags(catalog):
    for start in range(0, MOST, 20):
        tag(catalog, *(f"tag {n}" for n in range(start, start + 20)), on=[A])
    with pytest.raises(BadInput, match="Take one off"):
        tag(catalog, "one more", on=[A])
    assert len(catalog.tags.all()) == MOST
    tag(catalog, "tag 1", on=[A, B])
    tag(catalog, "tag 1", on=[A, B], off=True)
    assert tag(catalog, "one more", on=[A]).changed == 1


@pytest.mark.parametrize("text", ["", " \n\t", "a, b", "x" * 61, "\x00\x1b", "\u202e\u200b", "x" * 201])
def test_what_is_no_tag_is_refused(text):
    with pytest.raises(ValidationError):
        TypeAdapter(Tag).validate_python(text)


def test_a_tag_is_one_line_without_what_cannot_be_seen():
    assert TypeAdapter(Tag).validate_python("  <b>to\u202e\x07  keep\n") == "<b>to keep"


def test_the_new_tables_answer_the_views_question_too(catalog, tmp_path):
    tag(catalog, "it's blurry", on=[A, C])
    asked = [("it's blurry",), ("",), ("", "it's blurry")]
    views = [(as_sql(Query(limits=(Limit(field="tag", any_of=one),))), tagged(catalog, *one)) for one in asked]
    catalog.close()
    with reading(tmp_path / "catalog.duckdb") as copy:
        assert [[row[0] for row in answer(copy, sql).rows] for sql, _ in views] == [found for _, found in views]
