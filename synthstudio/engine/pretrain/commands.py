"""The stages as commands: flags in, folders out."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from open_clip.model import CLIP
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

from synthstudio.engine.pretrain.assemble import assemble as write_folder
from synthstudio.engine.pretrain.assemble import unpack as unpack_folder
from synthstudio.engine.pretrain.cached import embeddings, latents, teacher_maps
from synthstudio.engine.pretrain.clip import ClipShape, ClipStage, dump, load_clip
from synthstudio.engine.pretrain.data import Mixture, load_glyphs, load_source
from synthstudio.engine.pretrain.fonts import readable
from synthstudio.engine.pretrain.glyphs import draw_pool
from synthstudio.engine.pretrain.judge import JudgeStage
from synthstudio.engine.pretrain.loop import Loop, Plan, averaged, say
from synthstudio.engine.pretrain.teacher import load_teacher
from synthstudio.engine.pretrain.unet import Recipe, UnetShape, UnetStage, text_encoder_from
from synthstudio.engine.pretrain.vae import ClipEye, Eye, Schedule, Terms, VaeShape, VaeStage, load_coder
from synthstudio.engine.pretrain.words import WordsShape, WordsStage, load_words, save_words


def best_device() -> str:
    """A GPU when there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def mixture(given: argparse.Namespace) -> Mixture:
    """The sources named by --data and --glyphs."""
    sources = [load_source(path, given.run / "cache", given.split) for path, _ in given.data]
    shares = [share for _, share in given.data]
    if given.glyphs:
        sources.append(load_glyphs(given.glyphs[0]))
        shares.append(given.glyphs[1])
    return Mixture(sources, shares)


def plan(given: argparse.Namespace, weight_decay: float = 0.01) -> Plan:
    """The budget the flags ask for; also sets the number of threads and the seed of fresh weights."""
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    budget = Plan(given.steps, given.minutes, given.rate, ema=given.ema, seed=given.seed, weight_decay=weight_decay)
    return replace(budget, decay_from=given.decay_from)


def glyphs(given: argparse.Namespace) -> None:
    """Draw the pool of letters and digits."""
    fonts = [str(path) for path in readable(given.fonts)]
    papers = load_source(given.papers, given.run / "cache", given.split).pixels if given.papers else None
    say(f"{len(fonts)} readable fonts")
    draw_pool(given.run / "glyphs", fonts, given.count, papers, given.seed)


def eye(given: argparse.Namespace) -> Eye:
    """What --eye names."""
    if given.eye == "teacher":
        return load_teacher(given.run / "cache").to(given.device)
    return ClipEye(load_clip(given.run / "clip" / "final").to(given.device))


def vae(given: argparse.Namespace) -> None:
    """Train the autoencoder, or the finished one further, or only its decoder."""
    folder = given.run / ("decoder" if given.decoder_only else "vae-further" if given.further else "vae")
    budget, shape = plan(given), VaeShape(tuple(given.channels), given.latent)
    finished = given.run / "vae" / "final"
    model = AutoencoderKL.from_pretrained(finished) if given.decoder_only or given.further else shape.build()
    terms = Terms(perceptual=given.perceptual, align=given.align, adversarial=given.adversarial)
    schedule = Schedule(given.crops, given.whole_from, given.adversarial_from, tuple(given.zoom))
    looks = eye(given) if terms.perceptual or terms.align else None
    stage = VaeStage(mixture(given), model, given.batch, given.decoder_only, looks, terms, schedule)
    model.save_config(folder)
    Loop(stage, folder, budget, given.device).run()
    model.save_pretrained(finished if given.further else folder / "final")


def clip(given: argparse.Namespace) -> None:
    """Train the open_clip model."""
    budget, shape = plan(given, weight_decay=0.05), ClipShape(width=given.width, layers=tuple(given.layers))
    stage = ClipStage(mixture(given), shape, given.batch)
    Loop(stage, given.run / "clip", budget, given.device).run()
    final = given.run / "clip" / "final"
    final.mkdir(exist_ok=True)
    save_file(stage.clip.state_dict(), final / "model.safetensors")
    (final / "shape.json").write_text(json.dumps(dump(shape)))


def home(given: argparse.Namespace) -> Path:
    """The folder of the denoiser, or of one arm of an ablation."""
    return given.run / "arms" / given.arm if given.arm else given.run / "unet"


def names_tower(given: argparse.Namespace) -> CLIP:
    """The text tower that the denoiser's text encoder starts from."""
    return load_words(given.run / "words" / "final") if given.words else load_clip(given.run / "clip" / "final")


def recipe(given: argparse.Namespace) -> Recipe:
    """How --spread, --centre, --align and --rich say the denoiser is taught."""
    return Recipe(
        spread=given.spread,
        centre=given.centre,
        align=given.align,
        align_until=given.align_until,
        rich=given.rich,
    )


def unet(given: argparse.Namespace) -> None:
    """Train denoiser and text encoder on latents, or the finished ones further."""
    run, budget, folder = given.run, plan(given), home(given)
    vae, _ = load_coder(given.coder or run / "vae" / "final")
    final, images = folder / "final", mixture(given)
    data, scale = latents(images, vae, run / "latents", given.limit, given.device)
    maps = None
    if given.align:
        teacher = load_teacher(run / "cache").to(given.device)
        maps = teacher_maps(images, teacher, run / "maps", given.limit, given.device)
    if given.further:
        text = CLIPTextModel.from_pretrained(final / "text_encoder")
        denoiser = UNet2DConditionModel.from_pretrained(final / "unet")
    else:
        text = text_encoder_from(names_tower(given))
        shape = UnetShape(tuple(given.channels), given.layers)
        denoiser = shape.build(vae.config.latent_channels, text.config.hidden_size)
    vae.save_pretrained(folder / "vae")
    denoiser.save_config(final / "unet")
    text.config.save_pretrained(final / "text_encoder")
    (final / "scale.json").write_text(json.dumps(scale))
    stage = UnetStage(data, denoiser, text, given.batch, recipe(given), maps)
    Loop(stage, run / "unet-further" if given.further else folder, budget, given.device).run()
    denoiser.save_pretrained(final / "unet")
    text.save_pretrained(final / "text_encoder")


def words(given: argparse.Namespace) -> None:
    """Train a text tower for the teacher."""
    budget, shape = plan(given, weight_decay=0.05), WordsShape(given.width, given.heads, given.layers)
    teacher = load_teacher(given.run / "cache").to(given.device)
    data = embeddings(mixture(given), teacher, given.run / "embeddings", given.limit, given.device)
    stage = WordsStage(data, teacher.cpu(), shape, given.batch)
    Loop(stage, given.run / "words", budget, given.device).run()
    save_words(stage.clip, shape, given.run / "words" / "final")


def unpack(given: argparse.Namespace) -> None:
    """Take a finished folder apart, so that its parts can be trained further."""
    unpack_folder(given.source, given.run)


def assemble(given: argparse.Namespace) -> None:
    """Write the diffusers folder and the open_clip folder."""
    run = given.run
    further = run / "decoder" / "final"
    coder = further if further.exists() else run / "vae" / "final"
    size = write_folder(coder, run / "clip" / "final", run / "unet" / "final", given.out)
    say(f"{given.out}: {size:.1f} MB")


def peek(given: argparse.Namespace) -> None:
    """Export the denoiser as the last checkpoint has it, while training goes on."""
    folder = home(given)
    final = folder / "final"
    values, reached = averaged(folder / "checkpoint.pt")
    denoiser = UNet2DConditionModel.from_config(json.loads((final / "unet" / "config.json").read_text()))
    text = CLIPTextModel(CLIPTextConfig.from_pretrained(final / "text_encoder"))
    for name, module in (("unet", denoiser), ("text_encoder", text)):
        module.load_state_dict({k.removeprefix(f"{name}."): v for k, v in values.items() if k.startswith(f"{name}.")})
        module.save_pretrained(final / name)
    say(f"step {reached['step']}, {reached['minutes']} minutes")


def judge(given: argparse.Namespace) -> None:
    """Train the independent judge."""
    budget, stage = plan(given, weight_decay=0.05), JudgeStage(mixture(given), given.batch)
    Loop(stage, given.run / "judge", budget, given.device).run()
    stage.judge.save(given.run / "judge" / "final")
