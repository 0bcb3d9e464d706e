"""Stage 4: the trained parts as one diffusers folder with an open_clip folder inside, float16 safetensors; and back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import open_clip
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from open_clip.tokenizer import default_bpe
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel

from synthstudio.engine.pretrain.clip import CONTEXT, ClipShape, dump, folder_config
from synthstudio.engine.pretrain.unet import NOISE

START, END = "<|startoftext|>", "<|endoftext|>"
PARTS = {
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
}


def write_json(path: Path, value: object) -> None:
    """Indented, with a newline at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def rewrite(part: Path, changes: dict[str, object]) -> None:
    """Change a part's configuration, and forget where on this machine the part was loaded from."""
    config = json.loads((part / "config.json").read_text())
    config.pop("_name_or_path", None)
    write_json(part / "config.json", config | changes)


def write_tokenizer(folder: Path) -> None:
    """A CLIPTokenizer from open_clip's vocabulary file: the same ids."""
    lines = gzip.decompress(Path(default_bpe()).read_bytes()).decode().split("\n")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    folder.mkdir(parents=True, exist_ok=True)
    words = sorted(open_clip.SimpleTokenizer().encoder.items(), key=lambda item: item[1])[:-2]
    vocabulary = dict(words) | {START: len(words), END: len(words) + 1}  # open_clip spells these two otherwise
    packed = json.dumps(vocabulary, ensure_ascii=False, separators=(",", ":"))
    (folder / "vocab.json").write_text(packed, encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": CONTEXT, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", settings | special)
    write_json(folder / "special_tokens_map.json", special)


def write_clip(source: Path, folder: Path) -> None:
    """The open_clip folder."""
    shape = json.loads((source / "shape.json").read_text())
    write_json(
        folder / "open_clip_config.json", folder_config(ClipShape(**{**shape, "layers": tuple(shape["layers"])}))
    )
    state = load_file(source / "model.safetensors")
    halved = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    save_file(halved, folder / "open_clip_model.safetensors")


def write_pipeline(vae: Path, denoiser: Path, folder: Path) -> None:
    """The diffusers folder. `denoiser` is what the `unet` stage left."""
    coder = AutoencoderKL.from_pretrained(vae)
    coder.register_to_config(scaling_factor=json.loads((denoiser / "scale.json").read_text()))
    coder.half().save_pretrained(folder / "vae")
    UNet2DConditionModel.from_pretrained(denoiser / "unet").half().save_pretrained(folder / "unet")
    CLIPTextModel.from_pretrained(denoiser / "text_encoder").half().save_pretrained(folder / "text_encoder")
    rewrite(folder / "text_encoder", {"dtype": "float32"})  # transformers loads in the type named here
    rewrite(folder / "vae", {})
    rewrite(folder / "unet", {})
    DPMSolverMultistepScheduler(**NOISE, steps_offset=1, timestep_spacing="leading").save_pretrained(
        folder / "scheduler"
    )
    write_tokenizer(folder / "tokenizer")
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.35.0", "requires_safety_checker": False}
    write_json(folder / "model_index.json", index | PARTS)


def assemble(vae: Path, clip: Path, denoiser: Path, folder: Path) -> float:
    """Write everything; returns the size in megabytes."""
    with torch.no_grad():
        write_pipeline(vae, denoiser, folder)
        write_clip(clip, folder / "clip")
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def unpack(folder: Path, run: Path) -> None:
    """The parts of a finished folder where the stages leave theirs, so that each can be trained further.

    Only weights come back; optimizer state is not part of a finished folder.
    """
    coder = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    coder.save_pretrained(run / "vae" / "final")
    final = run / "unet" / "final"
    UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).save_pretrained(final / "unet")
    CLIPTextModel.from_pretrained(folder / "text_encoder").float().save_pretrained(final / "text_encoder")
    (final / "scale.json").write_text(json.dumps(coder.config.scaling_factor))
    config = json.loads((folder / "clip" / "open_clip_config.json").read_text())["model_cfg"]
    state = load_file(folder / "clip" / "open_clip_model.safetensors")
    clip = run / "clip" / "final"
    clip.mkdir(parents=True, exist_ok=True)
    save_file({name: value.float() if value.is_floating_point() else value for name, value in state.items()},
              clip / "model.safetensors")  # fmt: skip
    (clip / "shape.json").write_text(json.dumps(dump(ClipShape.of(config))))
