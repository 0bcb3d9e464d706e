"""Eyes that are timm networks: the same questions as to a CLIP, without words; nothing of a stranger's folder runs."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from synthstudio.engine import encoders
from synthstudio.errors import BadInput, UnsafeInput
from tests.engine.tiny_timm import SIZE, make_timm
from tests.steps.kit import coloured

CPU = torch.device("cpu")
ARCHITECTURES = ["test_resnet", "test_efficientnet", "test_vit", "test_convnext"]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def encoder(request, tmp_path_factory):
    about = {"model_args": {"img_size": SIZE}} if request.param == "test_vit" else {}
    return encoders.load(make_timm(tmp_path_factory.mktemp("timm") / "it", request.param, **about), CPU)


@pytest.fixture(scope="module")
def pictures():
    return [coloured(label, number) for label in ("red", "blue") for number in range(3)]


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours(encoder, pictures):
    pixels = encoder.pixels(pictures)
    assert pixels.shape == (6, 3, SIZE, SIZE) and pixels.dtype == torch.uint8
    together, alone = encoder.embed_images(pixels), encoder.embed_images(pixels[4:5])
    assert together.dtype == np.float32 and np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert (together[4] == alone[0]).all()


def test_folding_the_norms_into_convolutions_changes_no_answer(encoder, pictures):
    pixels = encoder.pixels(pictures)
    with torch.no_grad():
        plain = torch.nn.functional.normalize(encoder.features(encoder.normalised(pixels)), dim=1)
    assert np.allclose(encoder.embed_images(pixels), plain, atol=1e-4)


def test_networks_lose_the_norms_that_follow_a_convolution(tmp_path):
    encoder = encoders.load(make_timm(tmp_path / "it", "test_efficientnet"), CPU)
    some = encoder.normalised(torch.randint(0, 256, (1, 3, SIZE, SIZE), dtype=torch.uint8))
    norms = [
        sum(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
        for network in (encoder.model, encoders.folded(encoder.model, some))
    ]
    assert norms[0] > 5 and norms[1] == 0


def test_an_eye_without_words_says_so(encoder):
    assert not encoder.reads_words
    with pytest.raises(BadInput, match="knows no words"):
        encoder.embed_labels(["dog"], ["a {label}"])


def test_a_large_jpeg_is_read_at_about_the_size_that_is_needed(tmp_path):
    encoder = encoders.load(make_timm(tmp_path / "it"), CPU)
    with Image.open(io.BytesIO(coloured("red", 1, 48))) as picture:
        large = picture.resize((1600, 1200), Image.Resampling.BICUBIC)
    files = []
    for kind in ("JPEG", "PNG"):
        out = io.BytesIO()
        large.save(out, kind, **({"quality": 95} if kind == "JPEG" else {}))
        files.append(out.getvalue())
    jpeg, png = encoder.pixels(files).float()
    assert (jpeg - png).abs().mean() < 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architecture": "hf-hub:somebody/evil"}, "architecture"),
        ({"architecture": "local-dir:/tmp/evil"}, "architecture"),
        ({"architecture": "no_such_network"}, "cannot be read as a timm model"),
        ({"model_args": {"norm_layer": "os.system"}}, "norm_layer"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map"),
        ({"num_classes": -1}, "num_classes"),
        ({"num_classes": 11}, "cannot be read as a timm model"),
        ({"pretrained_cfg": {"input_size": [3, 99999, 99999]}}, "input_size"),
    ],
)
def test_what_a_configuration_may_say_is_an_allow_list(tmp_path, change, says):
    folder = make_timm(tmp_path / "it", **change) if "architecture" not in change else make_timm(tmp_path / "it")
    body = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(body | change))
    with pytest.raises(BadInput, match=says):
        encoders.load(folder, CPU)


def test_weights_that_are_a_pickle_are_not_opened(tmp_path):
    folder = make_timm(tmp_path / "it")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match="0 safetensors files"):
        encoders.load(folder, CPU)


def test_a_folder_of_code_is_refused(tmp_path):
    folder = make_timm(tmp_path / "it")
    (folder / "model.py").write_text("print('code')")
    with pytest.raises(UnsafeInput, match="program code"):
        encoders.load(folder, CPU)
