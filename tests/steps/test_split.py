"""Honest splits: nothing that is tested on can be learned from."""

import io
import json

import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from synthstudio import artifacts, models
from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.intake.decode import decode
from synthstudio.step import build, from_json
from synthstudio.steps import copies
from synthstudio.steps.collect.split import Split
from tests.steps.kit import coloured, outputs, work_in

LABELS = ("red", "green", "blue")


def pool(work, counts, given=""):
    """Members of a pool: so many different pictures of each label."""
    return [
        Member(label, work.workspace.put(coloured(label, n)), given)
        for label, count in counts.items()
        for n in range(count)
    ]


def stored(work, members):
    return work.workspace.put_set(ImageSet.of("pool", members))


def split(work, pool_id, **fields):
    """The sets by name (as lists of members), and what was said."""
    said, events = outputs(Split(images=pool_id, **fields), work)
    sets = {
        name: list(work.workspace.image_set(said[name])) if said[name] else []
        for name in ("shots", "validation", "test")
    }
    return sets, events


def images(members):
    return {member.image for member in members}


def warnings(events):
    return " ".join(e.text for e in events if e.event == "note" and e.level == "warning")


def recoded(png, quality=60):
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).save(out, "JPEG", quality=quality)
    return decode(out.getvalue()).png


def test_shots_validation_and_test_share_nothing(work):
    sets, _ = split(work, stored(work, pool(work, dict.fromkeys(LABELS, 20))), shots=4, validation_per_class=3)
    assert [len(sets[name]) for name in ("shots", "validation", "test")] == [12, 9, 30]
    assert len(images([m for part in sets.values() for m in part])) == 51


def test_the_test_set_does_not_depend_on_fold_or_shots(work):
    images_id = stored(work, pool(work, dict.fromkeys(LABELS, 20)))
    tests, shots = set(), set()
    for fold, count in ((0, 4), (1, 4), (2, 4), (0, 1), (0, None)):
        said, _ = outputs(Split(images=images_id, fold=fold, shots=count), work)
        tests.add(said["test"])
        shots.add(said["shots"])
    assert len(tests) == 1 and len(shots) == 5
    other, _ = outputs(Split(images=images_id, seed=1), work)
    assert other["test"] not in tests


def test_the_same_request_gives_the_same_sets(work, tmp_path):
    elsewhere = work_in(tmp_path / "elsewhere")
    said = [
        outputs(Split(images=stored(w, pool(w, {"red": 9, "blue": 9})), shots=2), w)[0] for w in (work, work, elsewhere)
    ]
    assert said[0] == said[1] == said[2]


def test_without_a_number_everything_not_held_out_is_used(work):
    sets, _ = split(work, stored(work, pool(work, {"red": 20, "blue": 20})))
    assert [len(sets[name]) for name in ("shots", "validation", "test")] == [16, 4, 20]


def test_copies_stay_on_one_side(work):
    members = pool(work, {"red": 12, "blue": 12})
    copies = {m.image: work.workspace.put(recoded(work.workspace.get(m.image))) for m in members}
    both = members + [Member(m.label, copies[m.image]) for m in members]
    for seed in range(3):
        sets, _ = split(work, stored(work, both), shots=2, seed=seed)
        seen = images(sets["shots"]) | images(sets["validation"])
        held = images(sets["test"])
        assert not {copies.get(image) for image in seen} & held and not {copies.get(image) for image in held} & seen


def test_shots_are_different_photographs_as_long_as_there_are_some(work):
    members = pool(work, {"red": 8, "blue": 8})
    twins = [Member(m.label, work.workspace.put(recoded(work.workspace.get(m.image)))) for m in members]
    sets, _ = split(work, stored(work, members + twins), shots=4)
    originals = {m.image: number for number, m in enumerate(members)} | {m.image: n for n, m in enumerate(twins)}
    assert len({originals[m.image] for m in sets["shots"]}) == 8


def test_a_planted_leak_is_caught_and_both_are_named(work):
    members = pool(work, {"red": 6, "blue": 6}, "train")
    tested = [
        Member("red", work.workspace.put(coloured("red", 50)), "test"),
        Member("blue", work.workspace.put(coloured("blue", 51)), "test"),
    ]
    leak = Member("red", work.workspace.put(recoded(coloured("red", 50), 45)), "train")
    name_in_log(work, {leak.image: "holiday.jpg", tested[0].image: "test/red/7.png"})
    sets, events = split(work, stored(work, [*members, *tested, leak]))
    (refusal,) = [e for e in events if e.event == "refused"]
    assert refusal.name == "holiday.jpg" and "same photograph as test/red/7.png" in refusal.reason
    assert leak.image not in images(sets["shots"]) | images(sets["validation"])
    assert images(sets["test"]) == images(tested)


def name_in_log(work, names):
    folder = work.workspace.runs / "r1"
    folder.mkdir()
    rows = [artifacts.Image(image, "red", "real", 48, 48, {"name": name}) for image, name in names.items()]
    lines = [json.dumps({"t": 1, "event": "made", "index": i, "image": vars(row)}) for i, row in enumerate(rows)]
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n")


def test_a_leak_under_another_class_is_caught_too(work):
    members = pool(work, {"red": 4, "blue": 4}, "train") + pool(work, {"green": 3}, "train")
    tested = Member("red", work.workspace.put(coloured("red", 50)), "test")
    leak = Member("blue", work.workspace.put(recoded(coloured("red", 50))), "train")
    sets, events = split(work, stored(work, [*members, tested, leak]))
    assert leak.image not in images(sets["shots"]) | images(sets["validation"])
    assert "same photograph under different classes" in warnings(events)


def test_declared_validation_is_honoured(work):
    members = pool(work, {"red": 8, "blue": 8}, "train")
    chosen = [
        Member(label, work.workspace.put(coloured(label, 40 + n)), "validation")
        for label in ("red", "blue")
        for n in range(3)
    ]
    copy = Member("red", work.workspace.put(recoded(coloured("red", 40))), "train")
    sets, events = split(work, stored(work, [*members, *chosen, copy]), shots=2, validation_per_class=2)
    assert len(sets["validation"]) == 4 and images(sets["validation"]) <= images(chosen)
    assert copy.image not in images(sets["shots"])
    assert "held out for validation" in [e for e in events if e.event == "refused"][0].reason


def test_too_few_images_are_used_and_said(work):
    sets, events = split(work, stored(work, pool(work, {"red": 40, "blue": 6})), shots=16)
    assert [sum(m.label == label for m in sets["shots"]) for label in ("red", "blue")] == [16, 3]
    assert "16 shots per class were asked for, but 'blue' has 3" in warnings(events)


def test_a_single_image_is_learned_from_and_not_tested(work):
    sets, events = split(work, stored(work, pool(work, {"red": 10, "blue": 1})), shots=2)
    assert {m.label for m in sets["shots"]} == {"red", "blue"} and {m.label for m in sets["test"]} == {"red"}
    assert "'blue' cannot be tested: too few images. Add at least one more of each." in warnings(events)


def test_a_class_that_is_only_tested_is_left_out(work):
    members = pool(work, {"red": 5}, "train") + pool(work, {"blue": 3}, "test")
    members += [Member("red", work.workspace.put(coloured("red", 30)), "test")]
    said, events = outputs(Split(images=stored(work, members)), work)
    assert said["labels"] == ["red"]
    assert "No image to learn from in 'blue'" in warnings(events)


def test_no_validation_is_none_and_said(work):
    said, events = outputs(Split(images=stored(work, pool(work, {"red": 4, "blue": 4})), shots=2), work)
    assert said["validation"] is None
    assert "No image is left for validation" in warnings(events)


@pytest.mark.parametrize("counts", [{"red": 1, "blue": 1}, {"red": 1}])
def test_nothing_to_test_says_what_to_add(work, counts):
    with pytest.raises(BadInput, match="No class can be tested.* at least two different ones per class"):
        split(work, stored(work, pool(work, counts)))


def test_nothing_to_learn_from_says_what_to_add(work):
    with pytest.raises(BadInput, match="nothing is left to learn from. Add training images"):
        split(work, stored(work, pool(work, {"red": 3}, "test")))


def test_the_summary_has_a_row_per_class(work):
    _, events = split(work, stored(work, pool(work, {"red": 10, "blue": 10})), shots=2, validation_per_class=1)
    assert any("4 / 2 / 10 images. blue: 2 / 1 / 5; red: 2 / 1 / 5." in e.text for e in events if e.event == "note")


def test_only_a_pool_can_be_split():
    with pytest.raises(BadInput, match="images"):
        build("collect.split", {"images": f"test:{'a' * 64}"})


@pytest.mark.parametrize("damage", ["[[0, 99]]", '{"groups": [[0, 99]], "how": "by chance"}', '{"groups": 3}', "{"])
def test_a_damaged_cache_is_no_harm(work, damage):
    images_id = stored(work, pool(work, {"red": 6, "blue": 6}))
    first, _ = outputs(Split(images=images_id, shots=2), work)
    (cache,) = (work.workspace.root / "cache").iterdir()
    cache.write_text(damage)
    assert outputs(Split(images=images_id, shots=2), work)[0] == first


def lite0(work):
    return models.reference("lite0", "encoder", work.workspace)


def photographs():
    """Parts of the photographs that scikit-learn ships, 64 px, that hold more than sky."""
    parts = [photo[y : y + 64, x : x + 64] for photo in load_sample_images().images
             for y in range(0, 360, 64) for x in range(0, 570, 64)]  # fmt: skip
    return [Image.fromarray(part) for part in parts if part.std() > 25]


def as_png(image):
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def changed(image, n):
    """Resized, cropped by 3 to 5 %, or brighter by a tenth, in turn."""
    if n % 3 == 0:
        return image.resize((48, 48), Image.Resampling.BICUBIC)
    cut = 2 + n // 3 % 2
    return image.crop((cut, 0, 64, 64 - cut)) if n % 3 == 1 else image.point(lambda v: min(255, round(v * 1.1)))


def test_thirty_test_photos_planted_among_the_training_photos_are_all_left_out(work):
    every = photographs()[:72]
    tested, trained = every[:30], every[30:]
    planted = [work.workspace.put(as_png(changed(image, n))) for n, image in enumerate(tested)]
    label = ("red", "blue")
    members = [Member(label[n % 2], work.workspace.put(as_png(one)), "test") for n, one in enumerate(tested)]
    members += [Member(label[n % 2], work.workspace.put(as_png(one)), "train") for n, one in enumerate(trained)]
    members += [Member(label[n % 2], one, "train") for n, one in enumerate(planted)]
    pool_id = stored(work, members)
    left_out = {}
    eyes = [lite0(work), models.reference(models.witness(), "encoder", work.workspace)]
    for eye in (None, *eyes):
        sets, events = split(work, pool_id, eye=eye)
        left_out[eye] = set(planted) - images(sets["shots"]) - images(sets["validation"])
        assert len(sets["shots"]) + len(sets["validation"]) == len(trained) + 30 - len(left_out[eye])
    assert [left_out[eye] for eye in eyes] == [set(planted)] * 2 and len(left_out[None]) < 30
    assert any("by fingerprint and by the eye pico-clip" in e.text for e in events if e.event == "note")


def test_who_looked_for_copies_is_said(work):
    _, events = split(work, stored(work, pool(work, {"red": 6, "blue": 6})))
    assert "by fingerprint alone, because no eye was named" in warnings(events)
    assert "Name one, such as pico-clip" in warnings(events)


def test_pictures_of_a_few_pixels_need_no_eye(work):
    small = [Member(label, work.workspace.put(coloured(label, n, 24))) for label in ("red", "blue") for n in range(6)]
    _, events = split(work, stored(work, small), eye=f"lite0@{'0' * 64}")
    assert any("which sees all there is in pictures of less than 32 px" in e.text for e in events if e.event == "note")


def test_more_pictures_than_an_eye_is_asked_about_are_said(work, monkeypatch):
    monkeypatch.setattr(copies, "MOST", 11)
    _, events = split(work, stored(work, pool(work, {"red": 6, "blue": 6})), eye=f"lite0@{'0' * 64}")
    assert any("an eye is asked about at most 11 pictures, these are 12" in e.text for e in events if e.event == "note")


def test_a_split_of_before_there_were_eyes_is_read_as_one_without():
    stored_then = {"kind": "collect.split", "version": 1, "fields": {"images": f"pool:{'a' * 64}", "shots": 2}}
    read = from_json(json.dumps(stored_then))
    assert read.eye is None and read == Split(images=f"pool:{'a' * 64}", shots=2)
