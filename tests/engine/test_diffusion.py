import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from synthstudio.engine import backbones, diffusion
from synthstudio.engine.adapters import files, merging
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.errors import BadInput, UnsafeInput
from tests.engine.drawing import CPU, QUICK, furthest, loaded, picture, trained, values
from tests.engine.tiny import SIZE
from tests.matrix import first_of

SHORT = Settings(guidance_scale=3.0, inference_steps=6, resolution=SIZE)
ROUNDING = 1  # of 255: what another batch size or another order of adding up may change
CAT = Request("a photo of a cat", "", 7)
SOLVERS = ["dpm++", "dpm++sde", "ddim", "ddpm", "euler", "euler_a", "heun", "lcm", "pndm", "unipc", "own"]
RANDOM = ["dpm++sde", "ddpm", "euler_a", "lcm"]  # those that draw noise on the way


@pytest.fixture(scope="module")
def epsilon(tiny_sd):
    return loaded(tiny_sd)


@pytest.fixture(scope="module")
def velocity(tiny_sd2):
    return loaded(tiny_sd2)


@pytest.fixture
def plain(epsilon):
    merging.use_adapter(epsilon, None, None, 1.0)
    return epsilon


@pytest.fixture(scope="module")
def xl(tiny_sdxl):
    return loaded(tiny_sdxl)


@pytest.fixture(params=first_of(["epsilon", "velocity", "xl"], kept=2))
def either(request):
    backbone = request.getfixturevalue(request.param)
    merging.use_adapter(backbone, None, None, 1.0)
    return backbone


def pipeline_with(folder, sampler):
    import diffusers

    from synthstudio.engine.solvers import _SOLVERS

    named = getattr(diffusers, json.loads((folder / "model_index.json").read_text())["_class_name"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = named.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    if sampler != "own":
        cls, chosen = _SOLVERS[sampler]
        pipe.scheduler = cls.from_config(pipe.scheduler.config, **chosen)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def as_bytes(array):
    from synthstudio.engine.pixels import to_png

    return to_png([torch.from_numpy(np.array(array))])[0]


@pytest.mark.parametrize("sampler", SOLVERS)
def test_the_plain_pipeline_gives_the_same_image(either, sampler):
    ours = diffusion.sample(either, [replace(CAT, negative_prompt="blurred")], replace(SHORT, sampler=sampler))
    theirs = pipeline_with(either.folder, sampler)(
        CAT.prompt,
        negative_prompt="blurred",
        guidance_scale=3.0,
        num_inference_steps=6,
        generator=torch.Generator().manual_seed(7),
    )
    assert furthest(ours[0], as_bytes(theirs.images[0])) <= ROUNDING


@pytest.mark.parametrize(("targets", "scale"), [("attention", 1.0), ("all", 0.6)])
def test_the_plain_pipeline_reads_our_adapter(either, tmp_path, targets, scale):
    trained(either, tmp_path, replace(QUICK, targets=targets, steps=12))
    frozen = diffusion.sample(either, [CAT], SHORT)
    file = tmp_path / "weights.safetensors"
    merging.use_adapter(either, "x", files.read_adapter(file), scale)
    ours = diffusion.sample(either, [CAT], SHORT)
    pipe = pipeline_with(either.folder, "dpm++")
    pipe.load_lora_weights(tmp_path, weight_name=file.name, adapter_name="digits")
    pipe.set_adapters("digits", scale)
    theirs = pipe(CAT.prompt, guidance_scale=3.0, num_inference_steps=6, generator=torch.Generator().manual_seed(7))
    assert furthest(ours[0], as_bytes(theirs.images[0])) <= ROUNDING
    assert np.abs(values(ours[0]) - values(frozen[0])).mean() > 2


def test_taking_an_adapter_out_restores_every_bit(plain, tmp_path):
    before = diffusion.sample(plain, [CAT], SHORT)
    trained(plain, tmp_path)
    adapter = files.read_adapter(tmp_path / "weights.safetensors")
    merging.use_adapter(plain, "one", adapter, 1.0)
    merging.use_adapter(plain, "two", adapter, 0.5)
    merging.use_adapter(plain, None, None, 1.0)
    assert diffusion.sample(plain, [CAT], SHORT) == before


def test_an_adapter_of_another_backbone_is_refused(plain, tmp_path):
    pair = (torch.zeros(4, 9), torch.zeros(9, 4))
    with pytest.raises(BadInput, match="trained on another"):
        merging.use_adapter(plain, "x", files.LowRankAdapter({"unet.no.such.layer": pair}, 1.0), 1.0)
    name = next(iter(plain.adapter_layers("attention", False)))
    with pytest.raises(BadInput, match="trained on another"):
        merging.use_adapter(plain, "x", files.LowRankAdapter({name: pair}, 1.0), 1.0)


def test_a_pickle_is_no_adapter(tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(UnsafeInput, match="not a safetensors file"):
        files.read_adapter(tmp_path / "weights.safetensors")


def test_neighbours_change_nothing_but_rounding(plain):
    requests = [Request(f"a photo of a {name}", "", seed) for seed, name in enumerate(("cat", "dog", "cat", "bird"))]
    together = diffusion.sample(plain, requests, SHORT)
    alone = [diffusion.sample(plain, [request], SHORT)[0] for request in requests]
    assert max(furthest(a, b) for a, b in zip(together, alone, strict=True)) <= ROUNDING


def test_every_seed_gives_its_own_image(plain):
    files = diffusion.sample(plain, [replace(CAT, seed=seed) for seed in range(4)], SHORT)
    assert len(set(files)) == 4
    assert diffusion.sample(plain, [replace(CAT, seed=seed) for seed in range(4)], SHORT) == files


def test_guidance_of_one_never_asks_the_negative_prompt(plain):
    asked = []
    handle = plain.unet.register_forward_pre_hook(lambda _module, inputs: asked.append(len(inputs[0])))
    off = replace(SHORT, guidance_scale=1.0)
    one = diffusion.sample(plain, [CAT], off)
    other = diffusion.sample(plain, [replace(CAT, negative_prompt="a dog")], off)
    handle.remove()
    assert one == other and set(asked) == {1}


def test_a_little_strength_stays_near_the_source(plain):
    source = picture(1)
    rebuilt = diffusion.to_png(diffusion.to_uint8(plain.decode(plain.encode_images(diffusion.to_tensor([source])))))[0]

    def distance(strength):
        made = diffusion.sample(plain, [replace(CAT, source=source)], replace(SHORT, strength=strength))
        return np.abs(values(made[0]) - values(rebuilt)).mean()

    assert distance(0.17) < distance(0.5) < distance(0.99)


@pytest.mark.parametrize("sampler", SOLVERS)
@pytest.mark.parametrize("family", first_of(["epsilon", "xl"]))
def test_variations_match_the_plain_image_to_image_pipeline(request, family, sampler, monkeypatch):
    import diffusers

    plain = request.getfixturevalue(family)
    merging.use_adapter(plain, None, None, 1.0)
    source = picture(3)
    ours = diffusion.sample(plain, [replace(CAT, source=source)], replace(SHORT, strength=0.5, sampler=sampler))
    named, more = {
        "epsilon": (diffusers.StableDiffusionImg2ImgPipeline, {"requires_safety_checker": False}),
        "xl": (diffusers.StableDiffusionXLImg2ImgPipeline, {}),
    }[family]
    pipe = named(**pipeline_with(plain.folder, sampler).components, **more)
    pipe.set_progress_bar_config(disable=True)
    monkeypatch.setattr(  # theirs draws from the posterior, ours takes its mean
        f"{named.__module__}.retrieve_latents", lambda encoded, generator: encoded.latent_dist.mean
    )
    theirs = pipe(
        CAT.prompt,
        image=source,
        strength=0.5,
        guidance_scale=3.0,
        num_inference_steps=6,
        generator=torch.Generator().manual_seed(7),
    )
    assert furthest(ours[0], as_bytes(theirs.images[0])) <= ROUNDING


def test_full_strength_forgets_the_source(plain):
    one, other = (replace(CAT, source=Image.new("RGB", (SIZE, SIZE), colour)) for colour in ("red", "blue"))
    full = replace(SHORT, strength=1.0)
    assert diffusion.sample(plain, [one], full) == diffusion.sample(plain, [other], full)


def test_at_least_one_step_is_taken():
    assert [diffusion.first_step(50, strength) for strength in (0.001, 0.1, 0.5, 1.0)] == [49, 45, 25, 0]


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_images_that_are_no_numbers_in_half_precision_are_drawn_again_in_float32_and_that_is_said(tiny_sd, part):
    half = backbones.load(tiny_sd, CPU, torch.bfloat16)
    before = {name: one.clone() for name, one in half.unet.named_parameters()}
    with half.whole():
        wanted = diffusion.sample(half, [CAT], SHORT)
    layer = half.unet.conv_out if part == "unet" else half.text_encoder
    layer.register_forward_hook(overflowing)
    assert diffusion.sample(half, [CAT], SHORT) == wanted
    (note,) = half.notes
    assert "batch of 1 was no numbers in bfloat16" in note and "float32" in note
    assert half.dtype is torch.bfloat16 and all(torch.equal(one, before[name]) for name, one in
                                                half.unet.named_parameters())  # fmt: skip


def overflowing(_module, _inputs, output):
    """As float16 beyond 65504."""
    first = output[0] if isinstance(output, tuple | dict) else output
    if first.dtype is not torch.float32:
        first.fill_(float("nan"))


def test_a_model_that_draws_no_numbers_at_all_is_refused_with_what_to_do(tiny_sd):
    broken = loaded(tiny_sd)
    broken.unet.conv_out.register_forward_hook(lambda _module, _inputs, output: output.fill_(float("inf")))
    with pytest.raises(BadInput, match="Lower guidance_scale or adapter_scale"):
        diffusion.sample(broken, [CAT], SHORT)


@pytest.mark.parametrize("sampler", RANDOM)
def test_noise_on_the_way_is_each_images_own(plain, sampler):
    requests = [Request(f"a photo of a {name}", "", seed) for seed, name in enumerate(("cat", "dog", "bird"))]
    drawn = replace(SHORT, sampler=sampler)
    together = diffusion.sample(plain, requests, drawn)
    alone = [diffusion.sample(plain, [request], drawn)[0] for request in requests]
    assert max(furthest(a, b) for a, b in zip(together, alone, strict=True)) <= ROUNDING
    assert diffusion.sample(plain, requests, drawn) == together


def test_a_solver_says_how_many_steps_it_takes(plain):
    with pytest.raises(BadInput, match="at most 50 steps"):
        diffusion.sample(plain, [CAT], replace(SHORT, sampler="lcm", inference_steps=51))


def test_a_solver_of_a_checkpoint_that_is_not_known_is_named(plain, monkeypatch):
    monkeypatch.setattr(plain, "schedule", {**plain.schedule, "_class_name": "VQDiffusionScheduler"})
    with pytest.raises(BadInput, match="VQDiffusionScheduler, is not known"):
        diffusion.sample(plain, [CAT], replace(SHORT, sampler="own"))


def test_one_batch_mixes_guidance_and_t0(plain):
    requests = [
        replace(CAT, seed=seed, source=picture(seed), guidance_scale=scale, strength=strength)
        for seed, (scale, strength) in enumerate([(3.0, 0.4), (1.0, 1.0), (5.0, 0.7), (2.0, 0.4)])
    ]
    for sampler in ("dpm++", "heun", "euler_a"):
        settings = replace(SHORT, sampler=sampler)
        together = diffusion.sample(plain, requests, settings)
        for request, made in zip(requests, together, strict=True):
            said = {"guidance_scale": request.guidance_scale, "strength": request.strength}
            alone = replace(request, guidance_scale=None, strength=None)
            assert furthest(made, diffusion.sample(plain, [alone], replace(settings, **said))[0]) <= ROUNDING


def test_a_batch_of_several_t0_asks_the_model_for_no_more_than_each_image_needs(plain):
    asked = []
    handle = plain.unet.register_forward_pre_hook(lambda _module, inputs: asked.append(len(inputs[0])))
    requests = [replace(CAT, source=picture(0), strength=strength) for strength in (0.34, 0.5, 1.0)]
    diffusion.sample(plain, requests, replace(SHORT, guidance_scale=1.0))
    handle.remove()
    assert asked == [1, 1, 1, 2, 3, 3]


@pytest.mark.parametrize(("guided", "asked"), [((0.0, 1.0), [2] * 6), ((0.5, 0.8), [1, 1, 1, 2, 2, 1])])
def test_guidance_is_asked_for_in_its_part_of_the_schedule_alone(plain, guided, asked):
    found = []
    handle = plain.unet.register_forward_pre_hook(lambda _module, inputs: found.append(len(inputs[0])))
    diffusion.sample(plain, [CAT], replace(SHORT, guided=guided))
    handle.remove()
    assert found == asked


def test_outside_its_part_of_the_schedule_an_image_is_the_unguided_one(plain, monkeypatch):
    seen = {}

    def latents(name, settings):
        seen[name] = []
        handle = plain.unet.register_forward_pre_hook(lambda _module, inputs: seen[name].append(inputs[0][-1].clone()))
        diffusion.denoise(plain, [CAT], settings)
        handle.remove()
        return seen[name]

    limited = latents("limited", replace(SHORT, guided=(0.5, 1.0)))
    guided, unguided = latents("guided", SHORT), latents("unguided", replace(SHORT, guidance_scale=1.0))
    assert all(torch.equal(a, b) for a, b in zip(limited[:4], unguided[:4], strict=True))
    assert not torch.equal(limited[4], unguided[4]) and not torch.equal(limited[1], guided[1])


def test_two_sources_are_mixed_on_the_line_between_them(plain):
    one, other = picture(1), picture(2)

    def began(share, words="a photo of a cat"):
        mix = diffusion.Mix(words, other, share) if share else None
        (made,) = diffusion._sources(plain, [replace(CAT, source=one, mix=mix)], SHORT)
        return made

    assert torch.allclose(began(0.25), 0.75 * began(0) + 0.25 * began(1.0), atol=1e-5)
    alone, both = (
        diffusion.sample(plain, [replace(CAT, source=one, mix=diffusion.Mix(words, other, 0.5))], SHORT)
        for words in ("a photo of a cat", "a drawing of a bird")
    )
    assert alone != both


def test_prompts_between_two_are_on_the_line_between_them(either):
    cat, bird = (either.encode_prompts([text]) for text in ("a cat", "a bird"))
    middle = either.between(cat, bird, 0.25)
    for one, other, found in zip(*(x if isinstance(x, tuple) else (x,) for x in (cat, bird, middle)), strict=True):
        assert torch.allclose(found, 0.75 * one + 0.25 * other, atol=1e-6)
