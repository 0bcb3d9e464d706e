import json
from typing import get_args

import pytest
from PIL import Image

from synthstudio import models, weightfile
from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Made, Measured, Note, Output, Progress
from synthstudio.resources import Resources
from synthstudio.step import build, from_json
from synthstudio.steps.adapt import previews
from synthstudio.terms import LOW_RANK_METHODS, METHODS, Method
from tests.matrix import first_of
from tests.steps.kit import fresh, outputs, stored

LORA_FILE = "pytorch_lora_weights.safetensors"
FOLDER_OF_PEFT = ("adapter_config.json", "adapter_model.safetensors")
QUICK = {"rank": 4, "alpha": 4, "training_steps": 6, "warmup_steps": 1, "learning_rate": 0.02, "batch_size": 2}


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    return work


@pytest.fixture
def request_(work, tiny_sd):
    images = stored(work, "set", ["blue", "red"], range(2), size=32)
    return {"backbone": models.reference(str(tiny_sd), "backbone", work.workspace), "images": images, **QUICK}


def adapted(work, fields):
    named, events = outputs(build("adapt.lora", fields), work)
    return work.workspace.document(named["adapter"]), events


def test_one_adapter_serves_all_classes(work, request_):
    adapter, events = adapted(work, request_)
    assert list(adapter["weights"]) == ["*"] and adapter["images_per_label"] == {"blue": 2, "red": 2}
    assert work.workspace.get_weights(adapter["weights"]["*"]).exists()
    steps = [event.done for event in events if isinstance(event, Progress)]
    assert steps[-1] == 6 and all("probe_loss" in e.values for e in events if isinstance(e, Progress))


def test_the_same_step_gives_the_same_adapter(work, request_):
    first = outputs(build("adapt.lora", request_), work)[0]
    assert outputs(build("adapt.lora", request_), fresh(work))[0] == first


def test_activations_computed_again_give_the_same_adapter(work, request_):
    first = outputs(build("adapt.lora", request_), work)[0]
    again = fresh(work)
    again.resources = Resources(device="cpu", threads=1, checkpoint_every=3, checkpointing="on")
    assert outputs(build("adapt.lora", request_), again)[0] == first


def test_the_probe_loss_is_measured_before_and_after(work, request_):
    _, events = adapted(work, {**request_, "training_steps": 20, "batch_size": 8})
    loss = {event.arm: event.value for event in events if isinstance(event, Measured)}
    assert loss["after"] < loss["before"]


@pytest.mark.parametrize("scope", ["dset", "cls"])
@pytest.mark.parametrize("after", first_of([2, 8]))
def test_a_stopped_adaptation_ends_as_an_unbroken_one(work, request_, scope, after):
    step = build("adapt.lora", {**request_, "scope": scope})
    whole = outputs(step, work)[0]
    running = step.run(fresh(work))
    for _ in range(after):
        next(running)
    running.close()
    assert outputs(step, work)[0] == whole


def test_a_class_that_is_done_is_not_trained_again(work, request_):
    step = build("adapt.lora", {**request_, "scope": "cls"})
    whole = outputs(step, work)[0]
    work.loaded = {}
    assert outputs(step, work)[0] == whole and not work.loaded


def test_each_class_may_have_its_own(work, request_):
    adapter, _ = adapted(work, {**request_, "scope": "cls"})
    assert set(adapter["weights"]) == {"blue", "red"}
    assert adapter["weights"]["blue"] != adapter["weights"]["red"]


def test_samples_use_the_weights_of_their_label(work, request_):
    named, _ = outputs(build("adapt.lora", {**request_, "scope": "cls"}), work)

    def sample(labels, **more):
        fields = {"backbone": request_["backbone"], "labels": labels, "images_per_class": 1, "inference_steps": 2}
        events = outputs(build("sample.text", {**fields, "adapter": named["adapter"], **more}), work)[1]
        return {event.image.label: event.image.digest for event in events if isinstance(event, Made)}

    both = sample(["blue", "red"])
    assert both["red"] == sample(["red"])["red"]  # going through another adapter leaves no trace
    assert both["red"] != sample(["red"], adapter_scale=0)["red"]
    with pytest.raises(BadInput, match="no weights for 'green'"):
        sample(["green"])


def test_epochs_decide_when_no_steps_are_given(work, request_):
    step = build("adapt.lora", {**request_, "training_steps": None, "epochs": 3, "batch_size": 3})
    assert step.updates(4) == 6
    assert build("adapt.lora", {"backbone": step.backbone, "images": step.images}).updates(160) == 4000


def test_a_long_warm_up_is_told(work, request_):
    _, events = adapted(work, {**request_, "warmup_steps": 5})
    assert any("warm-up" in event.text for event in events if isinstance(event, Note))


def test_nothing_to_adapt_to_is_said(work, request_):
    empty = work.workspace.put_set(ImageSet.of("set", []))
    with pytest.raises(BadInput, match="no images"):
        adapted(work, {**request_, "images": empty})


def test_oblong_photos_are_seen_from_several_places(work, request_):
    import io

    from PIL import Image

    from synthstudio.artifacts import Member

    out = io.BytesIO()
    Image.linear_gradient("L").resize((80, 32)).convert("RGB").save(out, "PNG")
    images = work.workspace.put_set(ImageSet.of("set", [Member("blue", work.workspace.put(out.getvalue()))]))
    adapters = [
        adapted(fresh(work), {**request_, "images": images, "crop": crop})[0] for crop in ("random", "centre", "pad")
    ]
    assert len({adapter["weights"]["*"] for adapter in adapters}) == 3


def test_no_output_before_the_end(work, request_):
    running = build("adapt.lora", request_).run(work)
    seen = [next(running) for _ in range(5)]
    running.close()
    assert not any(isinstance(event, Output) for event in seen)


def test_the_export_is_a_folder_other_tools_load(work, request_):
    named, _ = outputs(build("adapt.lora", request_), work)
    told, _ = outputs(build("export.adapter", {"adapter": named["adapter"], "name": "Crème / brûlée"}), work)
    folder = work.workspace.root / told["folder"]
    metadata = weightfile.read_header(folder / "pytorch_lora_weights.safetensors").metadata
    assert metadata["ss_network_dim"] == "4" and "lora_adapter_metadata" in metadata
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "a photo of a blue" in card and "rank 4" in card and request_["backbone"].split("@")[0] in card


def test_an_export_has_one_folder_per_class_and_no_name_is_a_path(work, request_):
    hostile = "../../etc"
    images = work.workspace.image_set(request_["images"])
    renamed = ImageSet.of("set", [type(m)({"red": hostile}.get(m.label, m.label), m.image) for m in images])
    fields = {**request_, "images": work.workspace.put_set(renamed), "scope": "cls", "training_steps": 1}
    named, _ = outputs(build("adapt.lora", fields), work)
    told, _ = outputs(build("export.adapter", {"adapter": named["adapter"]}), work)
    files = sorted((work.workspace.root / told["folder"]).rglob("*.safetensors"))
    assert len(files) == 2 and all(work.workspace.exports in file.parents for file in files)


def test_an_export_loads_in_the_plain_pipeline(work, request_, tiny_sd):
    from diffusers import StableDiffusionPipeline

    named, _ = outputs(build("adapt.lora", request_), work)
    told, _ = outputs(build("export.adapter", {"adapter": named["adapter"]}), work)
    pipe = StableDiffusionPipeline.from_pretrained(tiny_sd, local_files_only=True, use_safetensors=True)
    pipe.load_lora_weights(work.workspace.root / told["folder"])
    layer = pipe.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2.to_k
    assert layer.lora_B["default_0"].weight.abs().max() > 0


def test_pictures_are_drawn_on_the_way_and_change_nothing(work, request_, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(previews, "_TIMES", 0)
        without = outputs(build("adapt.lora", request_), work)[0]
    assert previews.rows_in(work.scratch / previews.FOLDER) == []
    for text_encoder in (True, False):
        step = build("adapt.lora", {**request_, "train_text_encoder": text_encoder})
        made = outputs(step, fresh(work))[0]
        rows = previews.rows_in(work.scratch / previews.FOLDER)
        assert [row["step"] for row in rows] == [2, 3, 4, 6]
        assert [image["label"] for image in rows[-1]["images"]] == ["blue", "red"]
        for row in rows:
            for image in row["images"]:
                Image.open(work.scratch / previews.FOLDER / image["file"]).verify()
        assert not text_encoder or made == without


def test_pictures_can_be_asked_for_at_any_step(work, request_):
    running = build("adapt.lora", request_).run(work)
    folder = work.scratch / previews.FOLDER
    folder.mkdir()
    (folder / previews.ASKED).touch()
    next(running)
    running.close()
    assert [row["step"] for row in previews.rows_in(folder)] == [1]
    assert not (folder / previews.ASKED).exists()


def test_pictures_that_cannot_be_drawn_are_a_warning_not_the_end(work, request_, monkeypatch):
    def fails(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("synthstudio.engine.diffusion.sample", fails)
    _, events = adapted(work, request_)
    assert [event.text for event in events if isinstance(event, Note) and "while training" in event.text] == [
        "No samples while training: out of memory"
    ]


def test_what_was_stored_before_there_were_kinds_is_the_lora_it_was(work, request_):
    old = {"kind": "adapt.lora", "version": 1, "fields": build("adapt.lora", request_).fields}
    del old["fields"]["method"]
    assert from_json(json.dumps(old)) == build("adapt.lora", request_)
    adapter, _ = adapted(work, request_)
    assert "method" not in adapter  # so a LoRA made now has the digest that version 1 gave it


@pytest.mark.parametrize("method", first_of(["dora", "lokr", "oft"]))
def test_an_adapter_of_any_kind_is_sampled_and_exported_for_the_tools_of_its_kind(work, request_, method):
    step = build("adapt.lora", {**request_, "method": method})
    running = step.run(work)
    for _ in range(4):
        next(running)
    running.close()
    named, _ = outputs(step, work)
    assert outputs(step, fresh(work))[0] == named
    fields = {"backbone": request_["backbone"], "labels": ["red"], "images_per_class": 1, "inference_steps": 2}

    def sample(**more):
        events = outputs(build("sample.text", {**fields, "adapter": named["adapter"], **more}), fresh(work))[1]
        return [event.image.digest for event in events if isinstance(event, Made)]

    assert sample() == sample() != sample(adapter_scale=0)
    told, _ = outputs(build("export.adapter", {"adapter": named["adapter"], "name": "mine"}), work)
    folder = work.workspace.root / told["folder"]
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    parts = [f"{part}/{file}" for part in ("text_encoder", "unet") for file in FOLDER_OF_PEFT]
    assert files == ["README.md", *([LORA_FILE] if method == "dora" else parts)]
    card = (folder / "README.md").read_text(encoding="utf-8")
    loads = "load_lora_weights" if method == "dora" else 'PeftModel.from_pretrained(pipe.unet, "this-folder/unet")'
    assert loads in card and METHODS[method] in card


def test_a_block_of_one_cannot_be_rotated(request_):
    with pytest.raises(BadInput, match="rank of at least 2"):
        build("adapt.lora", {**request_, "method": "oft", "rank": 1})


def test_the_kinds_of_the_form_are_those_of_the_engine():
    from synthstudio.engine.adapters.kinds import KINDS

    assert set(METHODS) == set(KINDS) == set(get_args(get_args(Method)[0]))
    assert {name for name, kind in KINDS.items() if kind.low_rank} == LOW_RANK_METHODS
