"""Views of images that are like words, by what an encoder made of the words and the vectors that are kept."""

import numpy as np
import pytest

from synthstudio.catalog import Catalog
from synthstudio.catalog.decisions import Act
from synthstudio.catalog.review import Query
from synthstudio.catalog.view_sql import as_sql
from synthstudio.embeddings import EmbeddingStore
from synthstudio.errors import BadInput
from synthstudio.events import Finished, Output
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.view_terms import LIKENESS
from tests.catalog.test_likeness import DIGESTS, EYE, VECTORS, catalog, ingest, workspace  # noqa: F401 - fixtures


def read(catalog, workspace, run, text, vector, **fields):  # noqa: F811 - the fixtures
    """A finished run in which an encoder made this of a text; the id of that."""
    encoder = EYE + "0" * 52
    made = workspace.put_document("words", {"text": text, "read": text, "encoder": EYE, "vector": vector, **fields})
    catalog.runs.add(run, build("measure.words", {"text": text, "encoder": encoder}), Resources())
    catalog.ingest(run, [(1.0, Output(name="words", value=made)), (2.0, Finished(seconds=1, peak_memory_mb=1))], 10)
    catalog.runs.set_state(run, "done")
    return made


def shown(catalog, **filters):  # noqa: F811 - the fixture
    query = catalog.review.settle(Query(sort="score_high", **filters))
    return [(row["digest"], row["score"]) for row in catalog.review.decided_page(query, 0, 100)]


def places(found):
    return [DIGESTS.index(digest) for digest, _ in found]


def test_images_come_by_their_likeness_to_the_words_and_what_nothing_looked_at_last(catalog, workspace):  # noqa: F811
    read(catalog, workspace, "w1", "to the right", [1.0, 0.0])
    read(catalog, workspace, "w2", "up", [0.0, 1.0])
    found = shown(catalog, words="to the right")
    assert places(found) == [0, 1, 3, 2, 4, 5]
    assert [score for _, score in found[:-1]] == pytest.approx([1, 0.8, 0.6, 0, -1], abs=4e-3)
    assert found[-1][1] is None
    assert places(shown(catalog, words="up"))[:3] == [2, 3, 1]


def test_the_likeness_is_a_score_like_any_other_to_filters_counts_and_gestures(catalog, workspace):  # noqa: F811
    read(catalog, workspace, "w1", "to the right", [1.0, 0.0])
    assert places(shown(catalog, words="to the right", low=0.5)) == [0, 1, 3]
    query = catalog.review.settle(Query(words="to the right", sort="score_high", low=0.5))
    assert sum(count for *_, count in catalog.review.tally(query)) == 3
    spread = catalog.spreads.numbers(query, LIKENESS)
    assert (sum(spread.counts["pending"]), spread.none, spread.inside) == (5, 1, 3)
    catalog.decisions.decide([Act("one", "tab", catalog.review.chosen(query, [(0, 1)]), "reject")], "me")
    assert places(shown(catalog, words="to the right", standings=("pending",), low=0.5)) == [3]


def test_words_that_nobody_has_read_are_refused_with_what_to_do_and_no_reading_can_be_made_up(catalog, workspace):  # noqa: F811
    with pytest.raises(BadInput, match="Find by words"):
        shown(catalog, words="to the right")
    with pytest.raises(BadInput, match="Find by words"):
        shown(catalog, words="to the right", reading=f"words:{'a' * 64}")
    report = workspace.put_document("report", {"secret": 1})
    with pytest.raises(BadInput, match="Find by words"):
        shown(catalog, words="to the right", reading=report.replace("report", "words"))
    made = read(catalog, workspace, "w1", "to the right", [1.0, 0.0])
    workspace.path(made.removeprefix("words:")).unlink()
    with pytest.raises(BadInput, match="no longer here"):
        shown(catalog, words="to the right")


def test_a_settled_view_stays_as_it_was_when_the_words_are_read_again_and_a_new_one_sees_more(catalog, workspace):  # noqa: F811
    read(catalog, workspace, "w1", "to the right", [1.0, 0.0])
    settled = catalog.review.settle(Query(words="to the right", sort="score_high"))
    before = catalog.review.decided_page(settled, 0, 100)
    EmbeddingStore(workspace, EYE).put(DIGESTS[5:6], VECTORS[:1])
    read(catalog, workspace, "w2", "to the right", [1.0, 0.0], images=["set"])
    assert catalog.review.decided_page(settled, 0, 100) == before
    assert set(places(shown(catalog, words="to the right"))[:2]) == {0, 5}


def test_a_saved_view_keeps_the_words_and_not_what_was_made_of_them(catalog, workspace):  # noqa: F811
    made = read(catalog, workspace, "w1", "to the right", [1.0, 0.0])
    query = Query(words="to the right", sort="score_high", low=0.5)
    catalog.views.save("right", query.model_copy(update={"reading": made}), "me")
    kept = catalog.views.get("right").query
    assert kept == query
    assert catalog.views.whole(kept) == (query, "")
    with pytest.raises(BadInput, match="Take that filter away"):
        as_sql(query)


def test_a_catalog_that_is_opened_again_finds_the_same(catalog, workspace):  # noqa: F811
    read(catalog, workspace, "w1", "to the right", [1.0, 0.0])
    before = shown(catalog, words="to the right")
    with Catalog(workspace.catalog) as other:
        assert shown(other, words="to the right") == before


def test_an_encoder_says_which_images_it_has_not_seen(catalog):  # noqa: F811
    assert catalog.vectors.unseen(EYE, DIGESTS) == {DIGESTS[5]}
    assert catalog.vectors.unseen("another@ffffffffffff", DIGESTS[:2]) == set(DIGESTS[:2])
    images, cosines = catalog.vectors.to("another@ffffffffffff", np.ones(2, np.float32))
    assert len(images) == len(cosines) == 0
