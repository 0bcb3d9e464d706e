"""LoRA training: images per second of ours, and of a loop written as published DataDream code works.

    python tests/benchmarks/lora_speed.py

Theirs: peft layers, float32, and autoencoder and text encoder run for every image of every step. Ours: latents once,
each distinct prompt of a batch once, factors as hooks. Same backbone, rank, layers, batch, optimiser and clipping.
"""

import tempfile
from pathlib import Path

import bench
import torch
from torch.nn import functional as F

from synthstudio.engine import backbones, devices, diffusion, lora, pixels


def published(folder: Path, shots: list, batch: int):
    """One step of the published loop per call."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
    from peft import LoraConfig
    from transformers import CLIPTextModel

    parts = backbones.load(folder, torch.device("cpu"))
    vae = AutoencoderKL.from_pretrained(folder / "vae").requires_grad_(False)
    unet = UNet2DConditionModel.from_pretrained(folder / "unet").requires_grad_(False)
    text = CLIPTextModel.from_pretrained(folder / "text_encoder").requires_grad_(False)
    noise = DDPMScheduler.from_pretrained(folder / "scheduler")
    layers = parts.targets
    for part, model in (("unet", unet), ("text_encoder", text)):
        targets = list(layers[part]["attention"])
        model.add_adapter(LoraConfig(r=16, lora_alpha=16, init_lora_weights="gaussian", target_modules=targets))
        model.train()
    trainable = [p for model in (unet, text) for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-4, weight_decay=1e-2)
    images = pixels.to_tensor([picture for picture, _ in shots])
    tokens = parts.tokenizer.tokens([f"a photo of a {label}" for _, label in shots], parts.device)

    def step(turn: int) -> int:
        rows = torch.arange(turn * batch, (turn + 1) * batch) % len(shots)
        latents = vae.encode(images[rows]).latent_dist.sample() * vae.config.scaling_factor
        added, t = torch.randn_like(latents), torch.randint(0, 1000, (batch,))
        noised = noise.add_noise(latents, added, t)
        velocity = noise.config.prediction_type == "v_prediction"
        target = noise.get_velocity(latents, added, t) if velocity else added
        loss = F.mse_loss(unet(noised, t, text(tokens[rows])[0], return_dict=False)[0], target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return batch

    return step


def ours(folder: Path, shots: list, batch: int):
    """One step of our loop per call."""
    backbone = backbones.load(folder, torch.device("cpu"))
    mean, deviation = backbone.moments(pixels.to_tensor([picture for picture, _ in shots]))
    views = tuple((row,) for row in range(len(shots)))
    photos = lora.Photos(mean, deviation, views, tuple(f"a photo of a {label}" for _, label in shots))
    recipe = lora.Recipe(steps=100_000, batch_size=batch)
    running = lora.Training(backbone, photos, recipe, Path(tempfile.mkdtemp())).run(checkpoint_every=50)

    def step(turn: int) -> int:
        next(running)
        return batch

    return step


def several(step, times: int):
    return lambda turn: sum(step(turn * times + i) for i in range(times))


def main() -> None:
    given = bench.arguments(__doc__.split("\n")[0])
    devices.use_threads(given.threads)
    folder = bench.backbone_folder(given.backbone)
    batch = given.batch or 8
    side = diffusion.side(backbones.load(folder, torch.device("cpu")), None)
    torch.manual_seed(0)
    shots = bench.digits(160, side)
    bench.say_machine(folder)
    print(f"LoRA training, rank 16, attention of UNet and text encoder, batches of {batch}, 10 classes, 16 shots")
    mine, theirs = ours(folder, shots, batch), published(folder, shots, batch)
    bench.compare(several(mine, 4), several(theirs, 4), given.repetitions, "images")


if __name__ == "__main__":
    main()
