"""Every Step that draws or adapts, with a backbone that is not of the first family."""

import pytest

from synthstudio import models
from synthstudio.events import Made, Note
from synthstudio.step import build
from synthstudio.steps.adapt import previews
from tests.matrix import first_of
from tests.steps.kit import fresh, outputs, stored

QUICK = {"rank": 4, "alpha": 4, "training_steps": 4, "warmup_steps": 1, "learning_rate": 0.02, "batch_size": 2}


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    return work


@pytest.fixture
def given(work, tiny_sdxl):
    images = stored(work, "set", ["blue", "red"], range(2), size=32)
    return {"backbone": models.reference(str(tiny_sdxl), "backbone", work.workspace), "images": images}


def drawn(work, kind, **fields):
    made = [event.image for event in outputs(build(kind, fields), fresh(work))[1] if isinstance(event, Made)]
    return [image.digest for image in made]


def test_sdxl_is_adapted_previewed_resumed_and_sampled(work, given):
    step = build("adapt.lora", {**given, **QUICK})
    running = step.run(work)
    next(running), next(running)
    running.close()
    named = outputs(step, work)[0]
    assert [row["step"] for row in previews.rows_in(work.scratch / previews.FOLDER)][-1] == 4
    assert outputs(step, fresh(work))[0] == named
    how = {"backbone": given["backbone"], "labels": ["red"], "images_per_class": 2, "inference_steps": 2}
    how["adapter"] = named["adapter"]
    assert drawn(work, "sample.text", **how) == drawn(work, "sample.text", **how)
    assert drawn(work, "sample.text", **how) != drawn(work, "sample.text", **how, adapter_scale=0)
    assert len(drawn(work, "sample.variation", **how, sources=given["images"])) == 2


def test_a_flow_is_adapted_sampled_and_exported_with_what_every_step_asks_for_by_itself(work, given, tiny_klein):
    backbone = models.reference(str(tiny_klein), "backbone", work.workspace)
    fields = {**given, **QUICK, "backbone": backbone, "resolution": 32, "training_steps": 2}
    named, events = outputs(build("adapt.lora", fields), work)
    assert any(isinstance(event, Note) and "text encoder stays as it was" in event.text for event in events)
    assert not work.workspace.document(named["adapter"])["training"]["train_text_encoder"]
    how = {"backbone": backbone, "labels": ["red"], "images_per_class": 1, "inference_steps": 2, "resolution": 32}
    how["adapter"] = named["adapter"]
    assert drawn(work, "sample.text", **how) != drawn(work, "sample.text", **how, adapter_scale=0)
    assert len(drawn(work, "sample.variation", **how, sources=given["images"])) == 1
    told = outputs(build("export.adapter", {"adapter": named["adapter"]}), work)[0]
    card = (work.workspace.root / told["folder"] / "README.md").read_text(encoding="utf-8")
    assert "Flux2KleinPipeline" in card and "text encoder\nfrozen" in card


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # peft asks transformers for it
@pytest.mark.parametrize("method", first_of(["lora", "lokr"]))
def test_an_export_of_sdxl_names_its_pipeline_and_loads_there(work, given, method, tiny_sdxl):
    from diffusers import StableDiffusionXLPipeline
    from peft import PeftModel

    named = outputs(build("adapt.lora", {**given, **QUICK, "method": method, "training_steps": 2}), work)[0]
    told = outputs(build("export.adapter", {"adapter": named["adapter"]}), work)[0]
    folder = work.workspace.root / told["folder"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "from diffusers import StableDiffusionXLPipeline" in card
    pipe = StableDiffusionXLPipeline.from_pretrained(tiny_sdxl, local_files_only=True, use_safetensors=True)
    if method == "lora":
        pipe.load_lora_weights(folder)
        adapted = pipe.text_encoder_2.text_model.encoder.layers[0].self_attn.q_proj
        assert adapted.lora_B["default_0"].weight.abs().max() > 0
        return
    for part in ("unet", "text_encoder", "text_encoder_2"):
        assert f'"this-folder/{part}"' in card
        PeftModel.from_pretrained(getattr(pipe, part), folder / part)


def test_small_sets_are_made_in_the_latents_of_sdxl(work, given):
    chosen = outputs(build("distil.select", {**given, "rule": "mean_latent", "images_per_class": 1}), work)[0]
    assert len(work.workspace.image_set(chosen["images"])) == 2
    fields = {"parameterisation": "latents", "decode_size": 16, "image_size": 16, "images_per_class": 1}
    fields |= {"iterations": 2, "real_batch": 2, "width": 4, "inner_loops": 1}
    assert len(drawn(work, "distil.match", **given, **fields)) == 2
