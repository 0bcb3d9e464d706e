"""Scores become a set by filters that can be read aloud."""

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog.selection import select
from synthstudio.errors import BadInput, UnknownName
from synthstudio.steps.select.filter import FilterImages
from tests.steps.kit import coloured, outputs, work_in

LABELS = ("red", "blue")
AT_LEAST = {"rule": "at_least", "scorer": "agreement", "value": 0.5}


@pytest.fixture
def work(tmp_path):
    work = work_in(tmp_path)
    work.select = select
    return work


@pytest.fixture
def made(work):
    """Four images of each class; agreement is 0.1 … 0.4 for red and 0.6 … 0.9 for blue, nearness the reverse."""
    members = [Member(label, work.workspace.put(coloured(label, n))) for label in LABELS for n in range(4)]
    values = [(m.image, (i + 1 + (i > 3)) / 10) for i, m in enumerate(members)]
    return {
        "images": work.workspace.put_set(ImageSet.of("set", members)),
        "scores": [
            scored(work, "agreement", values),
            scored(work, "nearness", [(image, 1 - v) for image, v in values]),
        ],
    }


def scored(work, scorer, values):
    return work.workspace.put_document(
        "scores", {"scorer": scorer, "encoder": None, "values": [list(v) for v in values]}
    )


def kept(work, made, **fields):
    said, events = outputs(FilterImages(**(made | fields)), work)
    members = list(work.workspace.image_set(said["images"]))
    return {label: sum(m.label == label for m in members) for label in LABELS}, events


def notes(events):
    return " ".join(e.text for e in events if e.event == "note")


def test_a_threshold_keeps_what_reaches_it(work, made):
    counts, events = kept(work, made, filters=[AT_LEAST])
    assert counts == {"red": 0, "blue": 4}
    assert "Keep images with agreement of at least 0.5. Kept 4 of 8: blue 4 of 4, red 0 of 4." in notes(events)
    assert "Nothing is kept of 'red'. Loosen a filter, or set minimum_per_class." in notes(events)
    assert {(e.label, e.value, e.n) for e in events if e.event == "measured"} == {("red", 0, 4), ("blue", 1, 4)}


def test_filters_apply_in_order(work, made):
    best = {"rule": "top_per_label", "scorer": "agreement", "count": 2}
    most = {"rule": "at_most", "scorer": "nearness", "value": 0.35}
    assert kept(work, made, filters=[best, most])[0] == {"red": 0, "blue": 2}
    assert kept(work, made, filters=[best])[0] == {"red": 2, "blue": 2}


def test_a_thin_class_is_filled_with_its_best_and_that_is_said(work, made):
    counts, events = kept(work, made, filters=[AT_LEAST], minimum_per_class=3)
    assert counts == {"red": 3, "blue": 4}
    assert "'red' kept 0; its 3 best by agreement were added to reach 3." in notes(events)


def test_what_another_filter_refused_does_not_come_back_to_fill_a_class(work, made):
    copies = {"rule": "at_most", "scorer": "nearness", "value": 0.75}  # red 0.1 and 0.2 are refused as copies
    counts, events = kept(work, made, filters=[AT_LEAST, copies], minimum_per_class=3)
    assert counts == {"red": 2, "blue": 4}
    assert "'red' has 2 images, fewer than the 3 asked for" in notes(events)


@pytest.mark.parametrize(("factor", "expected"), [(1, {"red": 0, "blue": 4}), (1.4, {"red": 0, "blue": 3})])
def test_above_chance_asks_more_of_two_classes_than_of_ten(work, made, factor, expected):
    above = {"rule": "above_chance", "scorer": "agreement", "factor": factor}
    assert kept(work, made, filters=[above])[0] == expected
    ten = [Member(f"{n}", work.workspace.put(coloured("red", 50 + n))) for n in range(10)]
    scores = [scored(work, "agreement", [(m.image, n / 50) for n, m in enumerate(ten)])]
    said, _ = outputs(FilterImages(images=work.workspace.put_set(ImageSet.of("set", ten)), scores=scores,
                                   filters=[above]), work)  # fmt: skip
    chosen = {m.label for m in work.workspace.image_set(said["images"])}
    assert chosen == {f"{n}" for n in range(10) if n / 50 >= factor / 10}


def test_best_means_lowest_for_an_upper_limit(work, made):
    said, _ = outputs(
        FilterImages(**made, filters=[{"rule": "at_most", "scorer": "nearness", "value": 0}], minimum_per_class=1), work
    )
    chosen = {m.image for m in work.workspace.image_set(said["images"])}
    best = {work.workspace.put(coloured(label, 3)) for label in LABELS}
    assert chosen == best


def test_no_filter_keeps_every_image(work, made):
    assert kept(work, made)[0] == {"red": 4, "blue": 4}


def test_images_without_a_score_cannot_pass(work, made):
    only = scored(
        work,
        "agreement",
        [(work.workspace.put(coloured("red", 0)), 0.9), (work.workspace.put(coloured("red", 1)), None)],
    )
    counts, events = kept(work, made, scores=[only], filters=[AT_LEAST])
    assert counts == {"red": 1, "blue": 0}
    assert "7 of 8 images have no agreement score and cannot pass" in notes(events)


def test_an_empty_result_names_the_filter_and_what_to_change(work, made):
    filters = [AT_LEAST, {"rule": "at_most", "scorer": "nearness", "value": 0.05}]
    with pytest.raises(
        BadInput, match=r"nearness of at most 0.05 \(4 reached .* between 0.1 and 0.9\). Raise its value"
    ):
        kept(work, made, filters=filters)


def test_a_scorer_that_was_not_given_is_named(work, made):
    with pytest.raises(UnknownName, match="Did you mean agreement"):
        kept(work, made, filters=[AT_LEAST | {"scorer": "agrement"}])
