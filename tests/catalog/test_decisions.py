"""Decisions and views: what is stored, what counts, what stays in place."""

import uuid

import duckdb
import pytest

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog import Catalog
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.migrations import MIGRATIONS
from synthstudio.catalog.review import Query
from synthstudio.events import Made, Scored
from synthstudio.resources import Resources
from tests.jobs.counting import Count, Paint

A, B, C, D, E = (letter * 64 for letter in "abcde")
HOSTILE = "<img src=x onerror=alert(1)>'; drop table tiles; --"


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "catalog.duckdb") as opened:
        opened.runs.add("r1", Count(), Resources())
        opened.runs.add("r2", Paint(), Resources())
        made = [(A, "cat", "real"), (B, "cat", "synthetic"), (C, "dog", "synthetic"), (D, HOSTILE, "synthetic")]
        lines = [(1.0, Made(index=i, image=Image(d, label, o, 8, 8))) for i, (d, label, o) in enumerate(made)]
        opened.ingest("r1", [*lines, (2.0, Scored(scorer="s", values=((B, 0.2), (C, 0.8), (D, None))))], 10)
        opened.ingest("r2", [(3.0, Made(index=0, image=Image(C, "dog", "synthetic", 8, 8)))], 10)
        yield opened


def decide(catalog, verdict, *images, tab="one", label="", act=None, undoes=None):
    act_id = act or str(uuid.uuid4())
    catalog.review.settle(Query())
    (outcome,) = catalog.decisions.decide(
        [Act(act_id, tab, Chosen.images(images), verdict, label, undoes)], who="somebody"
    )
    return outcome


def found(catalog, **filters):
    query = catalog.review.settle(Query(**filters))
    return [row["digest"] for row in catalog.review.page(query, 0, 100)]


def standing(catalog, digest):
    return [(row["verdict"], row["label"]) for row in catalog.decisions.states([digest])]


def test_a_picture_made_by_two_runs_is_one_tile(catalog):
    assert found(catalog) == [A, B, C, D]
    assert found(catalog, run="r2") == [C]


def test_the_pictures_of_a_run_are_found_whether_it_made_them_first_or_again(catalog):
    assert found(catalog, run="r1") == [A, B, C, D]
    decide(catalog, "reject", A)
    assert found(catalog, run="r1", standings=["rejected"]) == [A]
    assert sum(count for *_, count in catalog.review.tally(catalog.review.settle(Query(run="r1")))) == 4
    assert found(catalog, run="never") == []


def test_the_last_decision_counts_and_all_are_kept(catalog):
    decide(catalog, "keep", A)
    decide(catalog, "reject", A)
    assert standing(catalog, A) == [("reject", "")]
    assert [row["verdict"] for row in catalog.decisions.of_image(A)] == ["reject", "keep"]


def test_the_same_act_twice_is_stored_once(catalog):
    first = decide(catalog, "reject", A, B, act="x")
    again = decide(catalog, "reject", A, B, act="x")
    assert (again.last, again.changed) == (first.last, first.changed) == (2, 2)
    assert catalog.decisions.last() == 2


def test_an_image_named_twice_or_unknown_is_one_row_or_none(catalog):
    assert decide(catalog, "reject", A, A, E).changed == 1


def test_a_class_given_by_hand_survives_keep_and_reject_but_not_clear(catalog):
    decide(catalog, "relabel", A, label="dog")
    decide(catalog, "reject", A)
    assert standing(catalog, A) == [("reject", "dog")]
    assert found(catalog, labels=["dog"]) == [A, C]
    decide(catalog, "clear", A)
    assert standing(catalog, A) == [("clear", "")]


def test_undo_and_redo_walk_back_and_forth(catalog):
    keep, reject = decide(catalog, "keep", A), decide(catalog, "reject", A, B)
    undone = decide(catalog, "clear", undoes=reject.id)
    assert standing(catalog, A) == [("keep", "")]
    assert standing(catalog, B) == [("clear", "")]
    earlier = decide(catalog, "clear", undoes=keep.id)
    assert standing(catalog, A) == [("clear", "")]
    decide(catalog, "clear", undoes=earlier.id)
    decide(catalog, "clear", undoes=undone.id)
    assert standing(catalog, A) == standing(catalog, B) == [("reject", "")]


def test_undo_leaves_what_another_tab_decided_since(catalog):
    mine = decide(catalog, "reject", A, B)
    decide(catalog, "keep", B, tab="two")
    undone = decide(catalog, "clear", undoes=mine.id)
    assert (undone.changed, undone.kept_elsewhere) == (1, 1)
    assert standing(catalog, B) == [("keep", "")]


def test_undoing_what_never_was_changes_nothing(catalog):
    assert decide(catalog, "clear", undoes="never").changed == 0


def test_a_batch_is_stored_as_a_whole_or_not_at_all(catalog):
    catalog.review.settle(Query())
    good = Act("good", "one", Chosen.images([A]), "keep")
    broken = Act("broken", "one", Chosen("select nothing from nowhere", []), "keep")
    with pytest.raises(Exception, match="nowhere"):
        catalog.decisions.decide([good, broken], who="somebody")
    assert catalog.decisions.last() == 0


def test_a_settled_view_keeps_its_places_while_images_are_decided(catalog):
    query = catalog.review.settle(Query(standings=["pending"]))
    decide(catalog, "reject", A)
    assert [row["digest"] for row in catalog.review.page(query, 0, 10)] == [A, B, C, D]
    assert found(catalog, standings=["pending"]) == [B, C, D]


def test_another_process_gives_the_same_view_again(catalog, tmp_path):
    query = catalog.review.settle(Query(standings=["pending"], sort="shuffled"))
    before = catalog.review.page(query, 0, 10)
    decide(catalog, "reject", A)
    catalog.close()
    with Catalog(tmp_path / "catalog.duckdb") as reopened:
        assert reopened.review.page(query, 0, 10) == before


def test_new_images_do_not_move_a_view(catalog):
    query = catalog.review.settle(Query(sort="newest"))
    catalog.ingest("r2", [(4.0, Made(index=1, image=Image(E, "cat", "synthetic", 8, 8)))], 20)
    assert [row["digest"] for row in catalog.review.page(query, 0, 10)] == [D, C, B, A]
    assert found(catalog, sort="newest")[0] == E


def test_scores_filter_and_sort(catalog):
    assert found(catalog, scorer="s", low=0.5) == [C]
    assert found(catalog, scorer="s", sort="score_high") == [C, B, A, D]
    spread = catalog.spreads.numbers(catalog.review.settle(Query()), "score:s")
    assert (spread.low, spread.high, sum(spread.counts["pending"]), spread.none) == (0.2, 0.8, 2, 2)


def test_what_ended_runs_made_and_said_is_offered_before_anybody_has_looked(catalog):
    assert catalog.review.scorers() == ["s"]
    catalog.ingest("r2", [(4.0, Made(index=1, image=Image(E, "cat", "synthetic", 8, 8)))], 20)
    assert {row["kind"]: row["images"] for row in catalog.review.runs()} == {"test.count": 4, "test.paint": 2}


def test_hostile_text_is_text(catalog):
    assert found(catalog, labels=[HOSTILE]) == [D]
    decide(catalog, "relabel", D, label=HOSTILE * 2)
    assert found(catalog, labels=[HOSTILE * 2]) == [D]
    assert found(catalog, run="'; drop table tiles; --") == []


def test_the_tally_adds_up(catalog):
    decide(catalog, "keep", B)
    decide(catalog, "relabel", C, label="cat")
    rows = catalog.review.tally(catalog.review.settle(Query()))
    assert ("cat", "synthetic", "accepted", True, 1) in rows
    assert sum(count for *_, count in rows) == 4


def test_places_of_a_view_can_be_decided_without_naming_the_images(catalog):
    query = catalog.review.settle(Query(sort="newest"))
    catalog.decisions.decide([Act("bulk", "one", catalog.review.chosen(query, [(0, 1), (3, 3)]), "keep")], "me")
    assert found(catalog, standings=["accepted"]) == [A, C, D]


def test_images_of_a_test_set_are_never_shown_nor_frozen(catalog):
    catalog.images.add_set(ImageSet.of("test", [Member("cat", A)]), "r1")
    assert found(catalog) == [B, C, D]
    assert catalog.review.members(Chosen.images([A, B]), 9) == [("cat", B, "")]


def test_targets_are_remembered(catalog):
    catalog.decisions.set_target("", 20)
    catalog.decisions.set_target("cat", 5)
    catalog.decisions.set_target("cat", 7)
    assert catalog.decisions.targets() == {"": 20, "cat": 7}
    catalog.decisions.set_target("cat", None)
    assert catalog.decisions.targets() == {"": 20}


def test_what_changed_since_is_told_with_the_tab_it_came_from(catalog):
    decide(catalog, "keep", A)
    mark = catalog.decisions.last()
    decide(catalog, "reject", B, tab="two")
    assert [(row["image"], row["verdict"], row["tab"]) for row in catalog.decisions.since(mark)] == [
        (B, "reject", "two")
    ]


def tables(catalog):
    """Everything a review reads, in no particular order."""
    columns = "number, key, digest, label, origin, run, verdict, given, seq, held"
    review = catalog.database.rows(f"select {columns} from review order by number")  # noqa: S608
    makers = catalog.database.rows("select * from makers order by all")
    scores = catalog.database.rows("select * from latest_scores order by all")
    return review, makers, scores


def test_what_stands_is_what_the_log_says(catalog):
    act = decide(catalog, "reject", A, B, C)
    decide(catalog, "relabel", B, label="dog")
    decide(catalog, "clear", undoes=act.id)
    decide(catalog, "keep", D, tab="two")
    catalog.ingest("r2", [(5.0, Scored(scorer="s", values=((B, 0.9), (C, float("nan")))))], 20)
    catalog.images.add_set(ImageSet.of("test", [Member("cat", A)]), "r1")
    found(catalog)
    kept = tables(catalog)
    assert [row[6] for row in kept[0]] == ["clear", "clear", "clear", "keep"]
    catalog.review.tables.rebuild()
    found(catalog)
    assert tables(catalog) == kept


def test_the_scores_of_the_newest_run_count_wherever_they_come_first(catalog):
    catalog.ingest("r2", [(5.0, Scored(scorer="s", values=((B, 0.9), (E, 0.5))))], 20)
    assert found(catalog, scorer="s", low=0.85) == [B]
    catalog.ingest("r1", [(6.0, Scored(scorer="t", values=((B, 0.1),)))], 30)
    catalog.ingest("r2", [(7.0, Made(index=5, image=Image(E, "cat", "synthetic", 8, 8)))], 40)
    assert found(catalog, scorer="s", low=0.45, high=0.55) == [E]
    assert found(catalog, scorer="s", low=0.5) == [B, C, E]


def test_a_catalog_with_decisions_from_before_is_migrated(tmp_path):
    path = tmp_path / "old.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute("create table migrations (name text primary key, applied timestamp default now())")
    for change in MIGRATIONS[:4]:
        change(connection)
        connection.execute("insert into migrations (name) values (?)", [change.__name__])
    connection.execute(
        "insert into runs (id, step_id, kind, state, resources, created) values ('r1', 's', 'k', 'done', '{}', 1)"
    )
    for number, digest in enumerate((A, B, C)):
        connection.execute("insert into images values ('r1', ?, ?, 'cat', 'real', 8, 8, '{}', 0)", [number, digest])
        connection.execute("insert into tiles values (?, ?, 'cat', 'real', 8, 8)", [number + 1, digest])
    connection.execute("insert into decisions values (1, 'a', ?, 'keep', ''), (2, 'b', ?, 'reject', 'dog')", [A, A])
    connection.execute("insert into acts values ('a', 1, 1, 'me', 'one', 1, '', '{}', null)")
    connection.close()
    with Catalog(path) as opened:
        assert found(opened) == [A, B, C]
        assert found(opened, standings=["rejected"]) == found(opened, labels=["dog"]) == [A]
        assert decide(opened, "keep", A).last == 3
