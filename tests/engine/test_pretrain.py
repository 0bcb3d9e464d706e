"""The pre-training stages on toy data: deterministic, resumable, and ending in a folder that loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from synthstudio.engine.pretrain import evaluate, strokes
from synthstudio.engine.pretrain.assemble import assemble, unpack
from synthstudio.engine.pretrain.captions import Caption, caption, looks_of
from synthstudio.engine.pretrain.clip import ClipShape, ClipStage, dump, encode_text, multi_positive
from synthstudio.engine.pretrain.data import Mixture, Source, load_source
from synthstudio.engine.pretrain.fonts import DIGITS
from synthstudio.engine.pretrain.glyphs import draw
from synthstudio.engine.pretrain.judge import Judge, JudgeStage
from synthstudio.engine.pretrain.loop import Loop, Plan, Stage
from synthstudio.engine.pretrain.unet import UnetShape, UnetStage, text_encoder_from
from synthstudio.engine.pretrain.vae import Perception, VaeShape, VaeStage, latents

TINY_CLIP = ClipShape(16, 8, (1, 1, 1, 1), 8, 2, 1)
TINY_VAE = VaeShape((8, 8, 8, 8), 4, 1, 4)
TINY_UNET = UnetShape((16, 32), 1, 8, 4)


@pytest.fixture(scope="module")
def mixture() -> Mixture:
    """Twelve noisy photographs of two names and twelve glyph rows of two names."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (12, 64, 64, 3), dtype=np.uint8)
    photos = Source("photos", pixels, ["cat", "dog"] * 6)
    glyphs = Source("glyphs", pixels, ["3", "a"] * 6, ["handwritten|white on black"] * 12)
    return Mixture([photos, glyphs], [1, 1])


def stage(name: str, mixture: Mixture) -> Stage:
    torch.manual_seed(0)
    if name == "vae":
        return VaeStage(mixture, TINY_VAE.build(), 4)
    if name == "perceptual":
        return VaeStage(mixture, TINY_VAE.build(), 4, perception=(Perception(TINY_CLIP.build()), 0.1))
    if name == "decoder":
        return VaeStage(mixture, TINY_VAE.build(), 4, decoder_only=True)
    if name == "clip":
        return ClipStage(mixture, TINY_CLIP, 4, 2)
    if name == "judge":
        return JudgeStage(mixture, 4)
    data = Mixture(
        [Source(s.name, np.zeros((12, 4, 8, 8), np.float16), s.labels, s.looks) for s in mixture.sources], [1, 1]
    )
    return UnetStage(data, TINY_UNET.build(4, 8), text_encoder_from(TINY_CLIP.build()), 4)


@pytest.mark.parametrize("name", ["vae", "perceptual", "decoder", "clip", "judge", "unet"])
def test_resumed_training_equals_unbroken_training(name: str, mixture: Mixture, tmp_path: Path) -> None:
    plan = Plan(steps=4, ema=0.9, log_every=2)
    unbroken = Loop(stage(name, mixture), tmp_path / "unbroken", plan)
    unbroken.run()

    broken = Loop(stage(name, mixture), tmp_path / "broken", plan)
    broken.plan = Plan(steps=4, ema=0.9, log_every=2)
    stop_after(broken, 2)
    resumed = Loop(stage(name, mixture), tmp_path / "broken", plan)
    assert resumed.step == 2
    resumed.run()

    other = resumed.stage.modules.state_dict()
    for key, value in unbroken.stage.modules.state_dict().items():
        assert torch.equal(value, other[key]), key
    assert all(torch.equal(value, resumed.average[key]) for key, value in unbroken.average.items())


class Stopped(Exception):
    """Stands in for a kill."""


def stop_after(loop: Loop, steps: int) -> None:
    inner = loop.stage.loss

    def loss(draw: object) -> object:
        if loop.step == steps:
            loop.save()
            raise Stopped
        return inner(draw)  # type: ignore[arg-type]

    loop.stage.loss = loss  # type: ignore[method-assign, assignment]
    with pytest.raises(Stopped):
        loop.run()


def test_perception_tells_equal_from_blurred_and_leaves_its_clip_alone() -> None:
    clip = TINY_CLIP.build()
    before = {name: value.clone() for name, value in clip.state_dict().items()}
    perceive, image = Perception(clip), torch.rand(2, 3, 32, 32) * 2 - 1
    blurred = torch.nn.functional.avg_pool2d(image, 3, 1, 1).requires_grad_()
    assert perceive(image, image).item() == pytest.approx(0, abs=1e-6)
    perceive(blurred, image).backward()
    assert blurred.grad is not None and blurred.grad.abs().sum() > 0
    assert all(torch.equal(value, before[name]) for name, value in clip.state_dict().items())


def test_decoder_only_leaves_the_latents(mixture: Mixture, tmp_path: Path) -> None:
    trained = stage("decoder", mixture)
    before = {k: v.clone() for k, v in trained.modules["vae"].encoder.state_dict().items()}
    Loop(trained, tmp_path, Plan(steps=2)).run()
    assert all(torch.equal(before[k], v) for k, v in trained.modules["vae"].encoder.state_dict().items())


def test_words_never_seen_keep_their_rows(mixture: Mixture, tmp_path: Path) -> None:
    trained = stage("clip", mixture)
    before = trained.modules["clip"].token_embedding.weight.detach().clone()
    Loop(trained, tmp_path, Plan(steps=2)).run()
    word = open_clip.SimpleTokenizer(context_length=32)(["zebra"])[0, 1]
    assert torch.equal(before[word], trained.modules["clip"].token_embedding.weight[word])


@pytest.mark.parametrize("name", sorted(strokes.SHAPES))
def test_pen_strokes_stay_near_the_square(name: str) -> None:
    for line in strokes.wobbled(name, np.random.default_rng(0)):
        assert line.min() > -0.4 and line.max() < 1.4


def test_every_digit_and_letter_has_strokes() -> None:
    assert set(strokes.SHAPES) == set(DIGITS + "abcdefghijklmnopqrstuvwxyz")


def pen_seed(name: str) -> int:
    """A seed for which `name` is drawn by pen, so that no font is needed."""
    return next(s for s in range(100) if np.random.default_rng(s).random() < (0.45 if name in DIGITS else 0.25))


@pytest.mark.parametrize("name", ["3", "q"])
def test_glyph_is_a_function_of_its_seed(name: str) -> None:
    seed = pen_seed(name)
    first, again, other = draw(name, [], seed), draw(name, [], seed), draw("7", [], pen_seed("7"))
    assert np.array_equal(first.pixels, again.pixels) and first.looks == again.looks
    assert first.pixels.shape == (64, 64, 3) and not np.array_equal(first.pixels, other.pixels)


def test_captions_of_a_glyph_are_true_of_it() -> None:
    looks = looks_of("printed|white on black")
    for seed in range(200):
        said = caption("3", "printed|white on black", np.random.default_rng(seed))
        assert said.fits("3", looks) and "handwritten" not in said.text
    assert not Caption("a blurry 3", "3", frozenset({"blurry"})).fits("3", looks)


def test_any_right_caption_will_do() -> None:
    logits = torch.tensor([[9.0, 9.0, 0.0]])
    assert multi_positive(logits, torch.tensor([[True, True, False]])) < 0.01
    assert multi_positive(logits, torch.tensor([[False, False, True]])) > 8


def test_trimmed_text_encoding_equals_open_clip() -> None:
    model = TINY_CLIP.build().eval()
    tokens = open_clip.SimpleTokenizer(context_length=32)(["a photo of a 3", "a"])
    assert torch.allclose(model.encode_text(tokens), encode_text(model, tokens), atol=1e-5)


def test_text_encoder_starts_as_the_clip_tower() -> None:
    model = TINY_CLIP.build().eval()
    tokens = open_clip.SimpleTokenizer(context_length=32)(["a photo of a horse"])
    hidden = text_encoder_from(model).eval()(tokens.masked_fill(tokens == 0, 49407)).last_hidden_state
    assert torch.allclose(
        hidden[0, tokens[0].argmax()] @ model.text_projection, model.encode_text(tokens)[0], atol=1e-5
    )


def test_folder_of_classes_is_read_once(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("red_kite", "owl"):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (90, 70), "red").save(tmp_path / "data" / name / "1.png")
    source = load_source(tmp_path / "data", tmp_path / "cache")
    assert source.labels == ["owl", "red kite"] and source.pixels.shape == (2, 64, 64, 3)
    assert load_source(tmp_path / "data", tmp_path / "cache").labels == source.labels


def test_parts_become_a_pipeline(mixture: Mixture, tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline
    from safetensors.torch import save_file

    vae, clip, denoiser = TINY_VAE.build(), TINY_CLIP.build(), TINY_UNET.build(4, 8)
    data, scale = latents(mixture, vae.eval(), tmp_path / "latents", 12, "cpu")
    assert np.concatenate([s.pixels for s in data.sources]).std() == pytest.approx(1, abs=0.1)
    vae.save_pretrained(tmp_path / "vae")
    (tmp_path / "clip").mkdir()
    save_file(clip.state_dict(), tmp_path / "clip" / "model.safetensors")
    (tmp_path / "clip" / "shape.json").write_text(json.dumps(dump(TINY_CLIP)))
    denoiser.save_pretrained(tmp_path / "final" / "unet")
    text_encoder_from(clip).save_pretrained(tmp_path / "final" / "text_encoder")
    (tmp_path / "final" / "scale.json").write_text(json.dumps(scale))
    assemble(tmp_path / "vae", tmp_path / "clip", tmp_path / "final", tmp_path / "out")
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "out", local_files_only=True)
    assert pipe("a 3", num_inference_steps=2, output_type="np").images.shape == (1, 64, 64, 3)

    configs = [file.read_text() for file in (tmp_path / "out").rglob("*.json")]
    assert not any(str(tmp_path) in text for text in configs), "no path of the machine that trained it"

    unpack(tmp_path / "out", tmp_path / "run")
    run = tmp_path / "run"
    assemble(run / "vae" / "final", run / "clip" / "final", run / "unet" / "final", tmp_path / "again")
    for file in sorted((tmp_path / "out").rglob("*.safetensors")):
        again = tmp_path / "again" / file.relative_to(tmp_path / "out")
        assert again.read_bytes() == file.read_bytes(), file.name


def test_intervals_and_probe_features() -> None:
    low, high = evaluate.Share(8, 10).interval
    assert (round(low, 3), round(high, 3)) == (0.490, 0.943)
    hits = np.array([True, False, True, True])
    assert evaluate.paired(hits, hits) == (0.0, 0.0, 0.0)
    pixels = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    assert evaluate.plain_features(pixels).shape == (3, 16 * 16 * 3 + 8 * 8 * 8)


def test_judge_answers_within_the_group(tmp_path: Path) -> None:
    judge = Judge({"digits": ["0", "1"], "pets": ["cat"]}).eval()
    judge.save(tmp_path)
    pixels = np.zeros((2, 64, 64, 3), np.uint8)
    assert Judge.load(tmp_path).answers(pixels, "digits") == judge.answers(pixels, "digits")
    assert judge.answers(pixels, "pets") == ["cat", "cat"]
