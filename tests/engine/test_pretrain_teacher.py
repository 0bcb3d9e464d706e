"""The training's teacher is the eye for photographs, read from the same package."""

from pathlib import Path

import torch

from synthstudio import packages
from synthstudio.engine.pretrain import teacher


def test_conversion_happens_once(tmp_path: Path, monkeypatch) -> None:
    first = teacher.load_teacher(tmp_path / "kept")
    monkeypatch.setattr(teacher, "installed", lambda _: (_ for _ in ()).throw(AssertionError("asked again")))
    again = teacher.load_teacher(tmp_path / "kept")
    image = torch.rand(1, 3, 64, 64) * 2 - 1
    assert torch.equal(first.classify(image), again.classify(image))
    assert again.embed(image).shape == (1, again.width) and not list(again.parameters())[0].requires_grad
    assert packages.LITE0.network in {folder.name for folder in (tmp_path / "kept").iterdir()}


def test_small_pictures_are_enlarged_and_stay_in_range() -> None:
    checker = torch.tensor([1.0, -1.0]).repeat(1, 3, 32, 16)
    assert teacher.enlarged(checker, 64).shape == (1, 3, 64, 64)
    assert teacher.enlarged(checker, 64).abs().max() <= 1
    assert teacher.enlarged(checker, 32) is checker
