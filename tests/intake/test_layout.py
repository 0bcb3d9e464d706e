"""Which class and split a path means."""

import pytest

from synthstudio.intake.layout import Layout, is_litter


@pytest.mark.parametrize(
    ("paths", "means"),
    [
        (["cat/1.png", "dog/1.png"], [("cat", ""), ("dog", "")]),
        (["pets/cat/1.png", "pets/dog/1.png"], [("cat", ""), ("dog", "")]),
        (["a/b/train/cat/1.png", "a/b/test/cat/1.png"], [("cat", "train"), ("cat", "test")]),
        (["Train/cat/1.png", "VAL/cat/2.png"], [("cat", "train"), ("cat", "validation")]),
        (["testing/cat/1.png", "dev/cat/3.png"], [("cat", "test"), ("cat", "validation")]),
        (["train/cat/1.png", "train/dog/2.png"], [("cat", "train"), ("dog", "train")]),
        (["cat/1.png"], [("cat", "")]),
        (["cat/big/1.png", "cat/2.png", "dog/3.png"], [("cat", ""), ("cat", ""), ("dog", "")]),
        (["1.png", "cat/2.png"], [("", ""), ("cat", "")]),
        (["train/1.png", "test/2.png"], [("", "train"), ("", "test")]),
        (["train/1.png", "bus/2.png"], [("train", ""), ("bus", "")]),
        (["pets/README.md", "pets/cat/1.png", "pets/dog/1.png"], [("", ""), ("cat", ""), ("dog", "")]),
        (["notes.txt", "pets/cat/1.png", "pets/dog/1.png"], [("", ""), ("cat", ""), ("dog", "")]),
    ],
)  # fmt: skip
def test_a_path_is_read_as_a_person_would(paths, means):
    layout = Layout(paths)
    assert [(layout.place(path).label, layout.place(path).given) for path in paths] == means


def test_litter_is_known_and_dots_are_a_name():
    assert is_litter(["__MACOSX", "x"]) and is_litter(["cat", ".DS_Store"]) and is_litter(["Thumbs.db"])
    assert not is_litter(["...", "1.png"])


def test_a_folder_stands_for_its_class():
    layout = Layout(["train/cat/1.png", "train/dog/1.png"])
    assert [layout.class_of_folder(folder) for folder in ("train", "train/cat", "train/cow")] == ["", "cat", "cow"]
