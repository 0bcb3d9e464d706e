import struct

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from synthstudio import weightfile
from synthstudio.errors import Damaged, UnsafeInput


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.safetensors"
    data = {"b": ("F32", (2,), struct.pack("<2f", 1, 2)), "a": ("F32", (1, 1), struct.pack("<f", 3))}
    weightfile.write(path, data, {"zeta": "1", "alpha": "größer"})
    return path


def test_the_formats_own_library_reads_it(file):
    tensors = load_file(file)
    assert tensors["b"].tolist() == [1, 2] and tensors["a"].tolist() == [[3]]
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {"alpha": "größer", "zeta": "1"}


def test_tensors_can_be_made_one_by_one_as_they_are_written(file, tmp_path):
    asked = []
    sizes = {"b": ("F32", (2,), 8), "a": ("F32", (1, 1), 4)}
    data = {"b": struct.pack("<2f", 1, 2), "a": struct.pack("<f", 3)}
    about = {"zeta": "1", "alpha": "größer"}
    weightfile.stream(tmp_path / "more.safetensors", sizes, lambda name: asked.append(name) or data[name], about)
    assert asked == ["a", "b"] and (tmp_path / "more.safetensors").read_bytes() == file.read_bytes()


def test_it_reads_what_the_formats_own_library_wrote(tmp_path):
    save_file({"a": torch.ones(3)}, tmp_path / "other.safetensors", {"made": "elsewhere"})
    header = weightfile.read_header(tmp_path / "other.safetensors")
    assert header.metadata == {"made": "elsewhere"} and header.tensors["a"]["shape"] == [3]


def test_metadata_is_added_and_the_tensors_stay(file, tmp_path):
    weightfile.with_metadata(file, tmp_path / "more.safetensors", {"title": "mine"})
    header = weightfile.read_header(tmp_path / "more.safetensors")
    assert header.metadata == {"zeta": "1", "alpha": "größer", "title": "mine"}
    assert load_file(tmp_path / "more.safetensors")["b"].tolist() == [1, 2]


def test_a_pickle_is_refused(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UnsafeInput, match="can run code"):
        weightfile.read_header(tmp_path / "a.safetensors")


def test_a_cut_file_is_noticed(file):
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(Damaged, match="bytes long"):
        weightfile.read_header(file)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError):
        weightfile.write(tmp_path / "a.safetensors", {"a": ("F32", (1,), "no bytes")}, {})
    assert list(tmp_path.iterdir()) == []
