import pytest

from synthstudio import models
from synthstudio.errors import BadInput
from synthstudio.events import Made
from synthstudio.step import build
from synthstudio.steps.adapt import previews
from tests.steps.kit import fresh, outputs, stored

QUICK = {"training_steps": 4, "batch_size": 2, "vectors": 3}
LABELS = ["blue", "red"]


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    return work


@pytest.fixture
def request_(work, tiny_sd):
    images = stored(work, "set", LABELS, range(3), size=32)
    return {"backbone": models.reference(str(tiny_sd), "backbone", work.workspace), "images": images, **QUICK}


@pytest.fixture
def adapter(work, request_):
    return outputs(build("adapt.inverted_vectors", request_), work)[0]["adapter"]


def drawn(work, request_, adapter, **more):
    fields = {"backbone": request_["backbone"], "adapter": adapter, "labels": LABELS, "images_per_class": 4,
              "inference_steps": 2, **more}  # fmt: skip
    events = outputs(build("sample.vectors", fields), work)[1]
    return [event.image for event in events if isinstance(event, Made)]


def test_every_shot_has_vectors_in_one_file(work, request_, adapter):
    document = work.workspace.document(adapter)
    shots = [member.image for member in work.workspace.image_set(request_["images"])]
    assert sorted(one for some in document["photos"].values() for one in some) == sorted(shots)
    assert document["method"] == "inverted_vectors" and set(document["weights"]) == {"*"}


def test_a_stopped_run_ends_with_the_same_vectors(work, request_, adapter):
    running = build("adapt.inverted_vectors", request_).run(fresh(work))
    for _ in range(3):
        next(running)
    running.close()
    assert outputs(build("adapt.inverted_vectors", request_), work)[0]["adapter"] == adapter


def test_photos_of_a_label_take_turns_and_move_towards_others_of_it(work, request_, adapter):
    photos = work.workspace.document(adapter)["photos"]
    for image in drawn(work, request_, adapter):
        assert image.made["inverted"] in photos[image.label] and image.made["towards"] in photos[image.label]
        assert image.made["towards"] != image.made["inverted"] and image.made["interpolation"] == 0.1
    red = [image.made["inverted"] for image in drawn(work, request_, adapter, labels=["red"])]
    assert red == [*photos["red"], photos["red"][0]]


def test_a_single_photo_of_a_label_has_no_partner(work, request_):
    images = stored(work, "set", LABELS, [0], size=32)
    adapter = outputs(build("adapt.inverted_vectors", {**request_, "images": images}), work)[0]["adapter"]
    made = drawn(work, request_, adapter, images_per_class=2)
    assert {image.made["towards"] for image in made} == {None} and len({image.digest for image in made}) == 4


def test_without_noise_and_interpolation_the_vectors_are_those_of_the_photo(work, request_, adapter):
    still = {"interpolation": 0.0, "vector_noise": 0.0, "labels": ["red"], "images_per_class": 1}
    plain, noisy = (
        drawn(work, request_, adapter, **still),
        drawn(work, request_, adapter, **still | {"vector_noise": 1}),
    )
    assert plain[0].made["towards"] is None and plain[0].digest != noisy[0].digest


def test_a_batch_of_one_and_a_whole_one_draw_the_same_plan(work, request_, adapter):
    together = drawn(work, request_, adapter)
    work.resources = work.resources.model_copy(update={"batch": 1})
    assert [image.made for image in drawn(work, request_, adapter)] == [image.made for image in together]


def test_samples_while_training_are_the_photos_as_they_are_held(work, adapter):
    rows = previews.rows_in(work.scratch / previews.FOLDER)
    assert {image["label"] for row in rows for image in row["images"]} == set(LABELS)


def test_adapters_of_other_kinds_are_told_apart(work, request_, adapter):
    text = {"backbone": request_["backbone"], "adapter": adapter, "labels": LABELS, "images_per_class": 1}
    with pytest.raises(BadInput, match="no prompt reaches"):
        outputs(build("sample.text", text), work)
    words = outputs(build("adapt.textual_inversion", {**request_, "vectors": 1}), work)[0]["adapter"]
    with pytest.raises(BadInput, match="holds no vectors of photos"):
        drawn(work, request_, words)
    with pytest.raises(BadInput, match="load in no other program"):
        outputs(build("export.adapter", {"adapter": adapter}), work)


def test_a_label_without_photos_is_named(work, request_, adapter):
    with pytest.raises(BadInput, match="No photo of 'green' was inverted"):
        drawn(work, request_, adapter, labels=["green"])


def test_another_backbone_is_refused(work, request_, adapter):
    with pytest.raises(BadInput, match="The adapter was trained on"):
        drawn(work, {"backbone": f"pico@{'0' * 64}"}, adapter)
