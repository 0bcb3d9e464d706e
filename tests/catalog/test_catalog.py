"""The catalog: migrations, idempotent ingest, selection."""

import threading

import duckdb
import pytest

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog import Catalog
from synthstudio.catalog.database import Database
from synthstudio.catalog.migrations import MIGRATIONS
from synthstudio.catalog.selection import select
from synthstudio.errors import CatalogBusy
from synthstudio.events import Made, Measured, Note, Output, Progress, Scored
from synthstudio.filters import AtLeast, AtMost, TopPerLabel, sentence
from synthstudio.resources import Resources
from synthstudio.step import build
from tests.examples import EXAMPLES
from tests.jobs.counting import Count

LINES = [
    (1.0, Made(index=0, image=Image("d0", "cat", "synthetic", 8, 8, {"prompt": "'; drop table images; --"}))),
    (2.0, Made(index=1, image=Image("d1", "<b>", "synthetic", 8, 8))),
    (3.0, Scored(scorer="sharpness", values=(("d0", 0.5), ("d1", None)))),
    (4.0, Progress(done=2, total=3, unit="images", values={"loss": 0.1})),
    (5.0, Note(text="hello")),
    (6.0, Measured(name="accuracy", value=0.9, low=0.8, high=1.0, n=10, split="test", arm="real_only")),
    (7.0, Output(name="images", value="set:1")),
]


@pytest.fixture
def catalog(tmp_path):
    with Catalog(tmp_path / "catalog.duckdb") as opened:
        opened.runs.add("r1", Count(), Resources())
        yield opened


def everything(catalog):
    runs = catalog.runs
    return (
        catalog.images.made_by("r1"), runs.outputs("r1"), runs.notes("r1"), runs.metrics("r1"),
        catalog.images.scores(["d0", "d1"]), runs.get("r1").done, runs.get("r1").read_to,
    )  # fmt: skip


def test_reading_the_same_lines_twice_changes_nothing(catalog):
    catalog.ingest("r1", LINES, 700)
    once = everything(catalog)
    catalog.ingest("r1", LINES, 700)
    assert everything(catalog) == once


def test_hostile_text_is_stored_as_text(catalog):
    catalog.ingest("r1", LINES, 700)
    rows = catalog.images.made_by("r1")
    assert rows[0]["made"]["prompt"] == "'; drop table images; --"
    assert rows[1]["label"] == "<b>"


def test_an_image_knows_its_step(catalog):
    catalog.ingest("r1", LINES, 700)
    (origin,) = catalog.images.provenance("d0")
    assert origin["run_id"] == "r1"
    assert origin["step"]["kind"] == "test.count"


def test_the_offset_and_the_rows_are_one_transaction(catalog):
    class Broken:
        pass

    with pytest.raises(KeyError):
        catalog.ingest("r1", [*LINES, (8.0, Broken())], 900)
    assert catalog.images.count("r1") == 0
    assert catalog.runs.get("r1").read_to == 0


def test_a_catalog_of_the_first_version_is_migrated(tmp_path):
    path = tmp_path / "old.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute("create table migrations (name text primary key, applied timestamp default now())")
    MIGRATIONS[0](connection)
    connection.execute("insert into migrations (name) values (?)", [MIGRATIONS[0].__name__])
    connection.close()
    with Catalog(path) as opened:
        applied = [name for (name,) in opened.database.rows("select name from migrations order by name")]
        assert applied == [change.__name__ for change in MIGRATIONS]
        assert opened.pipelines.all() == []


def test_a_run_is_found_by_the_beginning_of_its_id(catalog):
    assert catalog.runs.get("r").id == "r1"


CANDIDATES = [("a", "cat"), ("b", "cat"), ("c", "dog"), ("d", "dog"), ("e", "dog")]
SCORES = [("a", "s", 0.9), ("b", "s", 0.2), ("c", "s", 0.6), ("d", "s", 0.6), ("e", "s", 0.7), ("e", "n", 0.99)]


def kept(*filters):
    return [image for image, _ in select(CANDIDATES, SCORES, filters)]


def test_a_threshold_keeps_what_reaches_it():
    assert kept(AtLeast(scorer="s", value=0.6)) == ["a", "c", "d", "e"]


def test_an_image_without_the_score_is_not_kept():
    assert kept(AtMost(scorer="n", value=1.0)) == ["e"]


def test_the_best_of_each_class_are_chosen_among_what_passed_before():
    assert kept(AtMost(scorer="s", value=0.65), TopPerLabel(scorer="s", count=1)) == ["b", "c"]


def test_ties_are_broken_the_same_way_every_time():
    assert kept(TopPerLabel(scorer="s", count=2)) == ["a", "b", "c", "e"]


def test_no_filter_keeps_everything():
    assert kept() == ["a", "b", "c", "d", "e"]


def test_filters_say_what_they_do():
    said = sentence((AtLeast(scorer="label_agreement", value=0.5), TopPerLabel(scorer="sharpness", count=20)))
    assert said == "Keep images with label_agreement of at least 0.5, then the best 20 per class by sharpness."


def test_closing_waits_for_who_is_being_answered_and_refuses_who_comes_later(tmp_path):
    database = Database(tmp_path / "catalog.duckdb")
    begun, go_on, answers = threading.Event(), threading.Event(), []

    def read():
        with database.transaction() as cursor:
            begun.set()
            go_on.wait(60)
            answers.extend(cursor.execute("select 42").fetchall())

    reader, closer = threading.Thread(target=read), threading.Thread(target=database.close)
    reader.start()
    assert begun.wait(60)
    closer.start()
    closer.join(0.2)
    assert closer.is_alive()
    with pytest.raises(CatalogBusy, match="was closed meanwhile"):
        database.rows("select 1")
    go_on.set()
    reader.join(60)
    closer.join(60)
    assert answers == [(42,)]
    duckdb.connect(tmp_path / "catalog.duckdb").close()


def test_what_taught_the_classifier_that_guided_images_stands_behind_them(catalog):
    shots, named, made = f"set:{'a' * 64}", f"classifier:{'b' * 64}", ImageSet.of("set", [Member("cat", "d0")])
    probe = build("train.linear_probe", {"encoder": f"eye@{'e' * 64}", "real": shots})
    drawn = build("sample.text", {**EXAMPLES["sample.text"], "lack": named, "lack_strength": 1.0})
    picture = Image("d0", "cat", "synthetic", 8, 8)
    for run, step, line in (
        ("taught", probe, Output(name="classifier", value=named)), ("drawn", drawn, Made(index=0, image=picture)),
    ):  # fmt: skip
        catalog.runs.add(run, step, Resources())
        catalog.ingest(run, [(1.0, line)], 10)
    catalog.images.add_set(made, "drawn")
    assert shots in catalog.images.sets_behind([made.id])
