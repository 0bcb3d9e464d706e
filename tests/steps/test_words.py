"""Words as a vector: read by an encoder with a text tower, which looks at the images it has not seen yet."""

import numpy as np
import pytest

from synthstudio.embeddings import EmbeddingStore
from synthstudio.errors import BadInput
from synthstudio.step import build
from tests.engine.tiny_clip import make_clip
from tests.engine.tiny_timm import make_timm
from tests.steps.kit import LABELS, encoder_ref, outputs, stored, work_in


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("models") / "clip", "vit")


@pytest.fixture
def work(tmp_path):
    return work_in(tmp_path)


def read(work, folder, text, **fields):
    step = build("measure.words", {"text": text, "encoder": encoder_ref(work, folder), **fields})
    made, events = outputs(step, work)
    return work.workspace.document(made["words"]), events


def test_words_become_a_unit_vector_and_other_words_another(work, clip):
    body, _ = read(work, clip, "a red cup on grass")
    assert (body["text"], body["read"]) == ("a red cup on grass", "a red cup on grass")
    assert np.linalg.norm(body["vector"]) == pytest.approx(1, abs=1e-5)
    assert body["vector"] == read(work, clip, "a red cup on grass")[0]["vector"]
    assert body["vector"] != read(work, clip, "a blue cup on grass")[0]["vector"]


def test_only_images_that_nobody_has_looked_at_are_looked_at(work, clip):
    first, both = stored(work, "set", LABELS, range(4)), stored(work, "set", LABELS, range(6))
    _, events = read(work, clip, "red", images=[first])
    assert [event.total for event in events if event.event == "progress"][-1] == 12
    _, events = read(work, clip, "green", images=[both])
    assert [event.total for event in events if event.event == "progress"] == [6]
    _, events = read(work, clip, "blue", images=[both])
    assert not [event for event in events if event.event == "progress"]
    images = [member.image for member in work.workspace.image_set(both)]
    assert not EmbeddingStore(work.workspace, encoder_ref(work, clip)).missing(images)


def test_words_that_are_too_long_for_the_text_tower_are_cut_and_it_says_where(work, clip):
    body, events = read(work, clip, "red cup " * 24)
    assert body["text"].startswith(body["read"]) and len(body["read"]) < len(body["text"])
    (note,) = [event.text for event in events if event.event == "note"]
    assert f"“{body['read']}”" in note
    assert body["vector"] == pytest.approx(read(work, clip, body["read"])[0]["vector"], abs=1e-6)


def test_words_are_one_line_without_control_characters(work, clip):
    assert read(work, clip, " a\tred\x00\x1b\ncup\u202e ")[0]["text"] == "a red cup"


@pytest.mark.parametrize("text", ["", " \n", "\x00\u202e", "x" * 201, "x" * 100_000])
def test_words_that_say_nothing_or_too_much_are_refused(text):
    with pytest.raises(BadInput):
        build("measure.words", {"text": text, "encoder": f"pico-clip@{'a' * 64}"})


def test_an_encoder_without_words_is_refused_with_what_to_choose(work, tmp_path):
    with pytest.raises(BadInput, match="Choose an encoder with a text tower"):
        read(work, make_timm(tmp_path / "timm"), "red")
