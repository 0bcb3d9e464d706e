import pytest

from synthstudio import models
from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, Missing
from synthstudio.events import Note, Output
from synthstudio.resources import Resources
from synthstudio.step import build
from tests.engine.drawing import furthest
from tests.steps.kit import made_by, outputs, stopped_after, stored

QUICK = {"labels": ["blue", "red"], "images_per_class": 3, "inference_steps": 3, "seed": 4}


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    work.resources = Resources(device="cpu", threads=1, batch=2)
    return work


@pytest.fixture
def text(work, tiny_sd):
    return build("sample.text", {"backbone": models.reference(str(tiny_sd), "backbone", work.workspace), **QUICK})


def test_every_row_becomes_an_image_of_the_set(work, text):
    named, events = outputs(text, work)
    images = made_by(events)
    members = work.workspace.image_set(named["images"])
    assert sorted(images) == list(range(6))
    assert {(m.label, m.image) for m in members} == {(i.label, i.digest) for i in images.values()}
    assert len({image.digest for image in images.values()}) == 6


def test_an_image_knows_how_it_was_made(work, text):
    image = made_by(outputs(text, work)[1])[4]
    assert (image.label, image.origin, image.width) == ("red", "synthetic", 32)
    assert image.made["prompt"] == "a photo of a red" and image.made["guidance_scale"] == 2.0
    assert image.made["seed"] and image.made["parent"] is None and image.made["backbone"] == text.backbone


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_a_stopped_run_ends_with_the_same_images(work, text, after):
    whole = made_by(outputs(text, work)[1])
    work.done = first = stopped_after(after, text, work)
    named, events = outputs(text, work)
    rest = made_by(events)
    assert not set(rest) & set(first) and {**first, **rest} == whole
    assert len(work.workspace.image_set(named["images"])) == 6


@pytest.mark.parametrize("number", [0, 3, 5])
def test_one_image_of_a_plan_is_made_alone_with_the_bytes_it_has_among_the_others(work, text, number):
    whole = made_by(outputs(text, work)[1])
    named, events = outputs(build(text.kind, text.fields | {"only": number}), work)
    assert made_by(events) == {number: whole[number]}
    assert [one.image for one in work.workspace.image_set(named["images"])] == [whole[number].digest]


def test_an_image_that_the_plan_does_not_have_is_refused(text):
    with pytest.raises(BadInput, match="Only asks for image 6, but the plan has 6"):
        build(text.kind, text.fields | {"only": 6})


def test_a_finished_run_makes_nothing_again(work, text):
    named, events = outputs(text, work)
    work.done, work.loaded = made_by(events), {}
    again, second = outputs(text, work)
    assert again == named and not made_by(second) and not work.loaded


def test_an_unfinished_run_has_no_output(work, text):
    running = text.run(work)
    seen = [next(running) for _ in range(4)]
    running.close()
    assert not any(isinstance(event, Output) for event in seen)


def test_another_batch_size_changes_only_rounding(work, text):
    small = made_by(outputs(text, work)[1])
    work.resources = Resources(device="cpu", threads=1, batch=6)
    large = made_by(outputs(text, work)[1])
    get = work.workspace.get
    assert all(small[i].made == large[i].made for i in small)
    assert max(furthest(get(small[i].digest), get(large[i].digest)) for i in small) <= 1


def test_variations_name_their_parents(work, text, tmp_path):
    sources = stored(work, "set", ["blue", "red"], range(2))
    fields = {**text.fields, "sources": sources, "strength": 0.4}
    images = made_by(outputs(build("sample.variation", fields), work)[1])
    parents = {m.image: m.label for m in work.workspace.image_set(sources)}
    assert all(parents[image.made["parent"]] == image.label for image in images.values())
    assert {image.made["strength"] for image in images.values()} == {0.4}
    assert images[0].made["parent"] == images[2].made["parent"] != images[1].made["parent"]


def test_an_oblong_source_is_cut_to_a_square(work, text):
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (90, 20), "teal").save(out, "PNG")
    sources = work.workspace.put_set(ImageSet.of("set", [Member("blue", work.workspace.put(out.getvalue()))]))
    fields = {**text.fields, "sources": sources, "labels": ["blue"], "images_per_class": 1}
    (image,) = made_by(outputs(build("sample.variation", fields), work)[1]).values()
    assert (image.width, image.height) == (32, 32)


def test_a_prompt_that_is_too_long_is_told(work, text):
    step = build("sample.text", {**text.fields, "prompt": "a photo of a {label} " + "and more " * 50})
    notes = [event.text for event in outputs(step, work)[1] if isinstance(event, Note)]
    assert len(notes) == 1 and "exceed the 75 tokens" in notes[0]


def test_an_adapter_of_another_backbone_is_refused(work, text):
    adapter = work.workspace.put_document("adapter", {"backbone": "other@" + "0" * 64, "weights": {}})
    with pytest.raises(BadInput, match="trained on other"):
        outputs(build("sample.text", {**text.fields, "adapter": adapter}), work)


def test_a_backbone_that_moved_is_said(work, text):
    step = build("sample.text", {**text.fields, "backbone": "gone@" + "0" * 64})
    with pytest.raises(Missing):
        outputs(step, work)


def test_a_stopped_run_of_mixed_images_ends_with_the_same_images(work, text):
    sources = stored(work, "set", ["blue", "red"], range(3), size=32)
    many = {"strengths": [0.4, 1.0], "guidance_to": 5.0, "guidance_begin": 0.3, "mix": 0.3, "sampler": "euler_a"}
    step = build("sample.variation", {**text.fields, "sources": sources, **many})
    whole = made_by(outputs(step, work)[1])
    work.done = {index: whole[index] for index in (0, 3)}
    rest = made_by(outputs(step, work)[1])
    assert {**work.done, **rest} == whole
    assert whole[0].made["mixed_share"] == 0.3 and whole[0].made["guided"] == [0.3, 1.0]
    assert len({image.made["guidance_scale"] for image in whole.values()}) == 6
