"""What has changed since a set was frozen, and going back to it."""

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput, UnknownName
from synthstudio.jobs.curating import decision_files, frozen_sets
from synthstudio.jobs.curating.freeze import freeze
from tests.jobs.counting import Paint
from tests.jobs.curating.test_decision_files import decide, studio

__all__ = ["studio"]  # a fixture


def images(studio):
    """What was painted first."""
    first = studio.catalog.runs.of_kind(Paint.kind)[-1]
    return [row["digest"] for row in studio.catalog.images.made_by(first.id)]


def frozen(studio, name, query=None, spans=()):
    """The images that are accepted, or what a query finds, as a set of that name."""
    settled = studio.catalog.review.settle(query or Query(standings=("accepted",)))
    made = freeze(studio, settled, spans, name)
    assert studio.wait(made.run_id, 0).state == "done"
    return made.image_set


def accepted(studio):
    query = studio.catalog.review.settle(Query(standings=("accepted",)))
    rows = studio.catalog.review.decided_page(query, 0, 100)
    return {(row["digest"], row["given"] or row["label"]) for row in rows}


def monday(studio):
    """Two are accepted, one of them in another class, one is rejected, three nobody looked at."""
    a, b, c, *_ = images(studio)
    decide(studio, "keep", a)
    decide(studio, "relabel", b, label="violet")
    decide(studio, "reject", c)
    frozen(studio, "monday")
    return accepted(studio)


def test_two_sets_differ_by_what_was_added_removed_and_moved_class_by_class():
    def of(text):
        return ImageSet.of("set", [Member(label, image * 64) for image, label in text.split()])

    found = frozen_sets.compare(of("1x 2x 3y"), of("1x 2y 4z"), "monday", "today")
    assert [(one.kind, one.image[0]) for one in found.changes] == [("moved", "2"), ("removed", "3"), ("added", "4")]
    assert found.classes == (("x", 2, 1, 0, 1), ("y", 1, 1, 1, 1), ("z", 0, 1, 1, 0))
    assert found.sentence == (
        "From monday (3 images) to today (3 images): 1 added, 1 removed, 1 moved to another class."
    )
    assert frozen_sets.compare(of("1x"), of("1x"), "a", "b").sentence.endswith("nothing has changed.")


def test_a_frozen_set_is_compared_with_now_and_restored_and_that_is_taken_back(studio):
    then = monday(studio)
    a, b, c, d, e, _ = images(studio)
    decide(studio, "reject", a, d)  # d was pending and is no part of any set
    decide(studio, "relabel", b, label="indigo")
    decide(studio, "keep", c, e)
    since = accepted(studio)
    kinds = {one.image: one.kind for one in frozen_sets.changes(studio, "monday").changes}
    assert kinds == {a: "removed", b: "moved", c: "added", e: "added"}
    outcome = frozen_sets.restore(studio, "monday", "me", "here")
    assert (outcome.changed, accepted(studio)) == (4, then)
    stands = {row["image"]: row["decision"] for row in decision_files.rows(studio)}
    assert stands == {a: "keep", b: "relabel", c: "reject", d: "reject"}, "what differs, and nothing else, is as it was"
    assert frozen_sets.restore(studio, "monday", "me", "here").changed == 0
    assert decision_files.undo(studio, outcome.id, "me", "here").changed == 4 and accepted(studio) == since


def test_images_that_came_since_are_pending_after_a_restore(studio):
    then = monday(studio)
    run_id, _ = studio.submit(Paint(images=9))  # the first six are there already
    assert studio.wait(run_id, 0).state == "done"
    studio.catalog.review.newest()
    fresh = {row["digest"] for row in studio.catalog.images.made_by(run_id)} - set(images(studio))
    decide(studio, "keep", *fresh)
    assert fresh and {one.image for one in frozen_sets.changes(studio, "monday").changes} == fresh
    frozen_sets.restore(studio, "monday", "me", "here")
    assert accepted(studio) == then


def test_a_restored_set_is_the_older_one_whatever_was_frozen_since(studio):
    then = monday(studio)
    decide(studio, "reject", images(studio)[0])
    frozen(studio, "tuesday")
    found = frozen_sets.changes(studio, "monday", "tuesday")
    assert found.sentence == "From monday (2 images) to tuesday (1 image): 1 removed."
    frozen_sets.restore(studio, "monday", "me", "here")
    assert accepted(studio) == then
    frozen_sets.restore(studio, "tuesday", "me", "here")
    assert len(accepted(studio)) == 1


def test_images_that_were_picked_one_by_one_lose_what_was_rejected_since(studio):
    every = images(studio)
    frozen(studio, "picked", Query(), [(0, 2)])
    assert frozen_sets.changes(studio, "picked").changes == ()
    decide(studio, "reject", every[1], every[5])
    assert [one.image for one in frozen_sets.changes(studio, "picked").changes] == [every[1]]
    assert frozen_sets.restore(studio, "picked", "me", "here").changed == 1


def test_what_cannot_be_compared_or_restored_says_so(studio):
    with pytest.raises(UnknownName):
        frozen_sets.changes(studio, "sunday")
    a, b, *_ = images(studio)
    other = studio.workspace.put_set(ImageSet.of("set", [Member("x", a), Member("y", b)]))
    with pytest.raises((BadInput, UnknownName)):
        frozen_sets.restore(studio, other, "me", "here")
