"""What a card of a stated memory is told: before a model is read, and after one image was tried."""

import pytest
import torch

from synthstudio import models
from synthstudio.engine import devices
from synthstudio.errors import MemoryFull
from synthstudio.events import Made, Note
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.steps import room
from tests.steps.kit import outputs, stored

QUICK = {"rank": 4, "alpha": 4, "training_steps": 2, "warmup_steps": 1, "learning_rate": 0.02, "batch_size": 4}


class Stated:
    """A card of so much memory, in which an image takes `each`; 0: the memory ends with the first."""

    name = "cuda:0"

    def __init__(self, total, each=1):
        self.bytes, self.each = total, each

    def free(self):
        return self.bytes

    def total(self):
        return self.bytes

    def peak(self, work):
        work()
        if not self.each:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.each


@pytest.fixture
def given(work, tiny_sd):
    images = stored(work, "set", ["blue", "red"], range(2), size=32)
    return {"backbone": models.reference(str(tiny_sd), "backbone", work.workspace), "images": images, **QUICK}


def sampled(given, work, **more):
    how = {"labels": ["red"], "images_per_class": 5, "inference_steps": 1, "backbone": given["backbone"], **more}
    return outputs(build("sample.text", how), work)[1]


def said(events):
    return " ".join(event.text for event in events if isinstance(event, Note))


def test_weights_are_counted_with_the_autoencoder_in_float32(tiny_sd):
    half, whole = room.weights(tiny_sd, 2), room.weights(tiny_sd, 4)
    vae = sum(one.stat().st_size for one in (tiny_sd / "vae").glob("*.safetensors"))
    assert whole > half > whole / 2 and 2 * half - whole == pytest.approx(vae, rel=0.1)  # headers of the file


def test_a_card_too_small_for_the_weights_is_refused_with_what_would_fit(tiny_sd):
    with pytest.raises(MemoryFull, match=r"sdxl does not fit: its weights alone take .* 1.0 MB of 1.0 MB") as small:
        room.before_loading("sdxl", tiny_sd, 4, Stated(1_000_000))
    assert "Only pico" in str(small.value) and "--device cpu" in str(small.value)
    eight = room.others("sdxl", 8_000_000_000, 2)
    assert "sd15 (2.7 GB)" in eight and "an estimate" in eight and "flux2" not in eight and "vit" not in eight


def test_a_step_is_refused_before_its_model_is_read(work, given, monkeypatch):
    monkeypatch.setattr(devices, "memory_of", lambda _: Stated(1000))
    for kind, fields in (("adapt.lora", given), ("sample.text", {"backbone": given["backbone"], "labels": ["red"]})):
        with pytest.raises(MemoryFull, match="its weights alone take"):
            outputs(build(kind, fields), work)
    assert not work.loaded


def test_an_adaptation_says_what_fits_and_passes_no_more_at_once(work, given, monkeypatch):
    unlimited = outputs(build("adapt.lora", given), work)[0]
    work.scratch = work.scratch.with_name("next")
    work.scratch.mkdir()
    work.loaded.clear()
    monkeypatch.setattr(devices, "memory_of", lambda _: Stated(40_000_000, each=13_000_000))
    named, events = outputs(build("adapt.lora", given), work)
    assert "(counted)" in said(events) and "takes 13.0 MB (measured)" in said(events) and "3 at once" in said(events)
    assert "passes of 3" in said(events)
    found, wanted = (work.workspace.document(one["adapter"])["training"] for one in (named, unlimited))
    after, before = (next(iter(one["probe_loss_after"].values())) for one in (found, wanted))
    assert after == pytest.approx(before, rel=1e-3)


def test_trying_one_image_changes_no_bit_of_what_is_learned(work, given, monkeypatch):
    without = outputs(build("adapt.lora", given), work)[0]
    work.scratch = work.scratch.with_name("next")
    work.scratch.mkdir()
    monkeypatch.setattr(devices, "memory_of", lambda _: Stated(10**12))
    assert outputs(build("adapt.lora", given), work)[0] == without


def test_chunks_are_as_large_as_fits_and_stay_so_when_a_run_goes_on(work, given, monkeypatch):
    monkeypatch.setattr(devices, "memory_of", lambda _: Stated(40_000_000, each=13_000_000))
    events = sampled(given, work)
    assert "3 at once" in said(events) and sum(isinstance(one, Made) for one in events) == 5
    assert (work.scratch / "images_at_once-32").read_text() == "3"
    monkeypatch.setattr(devices, "memory_of", lambda _: Stated(400_000_000, each=13_000_000))
    assert "at once" not in said(sampled(given, work))  # measured before


def test_a_batch_that_somebody_asked_for_is_kept_with_a_word(work, given, monkeypatch):
    work.resources = Resources(device="cpu", threads=1, batch=5)
    monkeypatch.setattr(devices, "memory_of", lambda _: Stated(40_000_000, each=13_000_000))
    assert "5 were asked for; if they do not fit, ask for 3" in said(sampled(given, work))


def test_a_card_too_small_for_one_image_is_refused_with_what_would_fit(work, given, monkeypatch):
    monkeypatch.setattr(devices, "memory_of", lambda _: Stated(4_000_000_000, each=0))
    for make in (lambda: outputs(build("adapt.lora", given), work), lambda: sampled(given, work)):
        with pytest.raises(MemoryFull, match=r"Not even one image of 32 px fits.*bk-sdm-small"):
            make()
