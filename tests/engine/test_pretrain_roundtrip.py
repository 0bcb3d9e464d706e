"""The gate of the autoencoder: what a probe on the teacher's features loses on encoded and decoded pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from synthstudio.engine.pretrain import roundtrip
from synthstudio.engine.pretrain.__main__ import parser
from synthstudio.engine.pretrain.data import Mixture, Source
from synthstudio.engine.pretrain.loop import Loop, Plan
from synthstudio.engine.pretrain.teacher import Teacher
from synthstudio.engine.pretrain.vae import VaeShape, VaeStage

TINY = VaeShape((8, 8, 8, 8), 4, 1, 4)


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    torch.manual_seed(0)
    return Teacher()


@pytest.fixture
def pets(monkeypatch: pytest.MonkeyPatch) -> Source:
    """Six dark cats and six bright dogs at 32 px."""
    monkeypatch.setattr(roundtrip, "LOOK", 32)
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 90, (6, 32, 32, 3), dtype=np.uint8)
    return Source("pets", np.concatenate([dark, dark + 160]), ["cat"] * 6 + ["dog"] * 6)


class Painted:
    """An autoencoder that decodes everything to one grey, or gives back what it got."""

    def __init__(self, grey: float | None) -> None:
        self.grey = grey

    def encode(self, image: torch.Tensor) -> object:
        self.image = image
        posterior = type("Posterior", (), {"mean": image})
        return type("Encoded", (), {"latent_dist": posterior})

    def decode(self, latent: torch.Tensor) -> object:
        made = latent if self.grey is None else torch.full_like(latent, self.grey)
        return type("Decoded", (), {"sample": made})


def test_a_perfect_autoencoder_loses_nothing_and_a_grey_one_all_but_chance(teacher: Teacher, pets: Source) -> None:
    trip = roundtrip.Trip(teacher, pets, pets)
    kept, lost = trip.measure(Painted(None)), trip.measure(Painted(0.0))  # type: ignore[arg-type]
    assert kept["real"] == kept["round_trip"] and kept["change"] == (0.0, 0.0, 0.0)
    assert lost["round_trip"]["share"] == 0.5 and lost["psnr"] < 12


def test_a_checkpoint_is_judged_by_its_average(pets: Source, tmp_path: Path) -> None:
    torch.manual_seed(0)
    big = Source("pets", pets.pixels.repeat(2, 1).repeat(2, 2), pets.labels)
    vae = TINY.build()
    vae.save_config(tmp_path)
    loop = Loop(VaeStage(Mixture([big], [1]), vae, 4), tmp_path, Plan(steps=3, ema=0.5))
    loop.run()
    loaded, reached = roundtrip.load_coder(tmp_path / "checkpoint.pt")
    assert reached["step"] == 3
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, loop.average[f"vae.{name}"]), name


def test_the_table_and_its_lines_say_what_was_lost(
    teacher: Teacher, pets: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(roundtrip, "load_teacher", lambda folder: teacher)
    monkeypatch.setattr(roundtrip, "unseen", lambda path, split, cache: pets)
    TINY.build().save_pretrained(tmp_path / "vae")
    lines = tmp_path / "trip.jsonl"
    flags = ["--run", str(tmp_path), "roundtrip", "--coder", str(tmp_path / "vae"), "--json", str(lines)]
    roundtrip.run(parser().parse_args(flags))
    row = json.loads(lines.read_text())
    assert row["set"] == "pets" and row["real"]["n"] == 12 and len(row["change"]) == 3
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3 and "pets (n=12)" in shown[2] and shown[0].count("|") == shown[2].count("|")
