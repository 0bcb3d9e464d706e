"""What a plan says of shots is what there will be, and labels say what there was."""

import json

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog.pipelines import Node
from synthstudio.events import Output
from synthstudio.jobs.asking.asked import Asked
from synthstudio.jobs.knowing import shots
from synthstudio.jobs.knowing.shots import Span
from synthstudio.jobs.knowing.stock import ABOUT, folder
from synthstudio.step import build
from synthstudio.ui.tabs import asking
from tests.examples import EXAMPLES
from tests.ui.test_distil import finish


def upload(session, counts, given=None):
    """A confirmed upload of so many photos per class, not imported yet; returns its data."""
    place = folder(session.studio) / "20260101-photos-abcdef"
    (place / "files").mkdir(parents=True)
    classes = [{"label": label, "images": count} for label, count in counts.items()]
    (place / "report.json").write_text(json.dumps({"classes": classes, "given": given or {}}))
    about = {"title": "My photos", "path": "files", "photos": sum(counts.values()), "labels": list(counts)}
    (place / ABOUT).write_text(json.dumps(about))
    return str(place / "files")


def test_too_few_photos_for_the_shots_are_said_before_the_run(session):
    data = upload(session, {"cat": 8, "dog": 12})
    text = asking.preview(session, "datadream", Asked(data=data, shots=16))
    assert "You ask for 16 shots per class, but there are 4 to 6 per class; the rest is held out" in text
    assert "20 in 2 classes" in text


def test_enough_photos_are_not_remarked_upon(session):
    data = upload(session, {"cat": 40, "dog": 32})
    assert "You ask for" not in asking.preview(session, "datadream", Asked(data=data, shots=16))


def test_a_setting_that_holds_out_less_leaves_more_to_learn_from(session):
    data = upload(session, {"cat": 8, "dog": 12})
    asked = Asked(data=data, shots=16, settings=["split.test_fraction=0.25"])
    assert "there are 6 to 9 per class" in asking.preview(session, "datadream", asked)


def test_an_estimate_grows_with_the_classes_of_the_chosen_photos(session):
    few = asking.preview(session, "datadream", Asked(data=upload(session, {str(n): 20 for n in range(3)}), shots=4))
    assert "<dd>90</dd>" in few  # 30 images of each class are made
    digits = asking.preview(session, "datadream", Asked(data="digits", shots=4))
    assert "<dd>300</dd>" in digits


def test_photos_that_nobody_has_counted_promise_nothing(session, tmp_path):
    assert len(shots.photos_of(session.studio, str(tmp_path))) == 0
    text = asking.preview(session, "datadream", Asked(data=str(tmp_path), shots=16))
    assert "counted at import" in text
    assert "You ask for" not in text


def test_a_split_that_the_source_declares_is_known_after_the_import(session):
    photos = [Member("cat", f"{n:064x}", "test" if n > 3 else "train") for n in range(20)]
    split = Node(0, "split", 0, shots.SPLIT, {})
    found = shots.will_be(shots.Photos(tuple(photos)), [split], 16)
    assert found == Span(4, 4)


@pytest.mark.parametrize(("span", "words"), [(Span(16, 16), "16"), (Span(4, 6), "4 to 6")])
def test_a_span_reads_as_one_number_or_two(span, words):
    assert span.words() == words


def test_what_was_used_is_counted_in_the_shots_of_every_fold(session):
    workspace = session.studio.workspace
    small = workspace.put_set(ImageSet.of("set", [Member("cat", f"{n:064x}") for n in range(4)]))
    large = workspace.put_set(ImageSet.of("set", [Member("cat", f"{n:064x}") for n in range(6)]))
    for fold, found in enumerate((small, large)):
        step = build(shots.SPLIT, {**EXAMPLES[shots.SPLIT], "fold": fold})
        finish(session.studio, f"split-{fold}", step, Output(name="shots", value=found))
    nodes = [Node(0, "split", 0, shots.SPLIT, {}, "split-0"), Node(1, "split", 1, shots.SPLIT, {}, "split-1")]
    assert shots.were(session.studio, nodes) == Span(4, 6)
