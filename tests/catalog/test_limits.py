"""Filters over every field and score: what they find, how values are spread, and the same view as SQL."""

import json

import duckdb
import pytest
from pydantic import ValidationError

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog import Catalog
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.question import answer, reading
from synthstudio.catalog.review import Query
from synthstudio.catalog.view_sql import as_sql
from synthstudio.errors import BadInput
from synthstudio.events import Made, Scored
from synthstudio.resources import Resources
from synthstudio.view_terms import Limit
from tests.jobs.counting import Count, Paint

PHOTO, *MADE = (letter * 64 for letter in "abcdef")
ADAPTER = f"adapter:{'9' * 64}"
QUOTED = "it's 100%_sure?"
SAID = [
    {"prompt": "A cat on a Sofa", "seed": 2**62 + 1, "guidance_scale": 2.0, "sampler": "ddim", "strength": None},
    {"prompt": "a dog on a sofa", "seed": 2**62 + 2, "guidance_scale": 4.0, "sampler": "dpm", "adapter": ADAPTER},
    {"prompt": QUOTED, "seed": 7, "guidance_scale": 8.0, "sampler": "dpm", "strength": 0.4, "parent": PHOTO},
    {"prompt": "", "seed": 8, "guidance_scale": "much", "sampler": "", "backbone": "pico@0123456789ab"},
    {},
]
SET = ImageSet.of("set", [Member("cat", MADE[0]), Member("dog", MADE[3])])


@pytest.fixture
def catalog(tmp_path):
    """A photo and five images, each made with something else; three of them have a score."""
    with Catalog(tmp_path / "catalog.duckdb") as opened:
        opened.runs.add("r1", Count(), Resources())
        opened.runs.add("r2", Paint(), Resources())
        images = [Image(PHOTO, "cat", "real", 16, 8, {"name": "1.jpg"})]
        images += [Image(d, "cat" if n < 2 else "dog", "synthetic", 8, 8, SAID[n]) for n, d in enumerate(MADE)]
        scores = Scored(scorer="label_agreement", values=((MADE[0], 0.25), (MADE[1], 0.5), (MADE[2], 1.0)))
        lines = [*(Made(index=n, image=one) for n, one in enumerate(images)), scores]
        opened.ingest("r1", [(1.0, line) for line in lines], 10)
        again = Image(MADE[2], "dog", "synthetic", 8, 8, {"guidance_scale": 1.0})
        opened.ingest("r2", [(2.0, Made(index=0, image=again))], 10)
        opened.images.add_set(SET, "r1")
        yield opened


def query(catalog, *limits, **more):
    return catalog.review.settle(Query(**{"limits": limits, **more}))


def found(catalog, *limits, **more):
    return [row["digest"] for row in catalog.review.page(query(catalog, *limits, **more), 0, 100)]


def limit(field, **what):
    return Limit(field=field, **what)


@pytest.mark.parametrize(
    ("one", "places"),
    [
        (limit("guidance_scale", low=2, high=4), [0, 1]),
        (limit("guidance_scale", low=0), [0, 1, 2]),
        (limit("strength", high=0.4), [2]),
        (limit("score:label_agreement", low=0.5), [1, 2]),
        (limit("score:nobody", low=0), []),
        (limit("sampler", any_of=("ddim",)), [0]),
        (limit("adapter", any_of=(ADAPTER,)), [1]),
        (limit("parent", any_of=(PHOTO,)), [2]),
        (limit("seed", any_of=(str(2**62 + 1), "8")), [0, 3]),
        (limit("prompt", contains="SOFA"), [0, 1]),
        (limit("prompt", contains="100%_"), [2]),
        (limit("prompt", contains="a%sofa"), []),
        (limit("prompt", contains="'; drop table review; --"), []),
    ],
    ids=str,
)
def test_a_limit_finds_the_images_whose_first_maker_said_so(catalog, one, places):
    assert found(catalog, one) == [MADE[place] for place in places]


def test_what_says_nothing_is_asked_for_by_an_empty_text_and_sizes_are_those_of_the_picture(catalog):
    assert found(catalog, limit("sampler", any_of=("", "ddim"))) == [PHOTO, MADE[0], MADE[3], MADE[4]]
    assert found(catalog, limit("width", low=9)) == [PHOTO]


def test_limits_narrow_each_other_and_every_other_filter(catalog):
    guided = limit("guidance_scale", low=2)
    assert found(catalog, guided, limit("sampler", any_of=("dpm",))) == [MADE[1], MADE[2]]
    assert found(catalog, guided, labels=("dog",)) == [MADE[2]]
    assert sum(count for *_, count in catalog.review.tally(query(catalog, guided))) == 3


def test_images_that_come_later_are_found_too_and_a_rebuilt_table_is_the_same(catalog):
    assert found(catalog, limit("seed", any_of=("9",))) == []
    late = Image("0" * 64, "cat", "synthetic", 8, 8, {"seed": 9})
    catalog.ingest("r2", [(3.0, Made(index=1, image=late))], 20)
    assert found(catalog, limit("seed", any_of=("9",))) == ["0" * 64]
    before = catalog.database.rows("from settings order by number")
    assert len(before) == 7
    catalog.review.tables.rebuild()
    assert catalog.database.rows("from settings order by number") == before


def test_a_catalog_from_before_there_were_limits_is_migrated(catalog, tmp_path):
    before = found(catalog, limit("guidance_scale", low=2))
    catalog.close()
    with duckdb.connect(str(tmp_path / "catalog.duckdb")) as connection:
        connection.execute("drop table settings")
        connection.execute("delete from migrations where name = 'm011_settings'")
    with Catalog(tmp_path / "catalog.duckdb") as opened:
        assert found(opened, limit("guidance_scale", low=2)) == before


def test_numbers_are_spread_by_decision_under_the_other_filters(catalog):
    catalog.review.newest()
    catalog.decisions.decide([Act("1", "t", Chosen.images([MADE[0]]), "reject")], "me")
    spread = catalog.spreads.numbers(query(catalog, limit("guidance_scale", low=3)), "guidance_scale")
    assert (spread.low, spread.high, spread.none, spread.inside, spread.whole) == (2, 8, 3, 2, 6)
    assert {standing: sum(counts) for standing, counts in spread.counts.items()} == {
        "pending": 2, "accepted": 0, "rejected": 1,
    }  # fmt: skip
    assert spread.counts["rejected"][0] == spread.counts["pending"][-1] == 1
    other = catalog.spreads.numbers(query(catalog, limit("sampler", any_of=("ddim",))), "guidance_scale")
    assert (other.low, other.high, other.whole, other.counts["rejected"][0]) == (2, 2, 1, 1)
    nothing = catalog.spreads.numbers(query(catalog, labels=("owl",)), "score:label_agreement")
    assert (nothing.low, nothing.high, nothing.whole) == (None, None, 0)


def test_texts_are_counted_under_the_other_filters(catalog):
    chosen = query(catalog, limit("sampler", any_of=("dpm",)), origins=("synthetic",))
    assert catalog.spreads.texts(chosen, "sampler") == [("", 2), ("dpm", 2), ("ddim", 1)]
    assert catalog.spreads.texts(chosen, "adapter") == [("", 1), (ADAPTER, 1)]


def test_a_view_of_before_keeps_its_range_of_scores(catalog):
    old = '{"scorer":"label_agreement","low":0.3,"sort":"score_low"}'
    kept = Query.model_validate_json(old)
    assert kept == Query(scorer="label_agreement", limits=(limit("score:label_agreement", low=0.3),), sort="score_low")
    with catalog.database.transaction() as cursor:
        cursor.execute("insert into saved_views values ('old', ?, 'me', 1)", [old])
    view = catalog.views.get("old")
    assert view.words == "Images, with label agreement of at least 0.3; lowest score first."
    assert catalog.views.whole(view.query) == (kept, "")
    assert Query(similar_to=PHOTO, scorer="x", low=0.5).low == 0.5


@pytest.mark.parametrize(
    "hostile",
    [
        {"field": "number; drop table review", "low": 1}, {"field": "made", "contains": "x"}, {"field": "score:"},
        {"field": "score:\x00", "low": 1}, {"field": "seed", "low": 1}, {"field": "prompt", "contains": "x" * 501},
        {"field": "sampler", "any_of": ["x"] * 201}, {"field": "sampler", "any_of": ["x"], "contains": "x"},
        {"field": "strength", "low": float("nan")}, {"field": "strength", "low": 1e999}, {"field": "strength"},
    ],
)  # fmt: skip
def test_what_is_no_limit_is_refused(hostile):
    with pytest.raises(ValidationError):
        Query.model_validate({"limits": [hostile]})
    with pytest.raises(ValidationError):
        Query.model_validate({"limits": [{"field": "strength", "low": 1}] * 31})
    for limits in (5, "x", {"a": 1}):
        with pytest.raises(ValidationError):
            Query.model_validate({"limits": limits, "scorer": ["s"], "low": 1})


WORDS = [
    ((limit("guidance_scale", low=2, high=4),), "Images, with guidance from 2 to 4", "guidance 2 – 4"),
    (
        (limit("score:label_agreement", low=0.6),),
        "Images, with label agreement of at least 0.6",
        "label agreement ≥ 0.6",
    ),
    ((limit("strength", high=0.5),), "Images, with t0 of at most 0.5", "t0 ≤ 0.5"),
    ((limit("sampler", any_of=("dpm", "")),), "Images, with the solver dpm or no solver", "solver: dpm, none"),
    ((limit("adapter", any_of=("",)),), "Images, with no adapter", "adapter: none"),
    ((limit("adapter", any_of=(ADAPTER,)),), "Images, with the adapter strokes", "adapter: strokes"),
    ((limit("parent", any_of=(PHOTO,)),), "Images, with the source aaaaaaaaaaaa…", "source: aaaaaaaaaaaa…"),
    ((limit("prompt", contains="<b>"),), "Images, with “<b>” in the prompt", "prompt has “<b>”"),
    ((limit("backbone", any_of=("pico@0123456789ab",)),), "Images, with the backbone pico", "backbone: pico"),
]


@pytest.mark.parametrize(("limits", "sentence", "chip"), WORDS, ids=[chip for *_, chip in WORDS])
def test_a_limit_says_itself_as_a_sentence_and_on_a_chip(catalog, limits, sentence, chip):
    catalog.names.give(ADAPTER, "strokes", run="r1")
    assert catalog.views.words(Query(limits=limits)) == f"{sentence}; as they came."
    assert catalog.views.chips(Query(limits=limits)) == [(limits[0].field, chip)]


def test_other_filters_have_their_chips(catalog):
    chosen = Query(
        labels=tuple("35"), standings=("pending",), relabelled=True, origins=("real",), similar_to=PHOTO, high=0.9
    )
    assert catalog.views.chips(chosen) == [
        ("labels", "class: 3, 5"), ("standings", "decision: pending, moved"), ("origins", "origin: real"),
        ("likeness", "likeness ≤ 0.9"),
    ]  # fmt: skip
    assert catalog.views.chips(Query(labels=tuple("abcde")))[0] == ("labels", "class: a, b, c, 2 more")


ASKED = [
    {}, {"sort": "newest"}, {"sort": "class"}, {"sort": "shuffled"}, {"sort": "decided"}, {"sort": "score_low"},
    {"scorer": "label_agreement", "sort": "score_high"}, {"labels": ("cat",), "origins": ("synthetic",)},
    {"standings": ("pending", "accepted")}, {"relabelled": True}, {"run": "r2"}, {"image_set": SET.id},
    {"image_sets": (SET.id, "set:none"), "limits": (limit("guidance_scale", low=1.5),)},
    {"limits": (limit("prompt", contains=QUOTED), limit("sampler", any_of=("dpm", "it's")))},
    {"limits": (limit("score:label_agreement", low=0.3), limit("width", high=8))}, {"labels": (QUOTED, "dog")},
]  # fmt: skip


def test_a_view_as_sql_is_the_view(catalog, tmp_path):
    catalog.review.newest()
    acts = [("reject", MADE[0], ""), ("relabel", MADE[1], "lynx"), ("keep", MADE[2], "")]
    for number, (verdict, image, label) in enumerate(acts):
        catalog.decisions.decide([Act(str(number), "t", Chosen.images([image]), verdict, label)], "me")
    views = [(as_sql(Query(**one)), found(catalog, **one)) for one in ASKED]
    catalog.close()
    with reading(tmp_path / "catalog.duckdb") as copy:
        for sql, digests in views:
            assert [row[0] for row in answer(copy, sql).rows] == digests, sql


def test_likeness_is_no_table(catalog):
    with pytest.raises(BadInput, match="Take that filter away"):
        as_sql(Query(similar_to=PHOTO))


def test_a_saved_view_keeps_its_limits(catalog):
    chosen = Query(limits=(limit("guidance_scale", low=2), limit("score:gone", high=1)))
    catalog.views.save("guided", chosen, "me")
    stored = json.loads(catalog.database.rows("select query from saved_views")[0][0])
    assert stored == {"limits": [{"field": "guidance_scale", "low": 2.0}, {"field": "score:gone", "high": 1.0}]}
    kept, said = catalog.views.whole(catalog.views.get("guided").query)
    assert kept.limits == chosen.limits[:1]
    assert said == "This view also names the score gone, which is gone. It shows what is left."
