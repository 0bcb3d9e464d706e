import pytest
import torch
from safetensors.torch import load_file

from synthstudio.errors import BadInput
from synthstudio.events import Measured, Note, Progress
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.steps import encoding
from tests.steps.kit import LABELS, encoder_ref, fresh, outputs, stored


def classifier(work, clip, **fields):
    small = {"training_steps": 5, "batch_size": 4, "rank": 2, "alpha": 4, "warmup_steps": 1, "learning_rate": 0.01}
    return build("train.classifier", {"encoder": encoder_ref(work, clip), **small, **fields})


def test_a_classifier_records_what_made_it(work, clip):
    real, synthetic = stored(work, "set", LABELS, range(2)), stored(work, "set", LABELS, range(5, 9))
    step = classifier(work, clip, real=real, synthetic=synthetic)
    made, events = outputs(step, work)
    document = work.workspace.document(made["classifier"])
    assert document["kind"] == "lora" and document["labels"] == list(LABELS)
    assert document["trained_on"] == [real, synthetic] and document["real_weight"] == 0.8
    assert document["encoder"] == step.encoder and document["training_steps"] == 5
    assert load_file(work.workspace.get_weights(document["weights"]))
    accuracies = {event.arm: event for event in events if isinstance(event, Measured)}
    assert accuracies["real"].n == 6 and accuracies["synthetic"].n == 12
    assert all(event.split == "train" for event in accuracies.values())


def test_every_arm_makes_the_same_number_of_updates(work, clip, tmp_path):
    real, synthetic = stored(work, "set", LABELS, range(2)), stored(work, "set", LABELS, range(5, 15))
    for number, sets in enumerate(({"real": real}, {"synthetic": synthetic}, {"real": real, "synthetic": synthetic})):
        own = type(work)(work.workspace, tmp_path / str(number))
        own.scratch.mkdir()
        _, events = outputs(classifier(work, clip, **sets), own)
        done = [event.done for event in events if isinstance(event, Progress) and event.unit == "steps"]
        assert done == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("after", [1, 2, 4])
def test_a_stopped_run_resumes_to_the_same_weights(work, clip, tmp_path, after):
    fields = {"real": stored(work, "set", LABELS, range(2)), "synthetic": stored(work, "set", LABELS, range(5, 9))}
    unbroken, _ = outputs(classifier(work, clip, **fields), work)
    again = type(work)(work.workspace, tmp_path / "again")
    again.scratch.mkdir()
    saying = classifier(work, clip, **fields).run(again)
    for event in saying:
        if isinstance(event, Progress) and event.unit == "steps" and event.done == after:
            break
    saying.close()
    resumed, events = outputs(classifier(work, clip, **fields), again)
    assert resumed == unbroken
    assert min(event.done for event in events if isinstance(event, Progress) and event.unit == "steps") == after + 1


def test_a_killed_run_goes_on_from_its_last_checkpoint(work, clip, tmp_path):
    fields = {"real": stored(work, "set", LABELS, range(2))}
    unbroken, _ = outputs(classifier(work, clip, **fields), work)
    killed = type(work)(work.workspace, tmp_path / "killed")
    killed.scratch.mkdir()
    checkpoint = killed.scratch / "classifier.checkpoint.safetensors"
    saying = classifier(work, clip, **fields).run(killed)
    for event in saying:
        if isinstance(event, Progress) and event.done == 4:
            on_disk = checkpoint.read_bytes()  # written at step 3; a kill writes nothing more
            break
    saying.close()
    checkpoint.write_bytes(on_disk)
    resumed, events = outputs(classifier(work, clip, **fields), killed)
    assert resumed == unbroken
    assert min(event.done for event in events if isinstance(event, Progress) and event.unit == "steps") == 4


def test_a_run_whose_passes_do_not_fit_says_so_and_ends(work, clip):
    step = classifier(work, clip, real=stored(work, "set", LABELS, range(2)))
    model = encoding.encoder(work, step.encoder)

    def ends(_, inputs):
        if torch.is_grad_enabled() and len(inputs[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    model.model.visual.conv1.register_forward_pre_hook(ends)
    made, events = outputs(step, work)
    (warning,) = [event.text for event in events if isinstance(event, Note) and event.level == "warning"]
    assert "4 images at once do not fit" in warning and "passes of 2" in warning
    assert [event.done for event in events if isinstance(event, Progress) and event.unit == "steps"] == [1, 2, 3, 4, 5]
    work.resources = Resources(batch=2)
    again, events = outputs(step, fresh(work))
    assert not [event for event in events if isinstance(event, Note)]
    assert again == made, "the same passes, the same bytes"


def test_a_probe_is_the_same_kind_of_document_and_learns(work, clip):
    real = stored(work, "set", LABELS, range(4))
    step = build("train.linear_probe", {"encoder": encoder_ref(work, clip), "real": real, "penalty": 0.001})
    made, events = outputs(step, work)
    document = work.workspace.document(made["classifier"])
    assert document["kind"] == "linear_probe" and document["trained_on"] == [real]
    assert [event.value for event in events if isinstance(event, Measured)] == [1.0]
    assert outputs(step, work)[0] == made


@pytest.mark.parametrize("kind", ["train.classifier", "train.linear_probe"])
def test_no_images_one_class_and_empty_sets_are_refused(work, clip, kind):
    encoder = encoder_ref(work, clip)
    for sets, sentence in (
        ({}, "needs images"),
        ({"real": stored(work, "set", ["red"], range(2))}, "only one class, 'red'"),
        ({"synthetic": stored(work, "set", [], [])}, "synthetic set is empty"),
    ):
        with pytest.raises(BadInput, match=sentence):
            outputs(build(kind, {"encoder": encoder, **sets}), work)


def test_a_class_that_the_filter_emptied_is_said(work, clip):
    sets = {"real": stored(work, "set", LABELS, range(2)), "synthetic": stored(work, "set", ["red"], range(5, 8))}
    _, events = outputs(build("train.linear_probe", {"encoder": encoder_ref(work, clip), **sets}), work)
    warnings = [event.text for event in events if isinstance(event, Note) and event.level == "warning"]
    assert warnings == ["The synthetic images show no 'blue', 'green'."]


def test_no_training_step_accepts_a_test_set(work, clip):
    test = stored(work, "test", LABELS, range(2))
    for kind, name in (("train.classifier", "real"), ("train.linear_probe", "synthetic")):
        with pytest.raises(BadInput, match=name):
            build(kind, {"encoder": encoder_ref(work, clip), name: test})
