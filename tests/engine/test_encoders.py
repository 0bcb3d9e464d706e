import json

import numpy as np
import pytest
import torch

from synthstudio.engine import encoders
from synthstudio.errors import BadInput
from tests.engine.tiny_clip import SIZE, make_clip
from tests.steps.kit import coloured

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["vit", "resnet"])
def encoder(request, tmp_path_factory):
    return encoders.load(make_clip(tmp_path_factory.mktemp("clip") / request.param, request.param), CPU)


@pytest.fixture(scope="module")
def pictures():
    return [coloured(label, number) for label in ("red", "blue") for number in range(3)]


def test_vectors_have_length_one_and_the_text_width(encoder, pictures):
    vectors = encoder.embed_images(encoder.pixels(pictures))
    words = encoder.embed_texts(["a photo of a dog", "two"])
    assert vectors.dtype == np.float32 and vectors.shape == (6, 24) and words.shape == (2, 24)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_neighbours(encoder, pictures):
    together = encoder.embed_images(encoder.pixels(pictures))
    alone = encoder.embed_images(encoder.pixels(pictures[4:5]))
    assert (together[4] == alone[0]).all()


def test_pixels_follow_the_folder_own_configuration(tmp_path, pictures):
    folder = make_clip(tmp_path / "clip", "vit")
    encoder = encoders.load(folder, CPU)
    assert encoder.pixels(pictures).shape == (6, 3, SIZE["vit"], SIZE["vit"])
    white = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)
    assert torch.allclose(encoder.normalised(white), torch.tensor(2.0))


def test_the_stages_together_are_the_whole_tower(encoder, pictures):
    features = inputs = encoder.normalised(encoder.pixels(pictures))
    for stage in encoder.stages():
        features = stage.run(features)
    assert torch.allclose(features, encoder.model.visual(inputs), atol=1e-5)


def test_a_label_is_the_mean_of_its_prompts(encoder):
    one = encoder.embed_texts(["a photo of a dog", "a drawing of a dog"]).mean(0)
    both = encoder.embed_labels(["dog"], ["a {domain} of a {label}", "a drawing of a {label}"])[0]
    assert np.allclose(both, one / np.linalg.norm(one), atol=1e-6)


def test_a_pickle_beside_the_weights_is_never_opened(tmp_path):
    folder = make_clip(tmp_path / "clip", "vit")
    (folder / "open_clip_model.safetensors").rename(folder / "model.safetensors")
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert encoders.load(folder, CPU).model.logit_scale > 0


def test_a_folder_without_weights_is_refused_not_random(tmp_path):
    folder = make_clip(tmp_path / "clip", "vit")
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(BadInput, match="holds 0 safetensors files"):
        encoders.load(folder, CPU)


def test_weights_of_another_shape_are_refused_in_a_sentence(tmp_path):
    folder = make_clip(tmp_path / "clip", "vit")
    about = json.loads((folder / "open_clip_config.json").read_text())
    about["model_cfg"]["vision_cfg"]["width"] = 64
    (folder / "open_clip_config.json").write_text(json.dumps(about))
    with pytest.raises(BadInput, match="cannot be read as an open_clip model"):
        encoders.load(folder, CPU)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match="open_clip_config.json"):
        encoders.load(tmp_path, CPU)
