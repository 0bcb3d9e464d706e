"""Text-to-image folders with random weights: the published widths, or the same structure an eighth as wide.

The numbers are those of the published configurations (stable-diffusion-v1-5, stable-diffusion-2-1-base,
stable-diffusion-xl-base-1.0 and FLUX.2-klein-base-4B). A file is written tensor by tensor in half precision, so no
network is ever in memory.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bench  # noqa: F401 - finds the package
import torch

from synthstudio import weightfile
from tests.engine.tiny import NOISE, write_letters, write_tokenizer

_DOWN, _CROSS_DOWN = "DownBlock2D", "CrossAttnDownBlock2D"
_UP, _CROSS_UP = "UpBlock2D", "CrossAttnUpBlock2D"
_UNET = {
    "sample_size": 64, "block_out_channels": (320, 640, 1280, 1280), "norm_num_groups": 32,
    "down_block_types": (_CROSS_DOWN,) * 3 + (_DOWN,), "up_block_types": (_UP,) + (_CROSS_UP,) * 3,
}  # fmt: skip
_VAE = {
    "block_out_channels": (128, 256, 512, 512), "latent_channels": 4, "norm_num_groups": 32, "sample_size": 512,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2, "scaling_factor": 0.18215,
}  # fmt: skip
_CLIP_L = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "projection_dim": 768, "hidden_act": "quick_gelu", "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
}  # fmt: skip
_CLIP_H = {**_CLIP_L, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23,
           "num_attention_heads": 16, "projection_dim": 512, "hidden_act": "gelu"}  # fmt: skip
_CLIP_G = {**_CLIP_L, "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
           "num_attention_heads": 20, "projection_dim": 1280, "hidden_act": "gelu"}  # fmt: skip

Parts = dict[str, tuple[str, str, dict[str, Any]]]  # by part: library, class, configuration

FAMILIES: Mapping[str, tuple[str, Parts]] = {
    "sd15": ("StableDiffusionPipeline", {
        "unet": ("diffusers", "UNet2DConditionModel", {**_UNET, "cross_attention_dim": 768, "attention_head_dim": 8}),
        "vae": ("diffusers", "AutoencoderKL", _VAE),
        "text_encoder": ("transformers", "CLIPTextModel", _CLIP_L),
    }),
    "sd21": ("StableDiffusionPipeline", {
        "unet": ("diffusers", "UNet2DConditionModel", {
            **_UNET, "cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True,
        }),
        "vae": ("diffusers", "AutoencoderKL", _VAE),
        "text_encoder": ("transformers", "CLIPTextModel", _CLIP_H),
    }),
    "sdxl": ("StableDiffusionXLPipeline", {
        "unet": ("diffusers", "UNet2DConditionModel", {
            **_UNET, "sample_size": 128, "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
            "down_block_types": (_DOWN, _CROSS_DOWN, _CROSS_DOWN), "up_block_types": (_CROSS_UP, _CROSS_UP, _UP),
            "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
            "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        }),
        "vae": ("diffusers", "AutoencoderKL", {**_VAE, "sample_size": 1024, "scaling_factor": 0.13025}),
        "text_encoder": ("transformers", "CLIPTextModel", _CLIP_L),
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection", _CLIP_G),
    }),
    "flux2-klein": ("Flux2KleinPipeline", {
        "transformer": ("diffusers", "Flux2Transformer2DModel", {
            "in_channels": 128, "num_layers": 5, "num_single_layers": 20, "attention_head_dim": 128,
            "num_attention_heads": 24, "joint_attention_dim": 7680, "guidance_embeds": False,
        }),
        "vae": ("diffusers", "AutoencoderKLFlux2", {
            name: value for name, value in _VAE.items() if name not in ("latent_channels", "scaling_factor")
        }),
        "text_encoder": ("transformers", "Qwen3ForCausalLM", {
            "vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True,
        }),
    }),
}  # fmt: skip

_WIDTHS = {
    *("block_out_channels", "cross_attention_dim", "addition_time_embed_dim", "projection_class_embeddings_input_dim"),
    *("hidden_size", "intermediate_size", "projection_dim", "norm_num_groups", "joint_attention_dim"),
}
_HEADS = {"num_attention_heads", "num_key_value_heads"}
_COUNTER = "num_batches_tracked"  # of a batch normalisation: a whole number
_NARROWER, _SMALLER = 8, 4  # what `small` divides widths and sides by


def parts_of(family: str, size: str) -> Parts:
    """The parts of a family in full, or narrow and for small pictures."""
    found = FAMILIES[family][1]
    if size == "full":
        return found
    return {part: (library, cls, _narrow(config)) for part, (library, cls, config) in found.items()}


def empty(library: str, cls: str, config: Mapping[str, Any]) -> torch.nn.Module:
    """The network without numbers."""
    import diffusers
    import transformers

    with torch.device("meta"):
        if library == "diffusers":
            return getattr(diffusers, cls)(**config)
        settings = transformers.Qwen3Config if cls.startswith("Qwen3") else transformers.CLIPTextConfig
        return getattr(transformers, cls)(settings(**config))


def write(folder: Path, family: str, size: str) -> int:
    """Write the folder; returns how many numbers its networks hold."""
    parts, count = parts_of(family, size), 0
    for part, (library, cls, config) in parts.items():
        network = empty(library, cls, config)
        count += sum(tensor.numel() for tensor in network.parameters())
        (folder / part).mkdir(parents=True)
        name = "diffusion_pytorch_model" if library == "diffusers" else "model"
        _write_weights(folder / part / f"{name}.safetensors", network)
        if library == "diffusers":
            network.save_config(folder / part)
        else:
            network.config.save_pretrained(folder / part)
    index = {part: [library, cls] for part, (library, cls, _) in parts.items()}
    index |= _words(folder, parts) | _schedule(folder, "transformer" in parts)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": FAMILIES[family][0], **index}))
    return count


def _words(folder: Path, parts: Parts) -> dict[str, list[str]]:
    """Tokenizers: CLIP's own, or one of single letters where the language model is Qwen's."""
    index = {}
    for part, (_, cls, _) in parts.items():
        name = part.replace("text_encoder", "tokenizer")
        if cls.startswith("CLIP"):
            write_tokenizer(folder / name, pad="!" if name == "tokenizer_2" else "<|endoftext|>")
            index[name] = ["transformers", "CLIPTokenizer"]
        elif cls.startswith("Qwen3"):
            write_letters(folder / name)
            index[name] = ["transformers", "Qwen2Tokenizer"]
    return index


def _schedule(folder: Path, flow: bool) -> dict[str, list[str]]:
    (folder / "scheduler").mkdir()
    said = (
        {"num_train_timesteps": 1000, "use_dynamic_shifting": True} if flow else {**NOISE, "prediction_type": "epsilon"}
    )
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(said))
    return {"scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler" if flow else "DDIMScheduler"]}


def _narrow(config: Mapping[str, Any]) -> dict[str, Any]:
    def divided(value: Any, by: int) -> Any:
        return tuple(one // by for one in value) if isinstance(value, tuple) else value // by

    fixed = "head_dim" in config or "joint_attention_dim" in config  # heads of one width: fewer of them
    widths = _WIDTHS | _HEADS if fixed else _WIDTHS
    small = {name: divided(value, _NARROWER) if name in widths else value for name, value in config.items()}
    if "sample_size" in small:
        small |= {"sample_size": small["sample_size"] // _SMALLER, "norm_num_groups": 4}
    return small


def _write_weights(path: Path, network: torch.nn.Module) -> None:
    """Random weights that keep signals about as large as they are; norms scale by one, biases are zero."""
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    shapes.pop("lm_head.weight", None)  # the embedding once more; nothing here is spoken
    chance = torch.Generator().manual_seed(0)

    def made(name: str) -> bytes:
        shape = shapes[name]
        if name.endswith(_COUNTER):
            return bytes(8)
        if len(shape) > 1:
            fan_in = math.prod(shape[1:]) if "embedding.weight" not in name else shape[1]
            numbers = torch.randn(shape, generator=chance).div_(math.sqrt(fan_in))
        else:
            numbers = torch.full(shape, float(name.endswith(("weight", "running_var"))))
        return numbers.half().numpy().tobytes()

    sizes = {
        name: ("I64", shape, 8) if name.endswith(_COUNTER) else ("F16", shape, 2 * math.prod(shape))
        for name, shape in shapes.items()
    }
    weightfile.stream(path, sizes, made, {"format": "pt"})
