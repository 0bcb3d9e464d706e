"""Draw until enough are accepted: `sample.until`."""

import pytest

from synthstudio import models
from synthstudio.catalog.selection import select
from synthstudio.errors import BadInput
from synthstudio.events import Made, Measured, Note, Output, Scored
from synthstudio.resources import Resources
from synthstudio.step import build
from tests.steps.kit import encoder_ref, made_by, outputs, stopped_after, stored

PLAIN = {"labels": ["blue", "red"], "inference_steps": 2, "images_per_class": 6, "seed": 4}
BATCH = 2


@pytest.fixture
def work(work, shelf):
    work.loaded = shelf
    work.resources = Resources(device="cpu", threads=1, batch=BATCH)
    work.select = select
    return work


@pytest.fixture
def given(work, tiny_sd):
    return {"backbone": models.reference(str(tiny_sd), "backbone", work.workspace), **PLAIN}


def sharp(value, scorer="sharpness", rule="at_least"):
    return {"filters": [{"rule": rule, "scorer": scorer, "value": value}]}


@pytest.fixture
def plain(work, given):
    """All that the budget allows, by number, and the sharpness of each image."""
    named, events = outputs(build("sample.text", given), work)
    scored = outputs(build("score.sharpness", {"images": named["images"]}), work)[1]
    return made_by(events), {image: value for one in scored if isinstance(one, Scored) for image, value in one.values}


@pytest.fixture
def half(plain):
    """A threshold that the sharper half of the images passes."""
    return sorted(plain[1].values())[len(plain[1]) // 2]


def test_every_class_is_drawn_batch_by_batch_until_it_has_enough_and_each_image_is_that_of_the_plain_step(
    work, given, plain, half
):
    images, sharpness = plain
    named, events = outputs(build("sample.until", given | sharp(half) | {"accepted": 3}), work)
    drawn = made_by(events)
    assert drawn == {number: images[number] for number in drawn}
    kept = {}
    for first, label in ((0, "blue"), (6, "red")):
        passing = [number for number in range(first, first + 6) if sharpness[images[number].digest] >= half]
        kept[label] = {images[number].digest for number in passing[:3]}
        last = passing[2] if len(passing) >= 3 else first + 5
        made = [number for number in drawn if number // 6 == first // 6]
        assert made == list(range(first, last + 1 + (last + 1) % BATCH))
    members = work.workspace.image_set(named["images"])
    assert {label: {one.image for one in some} for label, some in members.by_label().items()} == kept
    assert {one.image for one in work.workspace.image_set(named["made"])} == {one.digest for one in drawn.values()}
    scores = work.workspace.document(named["sharpness"])["values"]
    assert scores == sorted([one.digest, sharpness[one.digest]] for one in drawn.values())


def test_a_class_that_has_enough_is_drawn_no_more(work, given, plain):
    images, sharpness = plain
    best = {
        label: max(sharpness[one.digest] for one in images.values() if one.label == label) for label in ("blue", "red")
    }
    poor = min(best, key=best.get)
    rich = next(label for label in best if label != poor)
    # Only what is sharper than every image of the poor class passes.
    named, events = outputs(build("sample.until", given | sharp(best[poor] + 1e-6) | {"accepted": 1}), work)
    counts = [sum(one.label == label for one in made_by(events).values()) for label in (poor, rich)]
    assert counts[0] == 6 and counts[1] <= 6
    assert {one.label for one in work.workspace.image_set(named["images"])} == {rich}
    said = [one.text for one in events if isinstance(one, Note) and one.level == "warning"]
    assert len(said) == 1 and said[0].startswith(f"{poor!r} has 0 of 1 and no budget left: 0 % of 6 images pass")
    assert said[0].endswith("Take more denoising steps, or lower the threshold.")
    rates = {one.label: (one.value, one.n) for one in events if isinstance(one, Measured)}
    assert rates[poor] == (0.0, 6)


def test_where_nothing_passes_the_budget_ends_it_with_a_sentence_and_the_images_are_kept(work, given):
    events = []
    with pytest.raises(BadInput, match="No image was accepted and no budget is left: 0 % of 12 images pass") as error:
        for event in build("sample.until", given | sharp(1e9) | {"accepted": 2}).run(work):
            events.append(event)
    assert "sharpness of at least 1e+09 takes out 12. Take more denoising steps" in str(error.value)
    named = {one.name: one.value for one in events if isinstance(one, Output)}
    assert "images" not in named and len(work.workspace.image_set(named["made"])) == 12


@pytest.mark.parametrize("after", [1, 4])
def test_a_stopped_run_ends_with_the_same_images_and_sets(work, given, half, after):
    step = build("sample.until", given | sharp(half) | {"accepted": 3})
    named, events = outputs(step, work)
    whole = made_by(events)
    work.done = first = stopped_after(after, step, work)
    again, rest = outputs(step, work)
    assert made_by(rest).keys() == whole.keys() - first.keys()
    assert first | made_by(rest) == whole and again == named


def test_one_image_of_a_stopped_or_finished_run_is_made_again_alone(work, given, half):
    step = build("sample.until", given | sharp(half) | {"accepted": 3})
    whole = made_by(outputs(step, work)[1])
    number = max(whole)
    named, events = outputs(build("sample.until", step.fields | {"only": number}), work)
    assert made_by(events) == {number: whole[number]}
    assert [one.image for one in work.workspace.image_set(named["images"])] == [whole[number].digest]


def test_images_from_photos_are_judged_among_all_classes_by_the_scorers_own_numbers(work, given, clip):
    shots = stored(work, "set", ["blue", "green", "red"], range(3), size=32)
    filters = [
        {"rule": "at_least", "scorer": "label_agreement", "value": 0.0},
        {"rule": "at_most", "scorer": "nearest_real", "value": 1.0},
    ]
    eye = encoder_ref(work, clip)
    fields = given | {"sources": shots, "references": shots, "encoder": eye, "strength_to": 0.9, "filters": filters}
    named, events = outputs(build("sample.until", fields | {"accepted": 2, "labels": ["red"]}), work)
    drawn = made_by(events)
    assert len(drawn) == 2 and all(0.5 <= one.made["strength"] <= 0.9 for one in drawn.values())
    for scorer, more in (("label_agreement", {"labels": ["red", "blue", "green"]}), ("nearest_real", {})):
        alone = {"images": named["made"], "references": shots, "encoder": eye, **more}
        assert outputs(build(f"score.{scorer}", alone), work)[0]["scores"] == named[scorer]


def test_the_scores_of_every_round_are_said_while_images_are_made(work, given):
    events = list(build("sample.until", given | sharp(-1.0) | {"accepted": 3, "labels": ["red"]}).run(work))
    told = [type(one).__name__ for one in events if isinstance(one, Made | Scored | Output)]
    assert told == ["Made", "Made", "Scored", "Made", "Made", "Scored", "Output", "Output", "Output"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"accepted": 0}, "accepted must be at least 1"),
        ({"accepted": 10**9}, "accepted must be at most"),
        ({"accepted": 7}, "7 accepted of at most 6"),
        ({"images_per_class": 10**9}, "images_per_class must be at most"),
        ({"filters": []}, "must have at least 1"),
        ({"filters": [{"rule": "at_least", "scorer": "sharpness", "value": float("nan")}]}, "filters"),
        (sharp(1, "beauty"), "here is no score called 'beauty'; there are density"),
        (sharp(1, "nearest_real"), "earest_real needs references"),
        (sharp(1, "label_agreement"), "abel_agreement needs encoder"),
        ({"filters": [{"rule": "top_per_label", "scorer": "sharpness", "count": 3}]}, "compares images with each"),
        ({"strength": 0.3}, "trength starts from photos"),
        (sharp(0.5, "label_agreement") | {"labels": ["red"], "encoder": "eye@" + "0" * 64}, "one class alone"),
        ({"only": 12}, "nly asks for image 12"),
    ],
)  # fmt: skip
def test_what_cannot_end_is_refused_before_anything_is_started(given, fields, sentence):
    with pytest.raises(BadInput, match=sentence):
        build("sample.until", given | sharp(1.0) | {"accepted": 2} | fields)
