"""The stages as commands: flags in, folders out."""

from __future__ import annotations

import argparse

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file

from synthstudio.engine.pretrain.assemble import assemble as write_folder
from synthstudio.engine.pretrain.clip import ClipShape, ClipStage, dump, load_clip
from synthstudio.engine.pretrain.data import Mixture, load_glyphs, load_source
from synthstudio.engine.pretrain.fonts import readable
from synthstudio.engine.pretrain.glyphs import draw_pool
from synthstudio.engine.pretrain.judge import JudgeStage
from synthstudio.engine.pretrain.loop import Loop, Plan
from synthstudio.engine.pretrain.unet import UnetShape, UnetStage, text_encoder_from
from synthstudio.engine.pretrain.vae import VaeShape, VaeStage, latents


def best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def mixture(given: argparse.Namespace) -> Mixture:
    """The sources named by --data and --glyphs."""
    sources = [load_source(path, given.run / "cache", given.split) for path, _ in given.data]
    shares = [share for _, share in given.data]
    if given.glyphs:
        sources.append(load_glyphs(given.glyphs[0]))
        shares.append(given.glyphs[1])
    return Mixture(sources, shares)


def plan(given: argparse.Namespace, **more: float) -> Plan:
    torch.set_num_threads(given.threads)
    return Plan(given.steps, given.minutes, given.rate, ema=given.ema, seed=given.seed, **more)


def glyphs(given: argparse.Namespace) -> None:
    """Draw the pool of letters and digits."""
    fonts = [str(path) for path in readable(given.fonts)]
    papers = load_source(given.papers, given.run / "cache", given.split).pixels if given.papers else None
    print(f"{len(fonts)} readable fonts", flush=True)
    draw_pool(given.run / "glyphs", fonts, given.count, papers, given.seed)


def vae(given: argparse.Namespace) -> None:
    """Train the autoencoder, or only its decoder further."""
    folder = given.run / ("decoder" if given.decoder_only else "vae")
    shape = VaeShape(tuple(given.channels), given.latent)
    start = AutoencoderKL.from_pretrained(given.run / "vae" / "final") if given.decoder_only else shape.build()
    loop = Loop(VaeStage(mixture(given), start, given.batch, given.decoder_only), folder, plan(given), given.device)
    loop.run()
    loop.averaged()["vae"].save_pretrained(folder / "final")


def clip(given: argparse.Namespace) -> None:
    """Train the open_clip model."""
    shape = ClipShape(width=given.width, layers=tuple(given.layers))
    loop = Loop(ClipStage(mixture(given), shape, given.batch), given.run / "clip", plan(given, weight_decay=0.05), given.device)
    loop.run()
    final = given.run / "clip" / "final"
    final.mkdir(exist_ok=True)
    save_file(loop.averaged()["clip"].state_dict(), final / "model.safetensors")
    (final / "shape.json").write_text(json.dumps(dump(shape)))


def unet(given: argparse.Namespace) -> None:
    """Train denoiser and text encoder on latents."""
    run, start = given.run, plan(given)
    vae = AutoencoderKL.from_pretrained(run / "vae" / "final").eval()
    shape = UnetShape(tuple(given.channels), given.layers)
    text = text_encoder_from(load_clip(run / "clip" / "final"))
    denoiser = shape.build(vae.config.latent_channels, text.config.hidden_size)
    data, scale = latents(mixture(given), vae, run / "latents", given.limit, given.device)
    final = run / "unet" / "final"
    final.mkdir(parents=True, exist_ok=True)
    (final / "scale.json").write_text(json.dumps(scale))
    loop = Loop(UnetStage(data, denoiser, text, given.batch), run / "unet", start, given.device)
    loop.run()
    for name, module in loop.averaged().items():
        module.save_pretrained(final / name)


def assemble(given: argparse.Namespace) -> None:
    """Write the diffusers folder and the open_clip folder."""
    run = given.run
    coder = run / "decoder" / "final"
    size = write_folder(coder if coder.exists() else run / "vae" / "final", run / "clip" / "final", run / "unet" / "final", given.out)
    print(f"{given.out}: {size:.1f} MB")


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
    print(f"step {state['step']}, {state['seconds'] / 60:.1f} minutes")


def judge(given: argparse.Namespace) -> None:
    """Train the independent judge."""
    loop = Loop(JudgeStage(mixture(given), given.batch), given.run / "judge", plan(given, weight_decay=0.05), given.device)
    loop.run()
    loop.averaged()["judge"].save(given.run / "judge" / "final")
