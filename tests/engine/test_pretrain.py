"""The pre-training stages on toy data: deterministic, resumable, and ending in a folder that loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from synthstudio.engine import packaged
from synthstudio.engine.pretrain import evaluate, strokes
from synthstudio.engine.pretrain.assemble import assemble, unpack
from synthstudio.engine.pretrain.cached import Rows, latents
from synthstudio.engine.pretrain.captions import Caption, caption, looks_of
from synthstudio.engine.pretrain.clip import ClipShape, ClipStage, dump, encode_text, multi_positive
from synthstudio.engine.pretrain.data import Mixture, Source, load_source
from synthstudio.engine.pretrain.fonts import DIGITS
from synthstudio.engine.pretrain.glyphs import draw
from synthstudio.engine.pretrain.judge import Judge, JudgeStage
from synthstudio.engine.pretrain.loop import Draw, Loop, Plan, Stage
from synthstudio.engine.pretrain.patches import Patches, balanced, fooling, telling
from synthstudio.engine.pretrain.teacher import Teacher
from synthstudio.engine.pretrain.unet import Recipe, UnetShape, UnetStage, draw_timesteps, text_encoder_from
from synthstudio.engine.pretrain.vae import (
    ClipEye,
    Eye,
    Schedule,
    Terms,
    VaeShape,
    VaeStage,
    distance,
    unread,
)
from synthstudio.engine.pretrain.words import WordsShape, WordsStage, load_words, save_words

TINY_CLIP = ClipShape(16, 8, (1, 1, 1, 1), 8, 2, 1)
TINY_VAE = VaeShape((8, 8, 8, 8), 4, 1, 4)
STAGES = ("vae", "perceptual", "all terms", "decoder", "clip", "judge", "unet", "aligned unet", "words")
ALL_AT_ONCE = Schedule(crops=0.5, adversarial_from=0.3, zooms=(1, 2))
TINY_WORDS = WordsShape(8, 2, 1)
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
        return VaeStage(mixture, TINY_VAE.build(), 4, eye=ClipEye(TINY_CLIP.build()), terms=Terms(perceptual=0.1))
    if name == "all terms":
        terms = Terms(perceptual=0.1, align=0.1, adversarial=0.5)
        return VaeStage(mixture, TINY_VAE.build(), 4, False, ClipEye(TINY_CLIP.build()), terms, ALL_AT_ONCE)
    if name == "decoder":
        return VaeStage(mixture, TINY_VAE.build(), 4, decoder_only=True)
    if name == "clip":
        return ClipStage(mixture, TINY_CLIP, 4, 2)
    if name == "judge":
        return JudgeStage(mixture, 4)
    if name == "words":
        return WordsStage(features(mixture, 1280), Teacher(), TINY_WORDS, 4, 2, 3)
    unet, text = TINY_UNET.build(4, 8), text_encoder_from(TINY_CLIP.build())
    if name == "aligned unet":
        maps = [Rows([np.random.default_rng(0).normal(size=(12, 5, 4, 4)).astype(np.float16)]), None]
        recipe = Recipe(spread=1.0, align=0.5, align_until=0.6, rich=True)
        return UnetStage(features(mixture, 4, 8, 8), unet, text, 4, recipe, maps)
    return UnetStage(features(mixture, 4, 8, 8), unet, text, 4)


def features(mixture: Mixture, *shape: int) -> Mixture:
    """The same pictures as arrays of this shape."""
    values = np.random.default_rng(1).normal(size=(12, *shape)).astype(np.float16)
    return Mixture([Source(s.name, values, s.labels, s.looks) for s in mixture.sources], [1, 1])


@pytest.mark.parametrize(
    "name", ["vae", "perceptual", "all terms", "decoder", "clip", "judge", "unet", "aligned unet", "words"]
)
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


@pytest.mark.parametrize("build", [lambda: ClipEye(TINY_CLIP.build()), Teacher], ids=["clip", "teacher"])
def test_an_eye_tells_equal_from_blurred_and_says_where(build: Callable[[], Eye]) -> None:
    eye, image = build(), torch.rand(2, 3, 64, 64) * 2 - 1
    wanted = eye.maps(image)
    assert [value.shape[1] for value in wanted] == list(eye.channels)
    blurred = torch.nn.functional.avg_pool2d(image, 3, 1, 1).requires_grad_()
    assert distance(wanted, wanted).item() == pytest.approx(0, abs=1e-6)
    apart = distance(eye.maps(blurred), wanted)
    apart.backward()
    assert apart.item() > 0.01 and blurred.grad is not None and blurred.grad.abs().sum() > 0


@pytest.mark.parametrize("term", ["perceptual", "align"])
def test_terms_that_need_an_eye_ask_for_one(term: str, mixture: Mixture) -> None:
    with pytest.raises(ValueError, match="need an eye"):
        VaeStage(mixture, TINY_VAE.build(), 4, terms=Terms(**{term: 0.1}))


def test_training_with_every_term_leaves_the_eye_alone(mixture: Mixture, tmp_path: Path) -> None:
    trained = stage("all terms", mixture)
    assert isinstance(trained, VaeStage) and isinstance(trained.eye, ClipEye)
    before = {name: value.clone() for name, value in trained.eye.tower.state_dict().items()}
    Loop(trained, tmp_path, Plan(steps=3)).run()
    assert all(torch.equal(value, before[name]) for name, value in trained.eye.tower.state_dict().items())


def test_the_discriminator_waits_for_its_time(mixture: Mixture, tmp_path: Path) -> None:
    trained = stage("all terms", mixture)
    before = {name: value.clone() for name, value in trained.modules["patches"].state_dict().items()}
    loop = Loop(trained, tmp_path, Plan(steps=10, log_every=1))
    stop_after(loop, 3)
    assert all(torch.equal(value, before[name]) for name, value in trained.modules["patches"].state_dict().items())
    resumed = stage("all terms", mixture)
    Loop(resumed, tmp_path, Plan(steps=10, log_every=1)).run()
    assert not torch.equal(resumed.modules["patches"].body[0].weight, before["body.0.weight"])
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert ["telling" in row for row in rows] == [False] * 3 + [True] * 7


def test_fooling_and_reconstruction_pull_equally_at_the_last_layer() -> None:
    torch.manual_seed(0)
    layer, image = torch.nn.Conv2d(4, 3, 1, bias=False), torch.randn(2, 4, 8, 8)

    def pull(made: torch.Tensor) -> torch.Tensor:
        return 100 * made.pow(2).mean()

    def push(made: torch.Tensor) -> torch.Tensor:
        return 3 * made.abs().mean()

    def gradient(loss: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(loss, layer.weight)[0]

    made = layer(image)
    loss = balanced(pull(made), push(made), made, layer.weight, 1.0)
    assert loss.item() == pytest.approx(pull(made).item(), rel=1e-4)
    alone, added = gradient(pull(layer(image))), gradient(loss) - gradient(pull(layer(image)))
    assert added.norm().item() == pytest.approx(alone.norm().item(), rel=0.05)
    across = gradient(push(layer(image)))
    assert torch.allclose(added / added.norm(), across / across.norm(), atol=1e-3)


def test_discriminator_and_generator_train_apart() -> None:
    patches, made, real = Patches(8), torch.randn(2, 3, 32, 32, requires_grad=True), torch.randn(2, 3, 32, 32)
    telling(patches, made, real).backward()
    assert made.grad is None and all(weight.grad is not None for weight in patches.parameters())
    patches.zero_grad(set_to_none=True)
    fooling(patches, made).backward()
    assert made.grad is not None and all(weight.grad is None for weight in patches.parameters())


def test_latents_from_which_features_can_be_read_cost_nothing() -> None:
    wanted = torch.randn(2, 8, 4, 4)
    assert unread(3 * wanted, wanted).item() == 0
    assert unread(-wanted, wanted).item() == pytest.approx(1.5)
    assert unread(torch.randn(2, 8, 8, 8), wanted).item() > 0.2


def test_peak_rate_holds_until_the_decay_begins() -> None:
    plan = Plan(steps=100, learning_rate=1.0, final_rate=0.0, decay_from=0.6, warmup=1)
    assert [round(plan.rate(5, at), 3) for at in (0.0, 0.3, 0.6, 0.8, 1.0)] == [1.0, 1.0, 1.0, 0.5, 0.0]


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


def test_logit_normal_timesteps_come_from_the_middle_and_uniform_ones_from_everywhere() -> None:
    draw = Draw(0, 0, 0.0, torch.device("cpu"))
    middle, even = draw_timesteps(4000, Recipe(spread=1.0), draw), draw_timesteps(4000, Recipe(), draw)
    noisy = draw_timesteps(4000, Recipe(spread=1.0, centre=1.0), draw)
    inside = [((t >= 250) & (t < 750)).float().mean().item() for t in (middle, even)]
    assert inside[0] == pytest.approx(0.73, abs=0.04) and inside[1] == pytest.approx(0.5, abs=0.04)
    assert noisy.float().mean() > middle.float().mean() + 100
    assert min(t.min() for t in (middle, even, noisy)) >= 0 and max(t.max() for t in (middle, even, noisy)) <= 999


def test_alignment_looks_at_photographs_and_stops_in_time(mixture: Mixture) -> None:
    aligned = stage("aligned unet", mixture)
    logged = [aligned.loss(Draw(0, 0, progress, torch.device("cpu")))[1] for progress in (0.0, 0.59, 0.6)]
    assert ["align" in numbers for numbers in logged] == [True, True, False]
    assert isinstance(aligned, UnetStage)
    glyphs_only = Mixture(aligned.data.sources, [0.0, 1.0])
    aligned.data = glyphs_only
    assert "align" not in aligned.loss(Draw(0, 0, 0.0, torch.device("cpu")))[1]


def test_words_learn_and_the_image_tower_stays(mixture: Mixture, tmp_path: Path) -> None:
    trained = stage("words", mixture)
    assert isinstance(trained, WordsStage)
    before = {name: value.clone() for name, value in trained.clip.visual.state_dict().items()}
    words = trained.clip.token_embedding.weight.detach().clone()
    Loop(trained, tmp_path, Plan(steps=2)).run()
    assert all(torch.equal(value, before[name]) for name, value in trained.clip.visual.state_dict().items())
    assert not torch.equal(words, trained.clip.token_embedding.weight)


def test_words_become_an_open_clip_folder_that_sees_as_the_teacher(tmp_path: Path) -> None:
    torch.manual_seed(0)
    teacher = Teacher()
    save_words(TINY_WORDS.build(teacher), TINY_WORDS, tmp_path)
    loaded, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    image = torch.rand(1, 3, 128, 128) * 2 - 1
    assert torch.allclose(loaded.eval().encode_image(image), teacher.embed(image), atol=1e-5)
    assert preprocess(Image.new("RGB", (64, 64))).shape == (3, 128, 128)
    assert text_encoder_from(load_words(tmp_path)).config.hidden_size == 8
    texts = load_file(tmp_path / packaged.TEXT)
    assert set(texts) == {name for name in loaded.state_dict() if not name.startswith("visual.")}
    assert {one.dtype for one in texts.values()} == {torch.float16}


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
