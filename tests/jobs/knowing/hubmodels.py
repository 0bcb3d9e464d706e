"""A repository of the Hub with a model in it, as people publish one."""

import json

INDEX = {
    "_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "feature_extractor": ["transformers", "CLIPImageProcessor"], "image_encoder": [None, None],
}  # fmt: skip
CARD = b"---\nlicense: openrail\ntags:\n- x\n---\n# A model\nlicense: not this\n"
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
HALF = {
    "model_index.json", "README.md", "tokenizer/vocab.json", "scheduler/scheduler_config.json", "unet/config.json",
    "vae/config.json", "text_encoder/config.json", UNET, "vae/diffusion_pytorch_model.safetensors",
    "text_encoder/model.fp16.safetensors",
}  # fmt: skip


def files_of(weights):
    """As a repository of Stable Diffusion is: every part several times, and much that is never read."""
    names = ("unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model")
    files = {f"{name}.safetensors": weights("F32", 20_000, n) for n, name in enumerate(names)}
    files |= {UNET: weights("F16", 1_500_000, 9), f"{names[2]}.fp16.safetensors": weights("F16", 20_000, 2)}
    files |= {
        "unet/diffusion_pytorch_model.non_ema.safetensors": weights("F32", 20_000, 5),
        "unet/diffusion_pytorch_model.bin": b"pickle" * 999, "unet/openvino_model.bin": b"x",
        "unet/diffusion_flax_model.msgpack": b"x", "safety_checker/model.safetensors": weights("F32", 20_000, 6),
        "v1-5-pruned.safetensors": weights("F32", 20_000, 7), "v1-5-pruned-emaonly.ckpt": b"pickle",
        "model_index.json": json.dumps(INDEX).encode(), "README.md": CARD, "tokenizer/vocab.json": b'{"a": 1}',
        "modeling.py": b"print('code')", ".gitattributes": b"",
    }  # fmt: skip
    for part in INDEX.keys() - {"_class_name", "tokenizer", "image_encoder"}:
        name = {"scheduler": "scheduler_config", "feature_extractor": "preprocessor_config"}.get(part, "config")
        files[f"{part}/{name}.json"] = json.dumps({"of": part}).encode()
    return files
