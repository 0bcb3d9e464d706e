import pytest

from synthstudio import models
from synthstudio.errors import BadInput
from synthstudio.events import Made, Measured
from synthstudio.step import build
from synthstudio.steps.adapt import previews
from tests.steps.kit import outputs, stored

QUICK = {"scope": "image", "rank": 2, "alpha": 2, "training_steps": 2, "warmup_steps": 0, "learning_rate": 0.05,
         "batch_size": 1, "train_text_encoder": False}  # fmt: skip
LABELS = ["blue", "red"]


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    return work


@pytest.fixture
def request_(work, tiny_sd):
    images = stored(work, "set", LABELS, range(2), size=32)
    return {"backbone": models.reference(str(tiny_sd), "backbone", work.workspace), "images": images, **QUICK}


def sampled(work, request_, adapter, **more):
    fields = {"backbone": request_["backbone"], "adapter": adapter, "labels": LABELS, "images_per_class": 4,
              "inference_steps": 2, **more}  # fmt: skip
    events = outputs(build("sample.text", fields), work)[1]
    return {event.index: event.image for event in events if isinstance(event, Made)}


def test_every_photo_has_a_lora_and_every_image_two_of_its_class(work, request_):
    adapter, events = outputs(build("adapt.lora", request_), work)
    document = work.workspace.document(adapter["adapter"])
    photos = [member.image for member in work.workspace.image_set(request_["images"])]
    assert sorted(document["weights"]) == sorted(photos)
    assert [one.label for one in events if isinstance(one, Measured)] == ["blue", "blue", "red", "red"]
    shown = [image["label"] for row in previews.rows_in(work.scratch / previews.FOLDER) for image in row["images"]]
    assert shown.count("blue") == shown.count("red") == QUICK["training_steps"]  # of one photo of each class
    made = sampled(work, request_, adapter["adapter"])
    assert sorted(made) == list(range(8)) and len({image.digest for image in made.values()}) == 8
    for image in made.values():
        own = {document["weights"][photo] for photo in document["photos"][image.label]}
        assert len(set(image.made["fused"])) == 2 and set(image.made["fused"]) <= own


def test_a_stopped_sampling_ends_with_the_same_images(work, request_):
    images = stored(work, "set", ["red"], range(3), size=32)
    fields = {**request_, "images": images, "training_steps": 1}
    adapter = outputs(build("adapt.lora", fields), work)[0]["adapter"]
    work.resources = work.resources.model_copy(update={"batch": 2})
    whole = sampled(work, request_, adapter, labels=["red"])
    work.done = {index: image for index, image in whole.items() if index != 3}
    assert sampled(work, request_, adapter, labels=["red"])[3] == whole[3]


def test_a_class_of_one_photo_has_its_lora_alone(work, request_):
    images = stored(work, "set", LABELS, [0], size=32)
    adapter = outputs(build("adapt.lora", {**request_, "images": images}), work)[0]["adapter"]
    assert all("fused" not in image.made for image in sampled(work, request_, adapter, images_per_class=1).values())


def test_the_export_has_a_folder_for_every_photo_and_names_classes(work, request_):
    adapter = outputs(build("adapt.lora", request_), work)[0]["adapter"]
    told, _ = outputs(build("export.adapter", {"adapter": adapter, "name": "x"}), work)
    folder = work.workspace.root / told["folder"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    named = [f"this-folder/blue/{one.name}" in card for one in (folder / "blue").iterdir()]
    assert len(list((folder / "red").glob("*/*.safetensors"))) == 2
    assert "one adapter per image" in card and sum(named) == 1


def test_kinds_that_cannot_be_fused_are_refused(request_):
    with pytest.raises(BadInput, match="cannot be fused"):
        build("adapt.lora", {**request_, "method": "dora"})
