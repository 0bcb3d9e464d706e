"""Fine-tuning a timm network: what learns, what stays, resuming, divergence, and being asked like any classifier."""

import pytest
import torch
from safetensors.torch import load_file

from synthstudio.engine import encoders, finetune
from synthstudio.engine.classifier import Part
from synthstudio.errors import BadInput
from synthstudio.events import Measured, Note, Progress
from synthstudio.step import build
from tests.engine.tiny_timm import make_timm
from tests.matrix import first_of
from tests.steps.kit import LABELS, encoder_ref, outputs, stored

SMALL = {"training_steps": 5, "batch_size": 6, "warmup_steps": 1, "learning_rate": 1e-5, "augmentation": "none"}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def eye(tmp_path_factory):
    return make_timm(tmp_path_factory.mktemp("eye") / "network", "test_efficientnet")


def tuned(work, eye, **fields):
    return build("train.finetune", {"encoder": encoder_ref(work, eye), **SMALL, **fields})


def again(work, folder):
    own = type(work)(work.workspace, folder)
    own.scratch.mkdir()
    return own


def training(eye, **fields):
    encoder = encoders.load(eye, CPU)
    pixels = torch.randint(0, 256, (8, 3, 64, 64), dtype=torch.uint8)
    parts = {"real": Part.of(tuple("abcdefgh"), pixels, [0, 1] * 4)}
    head = {"weight": torch.zeros(2, encoder.model.num_features), "bias": torch.zeros(2)}
    return encoder, finetune.Training(encoder, parts, head, finetune.Settings(**{**SMALL, "seed": 1, **fields}))


@pytest.mark.parametrize("scope", ["head", "blocks", "all"])
def test_exactly_what_was_asked_learns_and_no_statistics_move(eye, scope):
    encoder, one = training(eye, scope=scope, blocks=1)
    before = {name: value.clone() for name, value in encoder.model.state_dict().items()}
    first = {name: value.detach().clone() for name, value in one.weights.items()}
    while not one.done:
        one.advance()
    assert all(torch.equal(value, before[name]) for name, value in encoder.model.state_dict().items())
    changed = {name for name, value in one.weights.items() if not torch.equal(value, first[name])}
    inside = {name.removeprefix("network.") for name in changed if name.startswith("network.")}
    assert {"head.weight", "head.bias"} <= changed
    everything = {name for name, _ in encoder.model.named_parameters() if "classifier" not in name}
    if scope == "head":
        assert not inside
    elif scope == "all":
        assert inside == everything
    else:
        assert inside and inside < everything and not any("conv_stem" in name for name in inside)
    tuned_state = finetune.adapted(encoder, one.tensors()).model.state_dict()
    assert all(torch.equal(tuned_state[name], before[name]) for name in before if "running_" in name)
    assert all(torch.equal(tuned_state[name], one.weights[f"network.{name}"]) for name in inside)


def test_a_fine_tuned_classifier_is_a_document_like_the_others_and_is_compared(work, eye):
    real, synthetic = stored(work, "set", LABELS, range(4)), stored(work, "set", LABELS, range(50, 54))
    made, events = outputs(tuned(work, eye, real=real, synthetic=synthetic, mix="cutmix", real_weight=0.7), work)
    document = work.workspace.document(made["classifier"])
    assert document["kind"] == "finetuned" and document["trained_on"] == [real, synthetic]
    assert document["diverged_at"] is None and load_file(work.workspace.get_weights(document["weights"]))
    assert {event.arm for event in events if isinstance(event, Measured)} == {"real", "synthetic"}
    step = {"encoder": encoder_ref(work, eye), "tests": [stored(work, "test", LABELS, range(20, 24))]}
    compared, _ = outputs(build("evaluate.compare", {**step, "real_and_synthetic": [made["classifier"]]}), work)
    assert work.workspace.document(compared["report"])["mean"]["real_and_synthetic"] > 0.6


@pytest.mark.parametrize("after", first_of([3, 1]))
@pytest.mark.parametrize("mix", ["none", "mixup"])
def test_a_stopped_run_resumes_to_the_same_weights(work, eye, tmp_path, after, mix):
    fields = {"real": stored(work, "set", LABELS, range(2)), "synthetic": stored(work, "set", LABELS, range(5, 9))}
    fields |= {"scope": "all", "mix": mix}
    unbroken, _ = outputs(tuned(work, eye, **fields), work)
    other = again(work, tmp_path / "again")
    saying = tuned(work, eye, **fields).run(other)
    for event in saying:
        if isinstance(event, Progress) and event.unit == "steps" and event.done == after:
            break
    saying.close()
    resumed, events = outputs(tuned(work, eye, **fields), other)
    assert resumed == unbroken
    assert min(event.done for event in events if isinstance(event, Progress) and event.unit == "steps") == after + 1


def test_a_training_that_diverges_keeps_the_last_good_weights_and_says_so(work, eye, tmp_path):
    fields = {"real": stored(work, "set", LABELS, range(4)), "scope": "all", "learning_rate": 1.0, "warmup_steps": 0}
    fields |= {"training_steps": 60}
    made, events = outputs(tuned(work, eye, **fields), work)
    document = work.workspace.document(made["classifier"])
    (warning,) = [event.text for event in events if isinstance(event, Note) and event.level == "warning"]
    assert f"diverged at step {document['diverged_at']}; the weights of step" in warning
    assert "Lower learning_rate" in warning and document["diverged_at"] < 60
    kept = load_file(work.workspace.get_weights(document["weights"]))
    assert all(value.isfinite().all() for value in kept.values())
    assert next(event for event in events if isinstance(event, Measured)).value > 0.5
    other = again(work, tmp_path / "again")
    saying = tuned(work, eye, **fields).run(other)
    next(event for event in saying if isinstance(event, Progress) and event.unit == "steps")
    saying.close()
    assert outputs(tuned(work, eye, **fields), other)[0] == made, "also after it was stopped"


def test_a_mixture_keeps_the_shares_of_its_targets(eye):
    for mix in ("mixup", "cutmix"):
        _, one = training(eye, mix=mix, mix_alpha=1.0)
        for step in range(4):
            one.step = step
            pixels, targets = one._batch("real", 6)
            assert torch.allclose(targets.sum(1), torch.ones(6)) and pixels.shape == (6, 3, 64, 64)


def test_a_clip_is_refused_with_what_to_do_instead(work, clip):
    with pytest.raises(BadInput, match="is a CLIP model.*train it with train.classifier"):
        outputs(tuned(work, clip, real=stored(work, "set", LABELS, range(2))), work)


def test_no_test_set_is_trained_on(work, eye):
    with pytest.raises(BadInput, match="real"):
        tuned(work, eye, real=stored(work, "test", LABELS, range(2)))
