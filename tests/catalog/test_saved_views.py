"""Saved views: said in one sentence, kept by name, and honest about what is gone."""

import pytest

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog import Catalog
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query
from synthstudio.catalog.saved_views import MOST
from synthstudio.catalog.view_words import in_words, listed
from synthstudio.errors import BadInput, UnknownName
from synthstudio.events import Made, Scored
from synthstudio.resources import Resources
from tests.jobs.counting import Paint

A, B = "a" * 64, "b" * 64
SHOTS = ImageSet.of("set", [Member("cat", A)])
GONE = f"set:{B}"
NAMES = {"r1": "run-paint", SHOTS.id: "shots", "set:2": "kept"}


@pytest.fixture
def catalog(tmp_path):
    """A cat and a dog with scores, and a set with the cat in it."""
    with Catalog(tmp_path / "catalog.duckdb") as opened:
        opened.runs.add("r1", Paint(), Resources())
        made = [
            Made(index=n, image=Image(d, label, "synthetic", 8, 8))
            for n, (d, label) in enumerate(((A, "cat"), (B, "dog")))
        ]
        scored = Scored(scorer="clip_score", values=((A, 0.25), (B, 0.75)))
        opened.ingest("r1", [(1.0, one) for one in (*made, scored)], 10)
        opened.images.add_set(SHOTS, "r1")
        yield opened


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({}, "All images; as they came."),
        ({"sort": "shuffled"}, "All images; shuffled."),
        ({"standings": ("pending",), "origins": ("synthetic",), "labels": ("cat",), "sort": "newest"},
         "Pending synthetic images of the class cat; newest first."),
        ({"standings": ("pending", "accepted"), "labels": ("cat", "dog"), "relabelled": True, "sort": "decided"},
         "Moved pending or accepted images of the classes cat and dog; last decided first."),
        ({"labels": tuple("abcdef"), "sort": "class"}, "Images of the classes a, b, c and 3 more; by class."),
        ({"labels": tuple("abcd")}, "Images of the classes a, b, c and d; as they came."),
        ({"run": "r1", "image_set": SHOTS.id}, "Images, made by run-paint, in the set shots; as they came."),
        ({"image_sets": (SHOTS.id, "set:2", GONE)}, "Images, in the sets shots, kept or set:bbbbbbbb…; as they came."),
        ({"scorer": "clip_score", "sort": "score_low"}, "All images, with their clip score; lowest score first."),
        ({"scorer": "clip_score", "low": 0.25, "high": 2 / 3},
         "Images, with clip score from 0.25 to 0.6667; as they came."),
        ({"scorer": "clip_score", "high": 0.0}, "Images, with clip score of at most 0; as they came."),
        ({"similar_to": A, "low": 0.5, "sort": "score_high"},
         "Images, with likeness to image aaaaaaaa of at least 0.5; most similar first."),
        ({"words": "a red  cup", "labels": ("cat",), "sort": "score_high"},
         "Images of the class cat, with their likeness to “a red cup”; most similar first."),
    ],
)  # fmt: skip
def test_a_query_says_itself_in_one_sentence(filters, words):
    assert in_words(Query(**filters), NAMES) == words


def test_a_list_names_three_and_counts_the_others_unless_that_is_one():
    assert [listed(list("abcde"[:n])) for n in range(6)] == [
        "", "a", "a and b", "a, b and c", "a, b, c and d", "a, b, c and 2 more",
    ]  # fmt: skip


def test_a_view_is_found_by_its_name_with_its_sentence_and_follows_what_is_renamed(catalog):
    query = Query(labels=("cat",), image_set=SHOTS.id, as_of=7, upto=9)
    catalog.names.give(SHOTS.id, "photos", run="r1")
    assert catalog.views.save("  my  cats ", query, "me") == "my cats"
    found = catalog.views.get("my cats")
    assert found.query == Query(labels=("cat",), image_set=SHOTS.id)  # of now, not of when it was saved
    assert found.words == "Images of the class cat, in the set photos; as they came."
    catalog.names.give(SHOTS.id, "best")
    assert "in the set best" in catalog.views.get("my cats").words


def test_names_are_unique_and_a_view_is_saved_over_only_if_that_is_asked_for(catalog):
    catalog.views.save("cats", Query(labels=("cat",)), "me")
    catalog.views.save("dogs", Query(labels=("dog",)), "me")
    with pytest.raises(BadInput, match="already"):
        catalog.views.save("cats", Query(), "me")
    with pytest.raises(BadInput, match="already"):
        catalog.views.rename("cats", "dogs")
    catalog.views.save("cats", Query(labels=("cat",), sort="newest"), "me", replace=True)
    assert catalog.views.rename("cats", "cats") == "cats"
    assert catalog.views.rename("cats", "all cats") == "all cats"
    assert [(one.name, one.query.sort) for one in catalog.views.all()] == [("all cats", "newest"), ("dogs", "arrival")]
    catalog.views.delete("dogs")
    with pytest.raises(UnknownName, match="dogs"):
        catalog.views.delete("dogs")
    with pytest.raises(UnknownName, match="all cats"):
        catalog.views.get("all cat")


def test_what_would_fill_the_project_or_is_no_name_is_refused(catalog):
    for name in ("", " \n", "x" * 121, f"set:{A}"):
        with pytest.raises(BadInput):
            catalog.views.save(name, Query(), "me")
    with pytest.raises(BadInput, match="too many classes"):
        catalog.views.save("long", Query(labels=tuple(f"{n:0200}" for n in range(400))), "me")
    for number in range(MOST):
        catalog.views.save(f"view {number}", Query(), "me")
    with pytest.raises(BadInput, match="Delete one first"):
        catalog.views.save("one more", Query(), "me")
    catalog.views.save("view 1", Query(sort="newest"), "me", replace=True)


def test_a_view_says_what_is_gone_and_shows_the_rest(catalog):
    query = Query(
        labels=("cat", "axolotl"), run="r9", image_sets=(SHOTS.id, GONE), scorer="old_score", low=0.5, sort="score_high"
    )
    kept, said = catalog.views.whole(query)
    assert kept == Query(labels=("cat",), image_sets=(SHOTS.id,))
    assert said == (
        "This view also names the run r9, the set set:bbbbbbbb…, the class axolotl and the score old score, which are"
        " gone. It shows what is left."
    )
    assert catalog.review.size(catalog.review.settle(kept)) == 1
    _, said = catalog.views.whole(Query(similar_to="c" * 64, sort="score_high"))
    assert said == "This view also names the image cccccccc, which is gone. It shows what is left."


def test_a_view_of_what_is_there_is_whole(catalog):
    catalog.review.newest()
    catalog.decisions.decide([Act("1" * 36, "2" * 36, Chosen.images((A,)), "relabel", "lynx")], "me")
    query = Query(labels=("lynx", "dog"), run="r1", image_set=SHOTS.id, scorer="clip_score", low=0.2, sort="score_low")
    assert catalog.views.whole(query) == (query, "")
    assert catalog.views.whole(Query(similar_to=B, high=0.5)) == (Query(similar_to=B, high=0.5), "")
