import pytest
from PIL import Image

from synthstudio import models, weightfile
from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Made, Measured, Note
from synthstudio.step import build
from synthstudio.steps.adapt import previews
from synthstudio.steps.adapt.textual_inversion import word_of
from synthstudio.steps.sample.preview import preview
from tests.matrix import first_of
from tests.steps.kit import fresh, outputs, stored

QUICK = {"training_steps": 4, "learning_rate": 0.1, "batch_size": 2, "vectors": 2}


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    return work


@pytest.fixture
def request_(work, tiny_sd):
    images = stored(work, "set", ["blue", "red"], range(2), size=32)
    return {"backbone": models.reference(str(tiny_sd), "backbone", work.workspace), "images": images, **QUICK}


def learned(work, fields):
    named, events = outputs(build("adapt.textual_inversion", fields), work)
    return named["adapter"], work.workspace.document(named["adapter"]), events


def sampled(work, backbone, **more):
    fields = {"backbone": backbone, "labels": ["blue", "red"], "images_per_class": 1, "inference_steps": 2}
    events = outputs(build("sample.text", {**fields, **more}), work)[1]
    return {event.image.label: event.image for event in events if isinstance(event, Made)}


def test_every_class_has_a_word_of_its_own(work, request_):
    _, words, events = learned(work, request_)
    assert words["names"] == {"blue": "<blue>", "red": "<red>"} and words["method"] == "textual_inversion"
    assert words["weights"]["blue"] != words["weights"]["red"]
    header = weightfile.read_header(work.workspace.get_weights(words["weights"]["red"]))
    assert {name: about["shape"] for name, about in header.tensors.items()} == {"<red>": [2, 16]}
    assert {event.label for event in events if isinstance(event, Measured)} == {"blue", "red"}


@pytest.mark.parametrize("after", first_of([7, 2]))
def test_a_stopped_run_ends_with_the_same_words(work, request_, after):
    step = build("adapt.textual_inversion", {**request_, "templates": ["a drawing of a {label}"]})
    whole = outputs(step, work)[0]
    running = step.run(fresh(work))
    for _ in range(after):
        next(running)
    running.close()
    assert outputs(step, work)[0] == whole


def test_images_are_drawn_with_the_words_of_their_labels(work, request_):
    adapter, _, _ = learned(work, request_)
    plain = sampled(work, request_["backbone"])
    drawn = sampled(work, request_["backbone"], adapter=adapter)
    assert drawn["red"].made["prompt"] == "a photo of a <red>" and drawn["red"].digest != plain["red"].digest
    assert sampled(work, request_["backbone"]) == plain  # the words were taken out again
    assert sampled(work, request_["backbone"], words=adapter)["red"].digest == drawn["red"].digest


def test_words_stand_before_the_name_unless_they_are_to_do_without_it(work, request_):
    adapter, words, _ = learned(work, {**request_, "name_free": False})
    assert words["names"]["red"] == "<red> red"
    assert sampled(work, request_["backbone"], adapter=adapter)["red"].made["prompt"] == "a photo of a <red> red"


def test_words_and_a_lora_are_used_together(work, request_):
    words, _, _ = learned(work, request_)
    quick = {"rank": 4, "training_steps": 4, "warmup_steps": 0, "learning_rate": 0.05, "batch_size": 2}
    fields = {"backbone": request_["backbone"], "images": request_["images"], **quick}
    lora = outputs(build("adapt.lora", fields), work)[0]["adapter"]
    images = {
        name: sampled(work, request_["backbone"], **given)["red"]
        for name, given in {
            "both": {"adapter": lora, "words": words}, "lora": {"adapter": lora}, "words": {"words": words},
        }.items()
    }  # fmt: skip
    assert len({image.digest for image in images.values()}) == 3 and images["both"].made["words"] == words
    with pytest.raises(BadInput, match="as adapter and as words"):
        sampled(work, request_["backbone"], adapter=words, words=words)
    with pytest.raises(BadInput, match="Give it as adapter"):
        sampled(work, request_["backbone"], words=lora)


def test_a_label_without_a_word_is_named(work, request_):
    adapter, _, _ = learned(work, request_)
    with pytest.raises(BadInput, match="no learned word for 'green'"):
        sampled(work, request_["backbone"], adapter=adapter, labels=["green"])


def test_samples_while_training_say_the_word(work, request_):
    learned(work, request_)
    rows = previews.rows_in(work.scratch / previews.FOLDER)
    assert {image["prompt"] for row in rows for image in row["images"]} == {"a photo of a <blue>", "a photo of a <red>"}


def test_a_preview_of_prompts_says_the_word(work, request_):
    adapter, _, _ = learned(work, request_)
    step = build("sample.text", {"backbone": request_["backbone"], "labels": ["red"], "adapter": adapter})
    assert preview(step, work.workspace).prompts == ["a photo of a <red>"]


def test_no_name_can_end_a_word_or_be_a_path(work, request_):
    hostile = "../<b> <red>"
    images = work.workspace.image_set(request_["images"])
    renamed = ImageSet.of("set", [type(m)({"red": hostile}.get(m.label, m.label), m.image) for m in images])
    adapter, words, _ = learned(work, {**request_, "images": work.workspace.put_set(renamed)})
    assert words["names"][hostile] == word_of(hostile) and word_of(hostile).count("<") == 1
    told, _ = outputs(build("export.adapter", {"adapter": adapter, "name": "x"}), work)
    folder = work.workspace.root / told["folder"]
    assert len([file for file in folder.iterdir() if file.suffix == ".safetensors"]) == 2


def test_the_export_is_files_the_stock_pipeline_loads(work, request_, tiny_sd):
    from tests.engine.test_diffusion import pipeline_with

    adapter, words, _ = learned(work, request_)
    told, _ = outputs(build("export.adapter", {"adapter": adapter, "name": "Crème"}), work)
    folder = work.workspace.root / told["folder"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "a photo of a &lt;red&gt;" in card and 'pipe.load_textual_inversion("this-folder/blue.safetensors")' in card
    pipe = pipeline_with(tiny_sd, "dpm++")
    pipe.load_textual_inversion(folder, weight_name="red.safetensors")
    assert isinstance(pipe("a photo of a <red>", num_inference_steps=1).images[0], Image.Image)


def test_a_domain_in_a_prompt_is_refused(request_):
    with pytest.raises(BadInput, match="have no domain"):
        build("adapt.textual_inversion", {**request_, "templates": ["a {domain} of a {label}"]})


def test_many_vectors_that_leave_no_room_are_told(work, request_):
    adapter, _, _ = learned(work, {**request_, "vectors": 16, "training_steps": 1})
    step = build(
        "sample.text",
        {"backbone": request_["backbone"], "labels": ["red"], "images_per_class": 1, "inference_steps": 1,
         "adapter": adapter, "prompt": "{label} {label} {label} {label} {label}"},
    )  # fmt: skip
    assert any("exceed the 75 tokens" in event.text for event in outputs(step, work)[1] if isinstance(event, Note))
