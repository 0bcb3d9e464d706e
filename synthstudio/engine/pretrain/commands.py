"""The stages as commands: flags in, folders out."""

from __future__ import annotations

import argparse
import json

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel

from synthstudio.engine.pretrain.assemble import assemble as write_folder
from synthstudio.engine.pretrain.assemble import unpack as unpack_folder
from synthstudio.engine.pretrain.clip import ClipShape, ClipStage, dump, load_clip
from synthstudio.engine.pretrain.data import Mixture, load_glyphs, load_source
from synthstudio.engine.pretrain.fonts import readable
from synthstudio.engine.pretrain.glyphs import draw_pool
from synthstudio.engine.pretrain.judge import JudgeStage
from synthstudio.engine.pretrain.loop import Loop, Plan, say
from synthstudio.engine.pretrain.unet import UnetShape, UnetStage, text_encoder_from
from synthstudio.engine.pretrain.vae import Perception, VaeShape, VaeStage, latents


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
    return Plan(given.steps, given.minutes, given.rate, ema=given.ema, seed=given.seed, weight_decay=weight_decay)


def glyphs(given: argparse.Namespace) -> None:
    """Draw the pool of letters and digits."""
    fonts = [str(path) for path in readable(given.fonts)]
    papers = load_source(given.papers, given.run / "cache", given.split).pixels if given.papers else None
    say(f"{len(fonts)} readable fonts")
    draw_pool(given.run / "glyphs", fonts, given.count, papers, given.seed)


def vae(given: argparse.Namespace) -> None:
    """Train the autoencoder, or the finished one further, or only its decoder."""
    folder = given.run / ("decoder" if given.decoder_only else "vae-further" if given.further else "vae")
    budget, shape = plan(given), VaeShape(tuple(given.channels), given.latent)
    finished = given.run / "vae" / "final"
    model = AutoencoderKL.from_pretrained(finished) if given.decoder_only or given.further else shape.build()
    perception = None
    if given.perceptual:
        tower = Perception(load_clip(given.run / "clip" / "final").to(given.device))
        perception = (tower, given.perceptual)
    stage = VaeStage(mixture(given), model, given.batch, given.decoder_only, perception)
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


def unet(given: argparse.Namespace) -> None:
    """Train denoiser and text encoder on latents, or the finished ones further."""
    run, budget = given.run, plan(given)
    vae = AutoencoderKL.from_pretrained(run / "vae" / "final").eval()
    final = run / "unet" / "final"
    data, scale = latents(mixture(given), vae, run / "latents", given.limit, given.device)
    if given.further:
        text = CLIPTextModel.from_pretrained(final / "text_encoder")
        denoiser = UNet2DConditionModel.from_pretrained(final / "unet")
    else:
        text = text_encoder_from(load_clip(run / "clip" / "final"))
        shape = UnetShape(tuple(given.channels), given.layers)
        denoiser = shape.build(vae.config.latent_channels, text.config.hidden_size)
    final.mkdir(parents=True, exist_ok=True)
    (final / "scale.json").write_text(json.dumps(scale))
    folder = run / ("unet-further" if given.further else "unet")
    Loop(UnetStage(data, denoiser, text, given.batch), folder, budget, given.device).run()
    denoiser.save_pretrained(final / "unet")
    text.save_pretrained(final / "text_encoder")


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
    folder = given.run / "unet"
    state = torch.load(folder / "checkpoint.pt", map_location="cpu", weights_only=True)
    values = state["modules"] | state["average"]
    vae = AutoencoderKL.from_pretrained(given.run / "vae" / "final")
    text = text_encoder_from(load_clip(given.run / "clip" / "final"))
    denoiser = UnetShape(tuple(given.channels), given.layers).build(vae.config.latent_channels, text.config.hidden_size)
    for name, module in (("unet", denoiser), ("text_encoder", text)):
        module.load_state_dict({k.removeprefix(f"{name}."): v for k, v in values.items() if k.startswith(f"{name}.")})
        module.save_pretrained(folder / "final" / name)
    say(f"step {state['step']}, {state['seconds'] / 60:.1f} minutes")


def judge(given: argparse.Namespace) -> None:
    """Train the independent judge."""
    budget, stage = plan(given, weight_decay=0.05), JudgeStage(mixture(given), given.batch)
    Loop(stage, given.run / "judge", budget, given.device).run()
    stage.judge.save(given.run / "judge" / "final")
