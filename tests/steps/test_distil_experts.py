import errno
import shutil

import pytest

from synthstudio import weightfile
from synthstudio.errors import BadInput, StorageFull
from synthstudio.events import Made, Note, Progress
from synthstudio.step import build
from tests.steps.kit import fresh, outputs, stored

QUICK = {"experts": 2, "epochs": 3, "batch_size": 4, "width": 4, "image_size": 16}
MATCH = {
    "method": "mtt",
    "images_per_class": 2,
    "iterations": 3,
    "student_steps": 2,
    "expert_epochs": 2,
    "real_batch": 4,
    "width": 4,
    "image_size": 16,
}


@pytest.fixture
def request_(work):
    return {"images": stored(work, "set", ["blue", "red"], range(4), size=32), **QUICK}


def experts(work, request_, **more):
    return outputs(build("distil.experts", {**request_, **more}), work)[0]["experts"]


def test_experts_are_stored_and_say_what_they_saw(work, request_):
    document = work.workspace.document(experts(work, request_))
    assert len(document["weights"]) == 2 and document["labels"] == ["blue", "red"] and document["image_size"] == 16
    for digest in document["weights"]:
        header = weightfile.read_header(work.workspace.get_weights(digest))
        assert {entry["shape"][0] for entry in header.tensors.values()} == {4}


def test_the_budget_is_said_first(work, request_):
    first = next(build("distil.experts", request_).run(work))
    assert isinstance(first, Note) and first.text.startswith("2 experts, 12 updates of convnet, ")


@pytest.mark.parametrize("after", [2, 5])
def test_a_stopped_school_ends_as_an_unbroken_one(work, request_, after):
    step = build("distil.experts", request_)
    whole = outputs(step, work)[0]
    running = step.run(fresh(work))
    for _ in range(after):
        next(running)
    running.close()
    again, events = outputs(step, work)
    assert again == whole
    first = next(event.done for event in events if isinstance(event, Progress))
    assert first == (4 if after == 5 else 1)  # a finished expert is not trained again


def test_students_follow_experts(work, request_):
    fields = {"images": request_["images"], **MATCH, "experts": experts(work, request_)}
    named, events = outputs(build("distil.match", fields), fresh(work))
    made = [event.image.made for event in events if isinstance(event, Made)]
    assert len(work.workspace.image_set(named["images"])) == 4 and made[0]["student_rate"] > 0
    assert all("student_rate" in event.values for event in events if isinstance(event, Progress) and event.done)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"width": 8}, r"another width \(4\) than this request \(8\)"),
        ({"network": "vgg11"}, r"another network \(convnet\) than this request \(vgg11\)"),
        ({"image_size": 32}, r"another resolution \(16\) than this request \(32\)"),
    ],
)
def test_experts_of_another_lesson_are_refused(work, request_, more, words):
    fields = {"images": request_["images"], **MATCH, "experts": experts(work, request_), **more}
    with pytest.raises(BadInput, match=words):
        outputs(build("distil.match", fields), fresh(work))


@pytest.mark.parametrize(
    ("labels", "word"), [(["blue", "green"], "list of classes"), (["blue", "red"], "normalisation")]
)
def test_experts_of_other_images_are_refused(work, request_, labels, word):
    other = stored(work, "set", labels, range(5, 9), size=32)
    fields = {"images": other, **MATCH, "experts": experts(work, request_)}
    with pytest.raises(BadInput, match=f"another {word}"):
        outputs(build("distil.match", fields), fresh(work))


def test_a_disk_that_cannot_hold_the_experts_is_told_before_anything_is_trained(work, request_, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(StorageFull, match="fewer experts or epochs"):
        next(build("distil.experts", request_).run(work))


def test_a_disk_that_fills_up_leaves_nothing_half_written(work, request_, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weightfile.os, "fsync", full)
    with pytest.raises(StorageFull, match="full"):
        experts(work, request_)
    assert list(work.scratch.iterdir()) == [] and list(work.workspace.weights.iterdir()) == []
    monkeypatch.undo()
    assert experts(work, request_)


@pytest.mark.parametrize(("pace", "moves"), [(0.0, False), (1e-3, True)])
def test_how_fast_the_rate_of_the_student_is_learned_is_asked_for(work, request_, pace, moves):
    taught = experts(work, request_)
    asked = {
        **MATCH,
        "images": request_["images"],
        "experts": taught,
        "rate_of_student_rate": pace,
        "student_rate": 0.02,
    }
    _, events = outputs(build("distil.match", asked), work)
    (learned,) = {event.image.made["student_rate"] for event in events if isinstance(event, Made)}
    assert (learned != pytest.approx(0.02)) == moves
