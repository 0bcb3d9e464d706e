"""Folders of text-to-image models small enough for a test: real architectures, random weights, CLIP's tokenizer."""

import gzip
import json
from pathlib import Path

import open_clip
import torch

SIZE = 32  # pixels; latents are 4 channels of 8x8
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def write_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> None:
    """A CLIP tokenizer from the vocabulary that open_clip bundles; `pad` fills up short prompts."""
    from transformers import CLIPTokenizer

    source = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(source.read_bytes()).decode().split("\n")
    merges = lines[1 : 49152 - 256 - 2 + 1]
    renamed = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    words = {renamed.get(word, word): i for word, i in open_clip.tokenizer.SimpleTokenizer().encoder.items()}
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    tokenizer = CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        pad_token=pad,
        model_max_length=77,
    )
    tokenizer.save_pretrained(folder)
    (folder / "tokenizer.json").unlink()  # as the folders of Stable Diffusion are; it takes five times as long to read


def write_stable_diffusion(folder: Path, prediction: str = "epsilon", linear: bool = False, seed: int = 0) -> Path:
    """A diffusers folder of the Stable-Diffusion family; `linear` has linear projections, as SD 2 does."""
    from diffusers import DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=SIZE // 4,
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=16,
            attention_head_dim=(2, 4) if linear else 8,
            norm_num_groups=4,
            use_linear_projection=linear,
        )
        vae = _autoencoder()
        text = CLIPTextModel(_text_config(hidden_size=16, intermediate_size=32))
    scheduler = DDIMScheduler(**NOISE, clip_sample=False, set_alpha_to_one=False, prediction_type=prediction)
    unet.save_pretrained(folder / "unet")
    vae.save_pretrained(folder / "vae")
    text.save_pretrained(folder / "text_encoder")
    scheduler.save_pretrained(folder / "scheduler")
    write_tokenizer(folder / "tokenizer")
    parts = {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
    }
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1", **parts}
    (folder / "model_index.json").write_text(json.dumps({**index, "requires_safety_checker": False}))
    return folder


def write_sdxl(folder: Path, prediction: str = "epsilon", seed: int = 0, zeros: bool = True) -> Path:
    """A diffusers folder of Stable Diffusion XL: two text encoders of different width, a UNet that is told sizes.

    With `zeros` an empty prompt is zeros, as the base model says of itself.
    """
    from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=SIZE // 4,
            block_out_channels=(16, 32),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2),
            cross_attention_dim=16 + 24,
            attention_head_dim=(2, 4),
            norm_num_groups=4,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=20 + 6 * 8,
        )
        vae = _autoencoder(scaling_factor=0.13025)
        text = CLIPTextModel(_text_config(hidden_size=16, intermediate_size=32, eos_token_id=2))
        config = _text_config(hidden_size=24, intermediate_size=48, projection_dim=20, hidden_act="gelu")
        second = CLIPTextModelWithProjection(config)
    scheduler = EulerDiscreteScheduler(**NOISE, timestep_spacing="leading", prediction_type=prediction)
    for name, one in {"unet": unet, "vae": vae, "text_encoder": text, "text_encoder_2": second}.items():
        one.save_pretrained(folder / name)
    scheduler.save_pretrained(folder / "scheduler")
    write_tokenizer(folder / "tokenizer")
    write_tokenizer(folder / "tokenizer_2", pad="!")
    parts = {
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "image_encoder": [None, None],
        "feature_extractor": [None, None],
    }
    index = {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1", **parts}
    (folder / "model_index.json").write_text(json.dumps({**index, "force_zeros_for_empty_prompt": zeros}))
    return folder


def _autoencoder(**more):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=SIZE,
        **more,
    )


def _text_config(**more):
    from transformers import CLIPTextConfig

    ends = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
    return CLIPTextConfig(vocab_size=49408, num_hidden_layers=2, num_attention_heads=2, **{**ends, **more})


CHAT = (  # of one turn, without thinking, as Qwen3 writes it
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{{- '<|im_start|>assistant\\n' }}{{- '<think>\\n\\n</think>\\n\\n' }}"
)


def write_flux2_klein(folder: Path, seed: int = 0) -> Path:
    """A diffusers folder of FLUX.2 klein: a tiny transformer, a language model of 28 thin layers, letters as tokens."""
    from diffusers import AutoencoderKLFlux2, FlowMatchEulerDiscreteScheduler, Flux2Transformer2DModel
    from transformers import Qwen3Config, Qwen3ForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=3 * 16,
            axes_dims_rope=(4, 4, 4, 4),
            timestep_guidance_channels=16,
            guidance_embeds=False,
        )
        vae = AutoencoderKLFlux2(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=4,
            sample_size=SIZE,
        )
        vae.bn.running_mean.normal_()
        vae.bn.running_var.uniform_(0.5, 2)
        words = write_letters(folder / "tokenizer")
        text = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=words,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=28,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=8,
                tie_word_embeddings=True,
            )
        )
    shifted = {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, **shifted)
    for name, one in {"transformer": transformer, "vae": vae, "text_encoder": text, "scheduler": scheduler}.items():
        one.save_pretrained(folder / name)
    parts = {
        "transformer": ["diffusers", "Flux2Transformer2DModel"],
        "vae": ["diffusers", "AutoencoderKLFlux2"],
        "text_encoder": ["transformers", "Qwen3ForCausalLM"],
        "tokenizer": ["transformers", "Qwen2TokenizerFast"],
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    }
    index = {"_class_name": "Flux2KleinPipeline", "_diffusers_version": "0.42.1", **parts, "is_distilled": False}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def write_letters(folder: Path) -> int:
    """A byte-level tokenizer without merges; returns how many tokens it knows."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    words = {letter: place for place, letter in enumerate(sorted(ByteLevel.alphabet()))}
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    words |= {word: len(words) + place for place, word in enumerate(special)}
    tokenizer = Qwen2Tokenizer(vocab=words, merges=[], additional_special_tokens=special[1:3])
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(folder)
    return len(tokenizer)
