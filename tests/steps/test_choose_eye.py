"""The shots alone choose the eye; why is said, kept, and the same the next time."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from synthstudio import models
from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Measured, Note
from synthstudio.step import build
from tests.engine.tiny_clip import make_clip
from tests.engine.tiny_timm import make_timm
from tests.matrix import first_of
from tests.steps.kit import LABELS, encoder_ref, outputs, png, stored


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """An eye that sees the same in every picture."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = make_timm(tmp_path_factory.mktemp("eye") / "blind", "test_efficientnet")
    state = load_file(folder / "model.safetensors")
    save_file({name: torch.zeros_like(v) if "conv" in name else v for name, v in state.items()},
              folder / "model.safetensors")  # fmt: skip
    return folder


def chosen(work, eyes, images, **fields):
    refs = [encoder_ref(work, eye) if not isinstance(eye, str) else eye for eye in eyes]
    made, events = outputs(build("select.eye", {"eyes": refs, "images": images, **fields}), work)
    return made, work.workspace.document(made["choice"]), events


def test_the_eye_that_recognises_left_out_shots_is_chosen_and_the_numbers_are_kept(work, clip, blind):
    shots = stored(work, "set", LABELS, range(4))
    made, choice, events = chosen(work, [blind, clip], [shots])
    assert made["eye"] == encoder_ref(work, clip) and choice["rule"] == "cross-validation"
    rows = {row["eye"]: row for row in choice["eyes"]}
    assert rows[made["eye"]]["accuracy"] > 0.8 > rows[encoder_ref(work, blind)]["accuracy"]
    assert rows[made["eye"]]["n"] == 12
    said = next(event.text for event in events if isinstance(event, Note) and event.text.startswith("Eye: "))
    assert "vit, chosen because it recognises" in said and choice["sentence"] in said
    measured = {event.arm: event for event in events if isinstance(event, Measured)}
    assert measured["vit"].split == "train" and measured["vit"].low <= measured["vit"].value <= measured["vit"].high


def test_another_eye_filters_unless_it_sees_too_little_or_one_is_named(work, clip, blind, tmp_path):
    shots = stored(work, "set", LABELS, range(4))
    made, choice, _ = chosen(work, [blind, clip], [shots])
    assert made["judge"] == made["eye"] and "recognises too little for that" in choice["judge_sentence"]
    able = make_clip(tmp_path / "able", "vit", seed=3)
    made, choice, _ = chosen(work, [able, clip], [shots])
    assert {made["judge"], made["eye"]} == {encoder_ref(work, able), encoder_ref(work, clip)}
    assert "so that another eye judges" in choice["judge_sentence"]
    asked = encoder_ref(work, blind)
    assert chosen(work, [able, clip], [shots], judge=asked)[0]["judge"] == asked


def test_a_choice_is_the_same_every_time(work, clip, blind):
    shots = [stored(work, "set", LABELS, range(3)), stored(work, "set", LABELS, range(3, 6))]
    once, choice, _ = chosen(work, [blind, clip], shots)
    again, _, _ = chosen(work, [blind, clip], shots)
    assert once == again and choice["images"] == shots


def test_one_eye_is_taken_without_looking(work, clip):
    made, choice, events = chosen(work, [clip], [stored(work, "set", LABELS, range(2))])
    assert made["eye"] == made["judge"] == encoder_ref(work, clip) and choice["rule"] == "only"
    assert not [event for event in events if isinstance(event, Measured)]


@pytest.mark.parametrize(("side", "name"), [(48, "blind"), (16, "vit")])
def test_one_shot_is_decided_by_the_size_of_the_pictures(work, clip, blind, side, name):
    made, choice, _ = chosen(work, [clip, blind], [stored(work, "set", LABELS, range(1), size=side)])
    assert made["eye"].startswith(f"{name}@") and choice["rule"] == "size"
    assert f"these have about {side} px, and one shot of a class leaves nothing to compare" in choice["sentence"]


@pytest.mark.parametrize(("side", "name"), [(48, "photographer"), (31, "vit")])
def test_eyes_that_recognise_as_much_are_told_apart_by_the_size_of_the_pictures(work, clip, tmp_path, side, name):
    able = make_timm(tmp_path / "photographer", "test_efficientnet")
    made, choice, _ = chosen(work, [clip, able], [stored(work, "set", LABELS, range(3), size=side)])
    best, other = choice["eyes"]
    assert best["accuracy"] - other["accuracy"] <= other["standard_error"]
    assert choice["rule"] == "cross-validation and size" and made["eye"].startswith(f"{name}@")
    assert made["judge"] != made["eye"]
    assert f"these have about {side} px, and of the shots that were left out" in choice["sentence"]
    assert choice["sentence"].endswith("no larger than its standard error (cross-validation of a probe, n = 9).")


def test_shots_that_two_folds_share_are_counted_once(work, clip, blind):
    shots = stored(work, "set", LABELS, range(3))
    more = stored(work, "set", LABELS, range(4))
    _, choice, _ = chosen(work, [blind, clip], [shots, more])
    assert {row["n"] for row in choice["eyes"]} == {12}


def test_test_images_cannot_be_named(work, clip):
    with pytest.raises(BadInput, match="images"):
        chosen(work, [clip], [stored(work, "test", LABELS, range(2))])


def digits(work, begin, stop):
    """So many handwritten digits of each class, as a set."""
    found = load_digits()
    members = [
        Member(str(label), work.workspace.put(png(np.repeat(255 - found.images[i][..., None] * 15.9, 3, 2))))
        for label in range(10)
        for i in np.flatnonzero(found.target == label)[begin:stop]
    ]
    return work.workspace.put_set(ImageSet.of("set", members))


def test_one_shot_is_decided_by_words_where_an_eye_surely_names_more_than_half(work):
    eyes, _ = models.at_hand(work.workspace)
    made, choice, events = chosen(work, eyes, [digits(work, n, n + 1) for n in range(3)])
    assert made["eye"].startswith("pico-clip@") and choice["rule"] == "words"
    row, other = [event for event in events if isinstance(event, Measured)]
    assert (row.name, row.n, row.split) == ("named", 30, "train") and row.low > 0.5
    assert other.value < row.value, "whose words are of photographs"
    assert f"names {100 * row.value:.0f} % of the shots by words alone (n = 30)" in choice["sentence"]
    assert made["judge"].startswith("lite0@")


def test_of_two_eyes_with_one_network_neither_judges_the_other(work):
    plain, worded = (models.reference(name, "encoder", work.workspace) for name in ("lite0", "lite0-words"))
    small = models.reference("pico-clip", "encoder", work.workspace)
    images = stored(work, "set", ["red", "green"], range(3))
    made, *_ = chosen(work, [plain, worded, small], [images])
    assert {made["eye"], made["judge"]} != {plain, worded}
    alone, choice, _ = chosen(work, [plain, worded], [images])
    assert alone["judge"] == alone["eye"] and "there is no other" in choice["judge_sentence"]


@pytest.mark.parametrize("shots", first_of([4, 2]))
def test_on_handwritten_digits_the_small_clip_wins_over_the_eye_for_photographs(work, shots):
    images = digits(work, 0, shots)
    eyes, left_out = models.at_hand(work.workspace)
    assert not left_out and [ref.partition("@")[0] for ref in eyes] == list(models.EYES)
    made, choice, _ = chosen(work, eyes, [images])
    assert made["eye"].startswith("pico-clip@"), choice["sentence"]


def test_on_textures_in_colour_the_eye_for_photographs_wins(work):
    """Kinds of weave and grain, in random colours: what a network that has seen photographs tells apart."""
    random = np.random.default_rng(0)
    members = []
    for _ in range(6):
        for kind in range(4):
            y, x = np.mgrid[:96, :96] + random.uniform(0, 40)
            wave = [np.sin(x / 2), np.sin(x / 2) * np.sin(y / 2), np.sin((x + y) / 3), random.normal(size=(96, 96))][
                kind
            ]
            picture = random.uniform(40, 215, 3) + wave[..., None] * random.uniform(20, 60, 3)
            members.append(Member("abcd"[kind], work.workspace.put(png(picture))))
    images = work.workspace.put_set(ImageSet.of("set", members))
    made, choice, _ = chosen(work, models.at_hand(work.workspace)[0], [images])
    assert made["eye"].startswith("lite0@"), choice["sentence"]
