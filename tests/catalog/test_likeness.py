"""Views of images that are like one of them, by the vectors that are kept."""

import numpy as np
import pytest

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog import Catalog
from synthstudio.catalog.decisions import Act
from synthstudio.catalog.review import Query
from synthstudio.embeddings import EmbeddingStore, Likenesses
from synthstudio.errors import BadInput
from synthstudio.events import Made
from synthstudio.resources import Resources
from synthstudio.view_terms import LIKENESS
from synthstudio.workspace import Workspace
from tests.jobs.counting import Paint

EYE = "an-eye@0123456789ab"
DIGESTS = [f"{number:064x}" for number in range(1, 7)]
# Two directions; an image between them; one that nothing has looked at comes last.
VECTORS = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8], [-1, 0]], np.float32)


def ingest(catalog, run, digests):
    catalog.runs.add(run, Paint(images=len(digests)), Resources())
    lines = [(1.0, Made(index=n, image=Image(d, "cat", "synthetic", 8, 8))) for n, d in enumerate(digests)]
    catalog.ingest(run, lines, 10)


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path)
    store = EmbeddingStore(workspace, EYE)
    store.put(DIGESTS[:2], VECTORS[:2])
    store.put(DIGESTS[2:5], VECTORS[2:])
    return workspace


@pytest.fixture
def catalog(workspace):
    with Catalog(workspace.catalog) as opened:
        ingest(opened, "r1", DIGESTS)
        yield opened


def like(catalog, digest, **other):
    query = catalog.review.settle(Query(similar_to=digest, sort="score_high", **other))
    return [(row["digest"], row["score"]) for row in catalog.review.decided_page(query, 0, 100)]


def test_the_most_similar_come_first_with_their_likeness_and_what_nothing_looked_at_last(catalog):
    found = like(catalog, DIGESTS[0])
    assert [digest for digest, _ in found] == [DIGESTS[n] for n in (0, 1, 3, 2, 4, 5)]
    assert [score for _, score in found[:-1]] == pytest.approx([1, 0.8, 0.6, 0, -1], abs=4e-3)
    assert found[-1][1] is None


def test_the_likeness_is_a_score_like_any_other_to_filters_counts_and_gestures(catalog):
    assert [digest for digest, _ in like(catalog, DIGESTS[0], low=0.5)] == [DIGESTS[n] for n in (0, 1, 3)]
    query = catalog.review.settle(Query(similar_to=DIGESTS[0], sort="score_high", low=0.5))
    assert sum(count for *_, count in catalog.review.tally(query)) == 3
    spread = catalog.spreads.numbers(query, LIKENESS)
    assert (sum(spread.counts["pending"]), spread.none, spread.inside) == (5, 1, 3)
    catalog.decisions.decide([Act("one", "tab", catalog.review.chosen(query, [(1, 2)]), "reject")], "me")
    assert {row["image"] for row in catalog.decisions.states(DIGESTS)} == {DIGESTS[1], DIGESTS[3]}


def test_a_settled_view_stays_as_it_was_while_images_come(catalog, workspace):
    settled = catalog.review.settle(Query(similar_to=DIGESTS[0], sort="score_high"))
    before = catalog.review.decided_page(settled, 0, 100)
    late = f"{99:064x}"
    EmbeddingStore(workspace, EYE).put([late], VECTORS[:1])
    ingest(catalog, "r2", [late])
    for other in DIGESTS[1:5]:  # more views than are kept
        for standing in ("pending", "accepted", "rejected"):
            like(catalog, other, standings=(standing,))
    assert catalog.review.decided_page(settled, 0, 100) == before
    assert late in [digest for digest, _ in like(catalog, DIGESTS[0])]


def test_an_image_that_nothing_has_looked_at_is_refused_with_what_to_do(catalog):
    with pytest.raises(BadInput, match="Let a score look at it first"):
        like(catalog, DIGESTS[5])


def test_an_image_of_a_test_set_is_compared_with_nothing(catalog):
    catalog.images.add_set(ImageSet.of("test", [Member("cat", DIGESTS[2])]), "r1")
    with pytest.raises(BadInput):
        like(catalog, DIGESTS[2])
    assert DIGESTS[2] not in [digest for digest, _ in like(catalog, DIGESTS[0])]


def test_the_eye_that_looked_at_most_images_compares_and_a_damaged_file_is_passed_over(workspace):
    EmbeddingStore(workspace, "another@ffffffffffff").put(DIGESTS[:2], np.array([[0, 1], [0, 1]], np.float32))
    (workspace.root / "embeddings" / "0123456789ab" / f"{'0' * 64}.npy").write_bytes(b"no array")
    images, cosines = Likenesses(workspace).of(DIGESTS[0])
    assert cosines[images == DIGESTS[1].encode()] == pytest.approx(0.8, abs=4e-3)
    assert len(images) == 5
    assert not len(Likenesses(workspace).of(DIGESTS[5])[0])


def test_two_that_open_one_file_in_one_process_answer_alike_and_forget_together(catalog, workspace):
    with Catalog(workspace.catalog) as other:
        for asked in DIGESTS[:5]:
            assert like(other, asked) == like(catalog, asked)
    assert [digest for digest, _ in like(catalog, DIGESTS[0], low=0.5)] == [DIGESTS[n] for n in (0, 1, 3)]
