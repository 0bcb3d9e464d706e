import json

import pytest
import torch

from synthstudio import models
from synthstudio.engine.distil import generators
from synthstudio.errors import BadInput, Damaged, UnsafeInput
from synthstudio.events import Made, Measured, Note, Output, Progress
from synthstudio.step import build, from_json
from synthstudio.steps.distil.preparing import PREVIEW
from tests.matrix import first_of
from tests.steps.kit import fresh, outputs, stored

QUICK = {"images_per_class": 2, "iterations": 6, "real_batch": 4, "width": 4, "image_size": 16, "inner_loops": 1}


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    return work


@pytest.fixture
def request_(work):
    return {"images": stored(work, "set", ["blue", "red"], range(4), size=32), **QUICK}


def latents(work, tiny_sd, **more):
    backbone = models.reference(str(tiny_sd), "backbone", work.workspace)
    return {"parameterisation": "latents", "backbone": backbone, "decode_size": 16, **more}


@pytest.mark.parametrize("method", ["dm", "dc"])
def test_a_small_set_is_made_stored_and_said(work, request_, method):
    named, events = outputs(build("distil.match", {**request_, "method": method}), work)
    made = [event.image for event in events if isinstance(event, Made)]
    images = work.workspace.image_set(named["images"])
    assert len(made) == len(images) == 4 and images.labels == ("blue", "red")
    assert {one.origin for one in made} == {"distilled"} and {one.width for one in made} == {16}
    assert all(one.made["method"] == method and one.made["networks"] == ["convnet"] for one in made)
    assert [event.done for event in events if isinstance(event, Progress)][-1] == 6
    assert any(event.name == "matching_loss" for event in events if isinstance(event, Measured))


def test_what_is_stored_is_what_was_distilled_to_half_a_byte(work, request_):
    from synthstudio.engine.distil.real import read

    step = build("distil.match", request_)
    seen = []
    import synthstudio.steps.distil.match as module

    real = module.distillation
    module.distillation = lambda *given: seen.append(real(*given)) or seen[-1]
    try:
        _, events = outputs(step, work)
    finally:
        module.distillation = real
    files = [work.workspace.get(event.image.digest) for event in events if isinstance(event, Made)]
    assert float((read(files, 16) / 255 - seen[0].images()).abs().max()) <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("after", first_of([4, 2]))
@pytest.mark.parametrize("level", [None, 0, 2])
def test_a_stopped_run_ends_as_an_unbroken_one(work, request_, tiny_sd, after, level):
    more = {} if level is None else latents(work, tiny_sd, level=level, method="dc")
    step = build("distil.match", {**request_, **more})
    whole = outputs(step, work)[0]
    running = step.run(fresh(work))
    for _ in range(after):
        next(running)
    running.close()
    assert outputs(step, work)[0] == whole


def test_no_output_before_the_end_and_a_preview_on_the_way(work, request_):
    running = build("distil.match", {**request_, "real_batch": 2}).run(work)
    seen = [next(running) for _ in range(3)]
    assert (work.scratch / PREVIEW).read_bytes().startswith(b"\x89PNG")
    running.close()
    assert not any(isinstance(event, Output | Made) for event in seen)


def test_glad_says_so(work, request_, tiny_sd):
    _, events = outputs(build("distil.match", {**request_, **latents(work, tiny_sd)}), work)
    made = next(event.image.made for event in events if isinstance(event, Made))
    assert made["method"] == "glad-dm" and made["parameterisation"] == "latents" and made["level"] == 0


@pytest.mark.parametrize("start", ["noise", "herding", "k_means", "class_mean", "mean_latent"])
def test_latents_may_start_anywhere(work, request_, tiny_sd, start):
    fields = {**request_, **latents(work, tiny_sd), "initialisation": start, "iterations": 1}
    assert len(work.workspace.image_set(outputs(build("distil.match", fields), work)[0]["images"])) == 4


def test_a_generator_of_ones_own_serves(work, request_, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    about = generators.About(architecture="convolutional", latent=(4, 4, 4), widths=(8, 8), groups=4)
    with torch.random.fork_rng(devices=[]):
        generators.save(folder / "mine.safetensors", generators.ConvolutionalGenerator(about))
    backbone = models.reference(str(folder), "backbone", work.workspace)
    fields = {**request_, "parameterisation": "generator", "backbone": backbone, "initialisation": "noise"}
    _, events = outputs(build("distil.match", fields), work)
    assert sum(isinstance(event, Made) for event in events) == 4


def test_a_generator_that_is_a_pickle_is_refused(work, tmp_path):
    (tmp_path / "mine").mkdir()
    torch.save({"a": torch.zeros(1)}, tmp_path / "mine" / "generator.pt")
    with pytest.raises(UnsafeInput, match=r"pickled weights \(generator.pt\)"):
        models.reference(str(tmp_path / "mine"), "backbone", work.workspace)


def test_a_pickle_that_calls_itself_safetensors_is_refused(work, request_, tmp_path):
    (tmp_path / "mine").mkdir()
    torch.save({"a": torch.zeros(1)}, tmp_path / "mine" / "generator.safetensors")
    backbone = models.reference(str(tmp_path / "mine"), "backbone", work.workspace)
    fields = {**request_, "parameterisation": "generator", "backbone": backbone, "initialisation": "noise"}
    with pytest.raises((UnsafeInput, Damaged)):
        outputs(build("distil.match", fields), work)


def test_a_class_smaller_than_the_batch_is_used_whole_and_told(work, request_):
    _, events = outputs(build("distil.match", {**request_, "real_batch": 5}), work)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert notes == [
        "'blue' has 4 images, fewer than the real batch of 5: all are used, some more than once in a batch."
    ]


def test_more_images_than_a_class_has_are_refused(work, request_):
    with pytest.raises(BadInput, match="5 images of 'blue' cannot start from 4 real ones"):
        outputs(build("distil.match", {**request_, "images_per_class": 5}), work)


def test_a_set_of_one_class_is_refused(work, request_):
    one = stored(work, "set", ["blue"], range(3))
    with pytest.raises(BadInput, match="two classes"):
        outputs(build("distil.match", {**request_, "images": one}), work)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"parameterisation": "latents"}, "need a backbone"),
        ({"method": "mtt"}, r"run distil\.experts"),
        ({"initialisation": "mean_latent"}, "class_mean"),
        ({"parameterisation": "generator", "backbone": f"mine@{'a' * 64}"}, "from noise"),
        ({"method": "dc", "encoder": f"clip@{'a' * 64}"}, "Only dm"),
        ({"method": "dm", "network_rate": 0.02}, "Only dc teaches networks between updates"),
        ({"method": "dc", "rate_of_student_rate": 1e-6}, "Only mtt learns a student's rate"),
        ({"operations": ["spin"]}, "operations"),
        ({"method": "dd"}, "choose one of dc, dm, mtt"),
    ],
)
def test_requests_that_cannot_be_meant_are_refused(request_, more, words):
    with pytest.raises(BadInput, match=words):
        build("distil.match", {**request_, **more})


def test_published_rates_stand_where_published_sgd_is_asked_for(request_):
    rates = {
        method: build("distil.match", {**request_, "method": method, "optimizer": "sgd"}).rate
        for method in ("dm", "dc")
    }
    assert rates == {"dm": 1.0, "dc": 0.1}
    assert build("distil.match", {**request_, "learning_rate": 0.5}).rate == 0.5


def test_the_rate_of_the_networks_of_dc_is_asked_for(work, request_):
    asked = {**request_, "method": "dc", "outer_loops": 3, "iterations": 3}
    sets = [outputs(build("distil.match", {**asked, **more}), work)[0]["images"]
            for more in ({}, {"network_rate": 0.01}, {"network_rate": 0.5})]  # fmt: skip
    assert sets[0] == sets[1] != sets[2]


def test_a_request_of_before_the_rates_were_fields_is_read_with_the_published_ones(request_):
    now = build("distil.match", {**request_, "method": "dc"})
    fields = {name: value for name, value in now.fields.items() if not name.endswith(("network_rate", "student_rate"))}
    fields["student_rate"] = now.student_rate
    assert from_json(json.dumps({"kind": "distil.match", "version": 1, "fields": fields})) == now


def test_a_frozen_encoder_may_look_and_is_named(work, request_):
    encoder = models.reference("pico-clip", "encoder", work.workspace)
    _, events = outputs(build("distil.match", {**request_, "encoder": encoder, "iterations": 2}), work)
    made = next(event.image.made for event in events if isinstance(event, Made))
    assert made["encoder"] == encoder and made["networks"] == []
