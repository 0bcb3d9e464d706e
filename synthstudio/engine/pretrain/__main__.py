"""`python -m synthstudio.engine.pretrain STAGE ...`: one stage per call, in the order they are listed.

    glyphs     draw the pool of letters and digits
    vae        train the autoencoder
    clip       train the open_clip model
    words      train a text tower for the teacher, on its features of the pictures
    unet       train denoiser and text encoder on cached latents
    unpack     take a finished folder apart, to train its parts further
    peek       export the denoiser of the last checkpoint while `unet` trains on
    assemble   write the diffusers folder and the open_clip folder
    judge      train the independent classifier that the base gate asks
    evaluate   measure the gates of the model card
    roundtrip  measure what autoencoders lose of what the teacher sees, also while `vae` trains on
    arms       print the table of an ablation, made by `unet --arm NAME`

Each training stage stops after `--minutes` or `--steps`, may be killed, and resumes when called again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from synthstudio.engine.pretrain import arms, commands, measure, roundtrip


def shared(text: str) -> tuple[Path, float]:
    """`PATH` or `PATH=SHARE`."""
    path, _, share = text.partition("=")
    return Path(path), float(share or 1)


def training(parser: argparse.ArgumentParser, rate: float, batch: int) -> None:
    """The flags that every training stage has."""
    parser.add_argument(
        "--data", type=shared, action="append", default=[], help="parquet file or folder, =share; repeatable"
    )
    parser.add_argument("--glyphs", type=shared, help="pool folder made by `glyphs`, =share")
    parser.add_argument("--split", default="train", help="the only split that is read from parquet files")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate, help="peak learning rate")
    parser.add_argument(
        "--decay-from", type=float, default=0.0, help="share of the budget that is trained at the peak rate"
    )
    parser.add_argument("--ema", type=float, default=0.0, help="decay of the weight average, 0 for none")
    parser.add_argument("--device", default=commands.best_device())
    parser.add_argument("--threads", type=int, default=1, help="torch threads on the CPU")
    parser.add_argument("--seed", type=int, default=0)


def autoencoder(vae: argparse.ArgumentParser) -> None:
    """The flags of the autoencoder."""
    training(vae, 1e-3, 32)
    vae.add_argument("--channels", type=int, nargs="+", default=[16, 32, 64, 128])
    vae.add_argument("--latent", type=int, default=12)
    vae.add_argument(
        "--decoder-only", action="store_true", help="train the decoder of the finished autoencoder further"
    )
    vae.add_argument("--further", action="store_true", help="train the finished autoencoder further")
    vae.add_argument("--eye", choices=("clip", "teacher"), default="clip", help="the finished CLIP, or ImageNet's")
    vae.add_argument("--perceptual", type=float, default=0.0, help="weight of the distance in the eye's features")
    vae.add_argument("--align", type=float, default=0.0, help="weight of reading the eye's features from latents")
    vae.add_argument("--adversarial", type=float, default=0.0, help="weight of the discriminator of patches")
    vae.add_argument("--adversarial-from", type=float, default=2 / 3, help="share of the budget before it starts")
    vae.add_argument("--zoom", type=int, nargs="+", default=[1], help="the eye looks at one of these sizes per step")
    vae.add_argument("--crops", type=float, default=1.0, help="share of the steps that see crops of 32 px")
    vae.add_argument("--whole-from", type=float, default=0.75, help="share of the budget before whole images only")


def text_tower(words: argparse.ArgumentParser) -> None:
    """The flags of the teacher's text tower."""
    training(words, 2e-3, 256)
    words.add_argument("--width", type=int, default=128)
    words.add_argument("--heads", type=int, default=4)
    words.add_argument("--layers", type=int, default=3)
    words.add_argument("--limit", type=int, default=1_000_000, help="images per source that the teacher looks at")


def denoiser(unet: argparse.ArgumentParser) -> None:
    """The flags of the denoiser."""
    training(unet, 1e-3, 64)
    unet.add_argument("--channels", type=int, nargs="+", default=[64, 128])
    unet.add_argument("--layers", type=int, default=1)
    unet.add_argument("--limit", type=int, default=1_000_000, help="images per source that are encoded")
    unet.add_argument("--further", action="store_true", help="train the finished denoiser and text encoder further")
    unet.add_argument("--arm", help="train an arm of an ablation, in arms/ARM")
    unet.add_argument("--coder", type=Path, help="vae folder or checkpoint of `vae`; vae/final when left out")
    unet.add_argument("--words", action="store_true", help="start the text encoder from `words`, not from `clip`")
    unet.add_argument("--rich", action="store_true", help="captions with synonyms, light, colour of the background")
    unet.add_argument("--spread", type=float, default=0.0, help="of logit-normal timesteps; 0 for uniform ones")
    unet.add_argument("--centre", type=float, default=0.0, help="of logit-normal timesteps; above 0, more noise")
    unet.add_argument("--align", type=float, default=0.0, help="weight of the alignment to the teacher's maps")
    unet.add_argument("--align-until", type=float, default=0.5, help="share of the budget after which it stops")


def parser() -> argparse.ArgumentParser:
    """All stages and their flags."""
    top = argparse.ArgumentParser(prog="python -m synthstudio.engine.pretrain", description=__doc__.split("\n")[0])
    top.add_argument("--run", type=Path, default=Path("pretrain-run"), help="folder for caches, checkpoints and logs")
    stages = top.add_subparsers(dest="stage", required=True)

    def stage(name: str, function: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        added = stages.add_parser(name, help=(function.__doc__ or "").split("\n")[0])
        added.set_defaults(function=function)
        return added

    glyphs = stage("glyphs", commands.glyphs)
    glyphs.add_argument(
        "--fonts", type=Path, action="append", required=True, help="folder of .ttf and .otf files; repeatable"
    )
    glyphs.add_argument("--papers", type=Path, help="parquet or folder of photographs to write on")
    glyphs.add_argument("--split", default="train")
    glyphs.add_argument("--count", type=int, default=100_000)
    glyphs.add_argument("--seed", type=int, default=0)

    autoencoder(stage("vae", commands.vae))
    clip = stage("clip", commands.clip)
    training(clip, 2e-3, 64)
    clip.add_argument("--width", type=int, default=20, help="width of the image tower")
    clip.add_argument("--layers", type=int, nargs=4, default=[1, 1, 2, 1], help="blocks of the image tower")
    text_tower(stage("words", commands.words))
    denoiser(stage("unet", commands.unet))
    stage("unpack", commands.unpack).add_argument("--source", type=Path, default=Path("assets/pico"))
    training(stage("judge", commands.judge), 3e-3, 64)
    stage("peek", commands.peek).add_argument("--arm", help="an arm of an ablation")
    stage("assemble", commands.assemble).add_argument("--out", type=Path, default=Path("assets/pico"))
    measure.add_flags(stage("evaluate", measure.run))
    roundtrip.add_flags(stage("roundtrip", roundtrip.run))
    arms.add_flags(stage("arms", arms.run))
    return top


def main() -> None:
    """Run one stage."""
    given = parser().parse_args()
    given.function(given)


if __name__ == "__main__":
    main()
