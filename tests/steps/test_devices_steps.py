"""Steps whose worker has a device: everything they load, draw and train goes there."""

import pytest
import torch

from synthstudio import models
from synthstudio.artifacts import ImageSet
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.steps.evaluate import exam
from tests.engine import pretend
from tests.engine.tiny_timm import make_timm
from tests.matrix import first_of
from tests.steps.kit import LABELS, encoder_ref, outputs, stored, work_in

SMALL = {"training_steps": 2, "batch_size": 4, "width": 4, "image_size": 8, "learning_rate": 0.01}
CLASSIFIER = {"training_steps": 2, "batch_size": 4, "warmup_steps": 1, "learning_rate": 0.01}
ADAPTER = {"rank": 4, "alpha": 4, "training_steps": 4, "warmup_steps": 1, "batch_size": 2}
MATCH = {"images_per_class": 2, "iterations": 2, "real_batch": 4, "width": 4, "image_size": 16, "inner_loops": 1}


@pytest.fixture(scope="module")
def timm(tmp_path_factory):
    return make_timm(tmp_path_factory.mktemp("timm") / "timm")


@pytest.fixture
def work(tmp_path, request):
    """A worker with a pretended card: of today, or on request of the generation before bfloat16."""
    with pretend.card(bfloat16=getattr(request, "param", "bfloat16") == "bfloat16"):
        work = work_in(tmp_path)
        work.resources = Resources(device="cuda:0", threads=1, checkpoint_every=2)
        yield work


@pytest.fixture
def fields(work, tiny_sd, clip, timm):
    """What Steps name: models and sets of images."""
    return {
        "backbone": models.reference(str(tiny_sd), "backbone", work.workspace),
        "clip": encoder_ref(work, clip), "timm": encoder_ref(work, timm),
        "images": stored(work, "set", LABELS, range(5), size=32),
        "test": stored(work, "test", LABELS, range(50, 53), size=32),
        "small": stored(work, "set", LABELS, range(2), size=32),
    }  # fmt: skip


def done(work, kind, **given):
    return outputs(build(kind, given), work)[0]


@pytest.mark.parametrize(
    ("work", "family"),
    first_of([("bfloat16", "tiny_sd"), ("float16", "tiny_sd"), ("bfloat16", "tiny_sdxl")]),
    indirect=["work"],
)
def test_an_adapter_is_trained_and_sampled_with(work, fields, request, family):
    backbone = models.reference(str(request.getfixturevalue(family)), "backbone", work.workspace)
    images = fields["small"]
    adapter = done(work, "adapt.lora", backbone=backbone, images=images, **ADAPTER)["adapter"]
    how = {"backbone": backbone, "adapter": adapter, "inference_steps": 2, "images_per_class": 1}
    made = done(work, "sample.text", labels=["blue", "red"], **how)
    assert len(work.workspace.image_set(made["images"])) == 2
    made = done(work, "sample.variation", labels=["blue", "red"], sources=fields["small"], **how)
    assert len(work.workspace.image_set(made["images"])) == 2


@pytest.mark.parametrize("work", first_of(["bfloat16", "float16"]), indirect=True)
def test_words_are_learned_and_sampled_with(work, fields):
    given = {"backbone": fields["backbone"], "images": fields["small"]}
    words = done(work, "adapt.textual_inversion", **given, training_steps=2, batch_size=2, vectors=2)["adapter"]
    how = {"backbone": fields["backbone"], "words": words, "inference_steps": 3, "images_per_class": 2}
    many = {"guidance_to": 4.0, "guidance_begin": 0.4, "strengths": [0.4, 1.0], "mix": 0.3, "sampler": "euler_a"}
    made = done(work, "sample.variation", labels=["blue", "red"], sources=fields["small"], **how, **many)
    assert len(work.workspace.image_set(made["images"])) == 4


def test_loras_of_single_photos_are_fused(work, fields):
    images = stored(work, "set", ["red"], range(2), size=32)
    given = {"backbone": fields["backbone"], "images": images, **ADAPTER, "training_steps": 1, "warmup_steps": 0}
    adapter = done(work, "adapt.lora", **given, scope="image")["adapter"]
    how = {"backbone": fields["backbone"], "adapter": adapter, "inference_steps": 2, "images_per_class": 2}
    made = done(work, "sample.text", labels=["red"], **how)
    assert len(work.workspace.image_set(made["images"])) == 2


@pytest.mark.parametrize("work", first_of(["bfloat16", "float16"]), indirect=True)
def test_photos_are_inverted_and_drawn_from(work, fields):
    given = {"backbone": fields["backbone"], "images": fields["small"]}
    adapter = done(work, "adapt.inverted_vectors", **given, training_steps=2, batch_size=2, vectors=2)["adapter"]
    how = {"backbone": fields["backbone"], "adapter": adapter, "inference_steps": 2, "images_per_class": 2}
    made = done(work, "sample.vectors", labels=["blue", "red"], **how)
    assert len(work.workspace.image_set(made["images"])) == 4


@pytest.mark.parametrize("eye", ["clip", "timm"])
def test_images_are_embedded_and_scored(work, fields, eye):
    given = {"images": fields["small"], "references": fields["images"], "encoder": fields[eye]}
    assert done(work, "score.nearest_real", **given)
    assert done(work, "train.linear_probe", real=fields["images"], encoder=fields[eye])


@pytest.mark.parametrize("work", first_of(["bfloat16", "float16"]), indirect=True)
def test_classifiers_are_trained(work, fields):
    sets = {"real": fields["small"], "synthetic": fields["images"]}
    assert done(work, "train.classifier", encoder=fields["clip"], **sets, **CLASSIFIER, rank=2, alpha=4)
    assert done(work, "train.finetune", encoder=fields["timm"], **sets, **CLASSIFIER)


@pytest.mark.parametrize("start", ["herding", "mean_latent"])
def test_latents_are_matched(work, fields, start):
    latents = {"parameterisation": "latents", "backbone": fields["backbone"], "decode_size": 16}
    made = done(work, "distil.match", images=fields["images"], initialisation=start, **latents, **MATCH)
    assert len(work.workspace.image_set(made["images"])) == 6


def test_experts_are_taught_and_followed(work, fields):
    schooling = {"experts": 1, "epochs": 2, "width": 4, "image_size": 16}
    experts = done(work, "distil.experts", images=fields["images"], **schooling)["experts"]
    followed = {"experts": experts, "student_steps": 2, "expert_epochs": 1}
    made = done(work, "distil.match", images=fields["images"], method="mtt", **followed, **MATCH)
    assert len(work.workspace.image_set(made["images"])) == 6


@pytest.mark.parametrize("rule", ["k_means", "class_mean", "mean_latent"])
def test_a_small_set_is_chosen(work, fields, rule):
    chosen = done(work, "distil.select", images=fields["images"], rule=rule, images_per_class=2,
                  backbone=fields["backbone"])  # fmt: skip
    assert len(work.workspace.image_set(chosen["images"])) == 6


def test_mosaics_are_made_by_an_observer_on_the_device(work, fields):
    made = done(work, "distil.mosaic", images=fields["images"], images_per_class=1, crops=2, image_size=16, width=4,
                observer_steps=30, believed=0.01)  # fmt: skip
    assert isinstance(work.workspace.image_set(made["images"]), ImageSet)


def test_a_small_set_is_judged_on_the_device(work, fields):
    sets = {"images": fields["small"], "real": fields["images"], "test": fields["test"]}
    rules = build("evaluate.small_set", {**sets, "backbone": fields["backbone"], "labels": "soft", **SMALL})
    small, real, test = (work.workspace.image_set(one) for one in sets.values())
    cell = exam.Exam(work, rules, real, test).cell(small, "resnet18", 0, augmented=True)
    assert len(cell.right) == len(test) and cell.device == "cuda" and not torch.backends.cudnn.allow_tf32
    work.resources = Resources(device="cpu", threads=1)
    again = exam.Exam(work, rules, real, test)
    assert again.cell(small, "resnet18", 0, augmented=True) == cell, "what was measured on a card is not trained again"
    assert again._right(small, "resnet18", 0, True) == cell.right, "and the CPU would have answered the same"
