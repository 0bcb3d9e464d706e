"""The control of a review: as many images, drawn blindly; and the sentence that both answers give."""

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.step import build
from synthstudio.steps.evaluate import review_report
from synthstudio.steps.evaluate.report import FoldAnswers
from tests.steps.kit import LABELS, coloured, outputs, stored


@pytest.fixture
def everything(work):
    """Twelve images of each class."""
    return stored(work, "set", LABELS, range(12))


def drawn(work, images, like, **fields):
    return work.workspace.image_set(
        outputs(build("select.random", {"images": images, "like": like, **fields}), work)[0]["images"]
    )


def chosen(work, everything, *counts):
    """Of each class the first so many."""
    groups = work.workspace.image_set(everything).by_label().values()
    members = [member for own, count in zip(groups, counts, strict=True) for member in own[:count]]
    return work.workspace.put_set(ImageSet.of("set", members))


def per_class(images):
    return {label: len(members) for label, members in images.by_label().items()}


def test_as_many_of_each_class_are_drawn_and_the_same_seed_draws_the_same(work, everything):
    like = chosen(work, everything, 5, 2, 7)
    first = drawn(work, everything, like)
    assert per_class(first) == {"blue": 5, "green": 2, "red": 7}
    assert set(first) <= set(work.workspace.image_set(everything))
    assert drawn(work, everything, like) == first
    assert drawn(work, everything, like, seed=1) != first


def test_a_moved_image_counts_for_the_class_it_was_made_as_and_the_draw_moves_none(work, everything):
    members = list(work.workspace.image_set(everything))
    moved = [Member("red", members[0].image), *members[1:4]]
    assert {member.label for member in members[:4]} == {"blue"}
    found = drawn(work, everything, work.workspace.put_set(ImageSet.of("set", moved)))
    assert per_class(found) == {"blue": 4}


def test_another_class_moves_no_draw(work, everything):
    alone = drawn(work, everything, chosen(work, everything, 5, 0, 0))
    beside = drawn(work, everything, chosen(work, everything, 5, 6, 0))
    assert alone.by_label()["blue"] == beside.by_label()["blue"]


def test_a_selection_with_other_images_is_refused(work, everything):
    other = work.workspace.put_set(ImageSet.of("set", [Member("blue", work.workspace.put(coloured("blue", 99)))]))
    with pytest.raises(BadInput, match="1 images of the selection are not among those to draw from"):
        drawn(work, everything, other)


def answers(selection, everything, random):
    """A fold of 200 photos of one class, each arm right on the first so many."""
    said = {"selection": selection, "everything": everything, "random": random}
    given = {arm: tuple("a" if place < right else "b" for place in range(200)) for arm, right in said.items()}
    return FoldAnswers(tuple(map(str, range(200))), ("a",) * 200, given)


@pytest.mark.parametrize(
    ("right", "verdict"),
    [
        ((150, 100, 100), "Your review helped:"),
        ((150, 100, 150), "Fewer images helped, but your review is not measurably better than chance"),
        ((150, 100, 190), "Fewer images helped, but chance chose them better"),
        ((150, 150, 100), "Your review chose better than chance, but did no measurable good"),
        ((150, 151, 150), "Your review did not measurably change accuracy"),
        ((150, 150, 190), "Your review chose worse than chance"),
        ((150, 190, 100), "Your review chose better than chance, but keeping everything is better still"),
        ((150, 190, 150), "Fewer images cost accuracy, your review no more than chance"),
        ((100, 150, 150), "Your review cost accuracy:"),
    ],
)
def test_the_verdict_rests_on_both_intervals(right, verdict):
    counts = {"everything": 300, "selection": 292, "left_out": 8, "moved": 2, "added": 0}
    body = review_report.build([answers(*right)], ["a", "b"], counts)
    assert body["sentence"].startswith(verdict)
    assert "292 of 300 images (8 left out, 2 moved)" in body["sentence"]
    assert "n = 200 test images, 1 fold" in body["sentence"]


def test_what_a_review_changed_is_counted_over_the_folds():
    a, b, c, d = (letter * 64 for letter in "abcd")
    kept = ImageSet.of("set", [Member("cat", a), Member("cat", b), Member("dog", c)])
    picked = ImageSet.of("set", [Member("dog", a), Member("dog", c), Member("dog", d)])
    assert review_report.counted([(kept, picked), (kept, kept)]) == {
        "everything": 6, "selection": 6, "left_out": 1, "moved": 1, "added": 1,
    }  # fmt: skip
