"""FLUX.2 klein beside the plain pipeline: a flow, a transformer, a language model."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from synthstudio.engine import backbones, diffusion, lora
from synthstudio.engine.adapters import files, merging
from synthstudio.engine.adapters.kinds import KINDS
from synthstudio.engine.diffusion import Request, Settings
from synthstudio.engine.families import flux2_klein
from synthstudio.errors import BadInput, UnsafeInput
from tests.engine.drawing import CPU, ONE_OF_EACH_SORT, QUICK, furthest, loaded, photos, picture, trained, values
from tests.engine.hostile import changed, copy_of
from tests.engine.test_diffusion import ROUNDING, as_bytes
from tests.engine.tiny import SIZE
from tests.matrix import first_of

SHORT = Settings(guidance_scale=3.0, inference_steps=4, sampler="euler", resolution=SIZE)
CAT = Request("a photo of a cat", "", 7)
AS_A_FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}


@pytest.fixture(scope="module")
def klein(tiny_klein):
    return loaded(tiny_klein)


@pytest.fixture(autouse=True)
def _as_it_was(klein):
    merging.use_adapter(klein, None, None, 1.0)


@pytest.fixture
def folder(tiny_klein, tmp_path):
    return copy_of(tiny_klein, tmp_path / "model")


def test_the_checkpoints_own_solver_of_a_flow_is_eulers(klein):
    own, euler = (diffusion.sample(klein, [CAT], replace(SHORT, sampler=sampler)) for sampler in ("own", "euler"))
    assert own == euler


def stock(folder, sampler="euler"):
    import diffusers

    pipe = diffusers.Flux2KleinPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    if sampler != "euler":
        named = {"dpm++": "DPMSolverMultistepScheduler", "unipc": "UniPCMultistepScheduler"}[sampler]
        more = {"algorithm_type": "dpmsolver++", "solver_order": 2} if sampler == "dpm++" else {}
        pipe.scheduler = getattr(diffusers, named).from_config(pipe.scheduler.config, **AS_A_FLOW, **more)
    return pipe


def drawn_by(pipe, side=SIZE, steps=4):
    how = {"guidance_scale": 3.0, "num_inference_steps": steps, "height": side, "width": side}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pipe(prompt=CAT.prompt, generator=torch.Generator().manual_seed(7), **how)
    return as_bytes(made.images[0])


def answer(backbone):
    with torch.no_grad():
        latents = torch.linspace(-1, 1, 2 * 16 * 8 * 8).view(2, 16, 8, 8)
        prompts = backbone.encode_prompts(["a cat"])
        return backbone.predict(latents, torch.tensor([5.0, 600.0]), prompts, torch.tensor([0, 0]))


@pytest.mark.parametrize("sampler", ["euler", "dpm++", "unipc"])
@pytest.mark.parametrize("side", [SIZE, 2 * SIZE])
def test_the_plain_pipeline_gives_the_same_image(klein, sampler, side):
    ours = diffusion.sample(klein, [CAT], replace(SHORT, sampler=sampler, resolution=side))
    assert furthest(ours[0], drawn_by(stock(klein.folder, sampler), side)) <= ROUNDING


@pytest.mark.parametrize("steps", [3, 50])
@pytest.mark.parametrize("side", [256, 1024, 2048])
def test_noise_levels_are_those_of_the_pipeline(klein, steps, side):
    from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu

    theirs = stock(klein.folder).scheduler
    shift = compute_empirical_mu((side // 16) ** 2, steps)
    theirs.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps), mu=shift)
    ours = klein.solver("euler", steps, side * klein.factor // 16)
    assert torch.allclose(ours.sigmas, theirs.sigmas, atol=1e-6)


@pytest.mark.parametrize("sampler", ["ddim", "pndm"])
def test_a_solver_of_diffusion_alone_is_refused(klein, sampler):
    with pytest.raises(BadInput, match=f"{sampler} does not solve a flow. Choose euler, dpm"):
        diffusion.sample(klein, [CAT], replace(SHORT, sampler=sampler))


def test_prompts_are_chats_of_one_turn_as_in_the_pipeline(klein):
    theirs, _ = stock(klein.folder).encode_prompt(["a forget-me-not", ""])
    assert torch.allclose(klein.encode_prompts(["a forget-me-not", ""]), theirs, atol=1e-6)
    assert klein.too_long("{" * 600) and not klein.too_long("{label}")


def test_pictures_go_into_latents_as_in_the_pipeline_and_come_back(klein):
    pixels = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    theirs = stock(klein.folder)._encode_vae_image(pixels, None)
    ours = klein.encode_images(pixels)
    assert ours.shape[1:] == klein.latent_shape(SIZE) and torch.allclose(ours, theirs, atol=1e-5)
    assert klein.decode(ours).shape == pixels.shape


@pytest.mark.parametrize("sampler", ["euler", "dpm++", "unipc"])
def test_a_little_strength_stays_near_the_source(klein, sampler):
    source = picture(1)
    latents = klein.encode_images(diffusion.to_tensor([source]))
    rebuilt = diffusion.to_png(diffusion.to_uint8(klein.decode(latents)))[0]

    def distance(strength):
        settings = replace(SHORT, strength=strength, inference_steps=10, sampler=sampler)
        return np.abs(
            values(diffusion.sample(klein, [replace(CAT, source=source)], settings)[0]) - values(rebuilt)
        ).mean()

    assert distance(0.1) < distance(0.5) < distance(0.99)


@pytest.mark.parametrize("kind", first_of(ONE_OF_EACH_SORT))
def test_an_adapter_of_each_sort_is_learnt_and_read_by_stock_libraries(klein, tmp_path, kind):
    from peft import PeftModel

    frozen, before = diffusion.sample(klein, [CAT], SHORT)[0], answer(klein)
    recipe = replace(QUICK, method=kind, targets="all", learning_rate=0.05, alpha=4)
    training = lora.Training(klein, photos(klein), recipe, tmp_path)
    assert torch.allclose(answer(klein), before, atol=2e-6)
    list(training.run(100))
    fitted, file = answer(klein), tmp_path / files.FILE
    training.write(file)
    training.close()
    assert torch.equal(answer(klein), before)
    merging.use_adapter(klein, "x", files.read_adapter(file), 1.0)
    assert torch.allclose(answer(klein), fitted, atol=1e-5)
    ours = diffusion.sample(klein, [CAT], SHORT)[0]
    assert np.abs(values(ours) - values(frozen)).mean() > 0.2
    pipe = stock(klein.folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if KINDS[kind].low_rank:
            pipe.load_lora_weights(tmp_path, weight_name=file.name)
        else:
            files.export_peft(file, tmp_path / "out")
            read = PeftModel.from_pretrained(pipe.transformer, tmp_path / "out" / "transformer")
            pipe.transformer = read.merge_and_unload()
    assert furthest(ours, drawn_by(pipe)) <= ROUNDING


def test_the_probe_loss_falls_and_a_stopped_training_ends_as_an_unbroken_one(klein, tmp_path, monkeypatch):
    monkeypatch.setattr(flux2_klein, "_WORDS", 48)  # padding costs the same every time
    klein.forget_prompts()
    recipe = replace(QUICK, steps=8, batch_size=4, prompt_dropout=0.2, representativeness=0.1, diversity=0.1)
    training = lora.Training(klein, photos(klein), recipe, tmp_path / "probed")
    before = training.probe()
    *_, last = training.run(100)
    training.close()
    assert last.probe < before
    whole = trained(klein, tmp_path / "whole", recipe)
    first = lora.Training(klein, photos(klein), recipe, tmp_path / "stopped")
    running = first.run(100)
    next(running), next(running)
    running.close()
    first.close()
    assert trained(klein, tmp_path / "stopped", recipe) == whole


def test_weights_of_diffusion_are_refused_for_a_flow(klein, tmp_path):
    training = lora.Training(klein, photos(klein), replace(QUICK, min_snr_gamma=5.0), tmp_path)
    with pytest.raises(BadInput, match="Min-SNR weights are for models that predict noise or velocity"):
        training.probe()
    training.close()


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("model_index.json", {"is_distilled": True}, "is distilled"),
        ("transformer/config.json", {"guidance_embeds": True}, "is told a guidance scale"),
        ("text_encoder/config.json", {"num_hidden_layers": 12}, "another language model"),
        ("text_encoder/config.json", {"rope_scaling": {"type": "yarn"}}, "scales its positions"),
        ("text_encoder/config.json", {"rope_parameters": {"rope_type": "yarn"}}, "scales its positions"),
        ("text_encoder/config.json", {"rope_parameters": {"rope_theta": "1e6"}}, "scales its positions"),
    ],
)
def test_what_is_not_supported_is_named_with_what_is(folder, file, change, says):
    changed(folder / file, lambda body: body.update(change))
    with pytest.raises(BadInput, match=f"{says}.* Use .*FLUX.2 klein base"):
        backbones.load(folder, CPU)


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ("text_encoder", ["transformers", "AutoModelForCausalLM"]),
        ("tokenizer", ["transformers", "AutoTokenizer"]),
        ("transformer", ["diffusers", "FluxTransformer2DModel"]),
        ("vae", ["diffusers", "AutoencoderKL"]),
    ],
)
def test_a_part_of_another_class_is_refused_by_name(folder, part, named):
    changed(folder / "model_index.json", lambda body: body.update({part: named}))
    with pytest.raises(UnsafeInput, match=f"names .* as its '{part}'"):
        backbones.load(folder, CPU)


def test_a_template_in_the_folder_is_not_run(klein, folder):
    (folder / "tokenizer" / "chat_template.jinja").write_text("{% for a in range(9**9) %}x{% endfor %}")
    changed(folder / "tokenizer" / "tokenizer_config.json", lambda body: body.update(chat_template="{{ 1 / 0 }}"))
    assert torch.equal(loaded(folder).encode_prompts(["a dog"]), klein.encode_prompts(["a dog"]))


def test_its_latents_are_not_matched_and_that_is_said(klein):
    with pytest.raises(BadInput, match="latents of FLUX.2 klein base cannot be matched. Use a Stable Diffusion"):
        klein.autoencoder()
