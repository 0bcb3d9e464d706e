"""The shipped folder: small, complete, loadable offline by the tools people use, and it knows a 3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from diffusers import StableDiffusionPipeline
from open_clip.model import CLIP

PICO = Path(__file__).parents[2] / "assets" / "pico"


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained(PICO, local_files_only=True)
    loaded.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture(scope="module")
def clip() -> CLIP:
    return open_clip.create_model_and_transforms(f"local-dir:{PICO / 'clip'}")[0].eval()


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in PICO.rglob("*") if file.is_file()) <= 40e6


def test_weights_are_safetensors_only() -> None:
    assert not [f for f in PICO.rglob("*") if f.suffix in {".bin", ".pt", ".pth", ".pkl", ".ckpt"}]


def test_parts_load_as_float32(pipe: StableDiffusionPipeline, clip: CLIP) -> None:
    modules = pipe.vae, pipe.unet, pipe.text_encoder, clip
    assert {p.dtype for module in modules for p in module.parameters()} == {torch.float32}


def test_tokenizers_agree(pipe: StableDiffusionPipeline) -> None:
    texts = ["a photo of a 3", "lily of the valley", "a handwritten, white-on-black digit 7!", "it's É 漢字 🙂", ""]
    theirs = open_clip.get_tokenizer(f"local-dir:{PICO / 'clip'}")(texts)
    ours = pipe.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    assert ours.shape == theirs.shape == (len(texts), 32)
    for mine, other in zip(ours.tolist(), theirs.tolist(), strict=True):
        end = other.index(49407) + 1
        assert mine[:end] == other[:end] and set(mine[end:]) <= {49407}


def test_words_it_never_saw_stay_apart(clip: CLIP) -> None:
    rows = clip.token_embedding.weight.detach()
    assert len(torch.unique(rows[::97], dim=0)) == len(rows[::97])


def test_asked_for_a_3_it_draws_what_its_clip_calls_a_3(pipe: StableDiffusionPipeline, clip: CLIP) -> None:
    noise = [torch.Generator().manual_seed(i) for i in range(24)]
    made = pipe(
        ["a photo of a 3"] * 24, num_inference_steps=15, guidance_scale=4.0, generator=noise, output_type="np"
    ).images
    pictures = torch.from_numpy(np.ascontiguousarray(made)).permute(0, 3, 1, 2) * 2 - 1
    tokens = open_clip.get_tokenizer(f"local-dir:{PICO / 'clip'}")([f"a photo of a {i}" for i in range(10)])
    with torch.no_grad():
        answers = (clip.encode_image(pictures, normalize=True) @ clip.encode_text(tokens, normalize=True).T).argmax(1)
    assert (answers == 3).float().mean() > 0.5  # chance is 0.1
