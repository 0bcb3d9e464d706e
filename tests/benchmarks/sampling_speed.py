"""Sampling: images per second of ours, and of one call of the stock pipeline per prompt.

    python tests/benchmarks/sampling_speed.py

Both: the same prompts and seeds, solver, steps and guidance, float32, decoded to images.
"""

import warnings
from pathlib import Path

import bench
import torch

from synthstudio.engine import backbones, devices, diffusion

STEPS, GUIDANCE = 20, 3.0


def pipeline(folder: Path):
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)

    def one(prompt: str, seed: int) -> None:
        noise = torch.Generator().manual_seed(seed)
        pipe(prompt, guidance_scale=GUIDANCE, num_inference_steps=STEPS, generator=noise)

    return one


def main() -> None:
    given = bench.arguments(__doc__.split("\n")[0])
    devices.use_threads(given.threads)
    folder = bench.backbone_folder(given.backbone)
    backbone, one = backbones.load(folder, torch.device("cpu")), pipeline(folder)
    settings = diffusion.Settings(GUIDANCE, STEPS, "dpm++", 1.0, diffusion.side(backbone, None))
    batch = given.batch or diffusion.default_batch(backbone, None)
    prompts = [f"a photo of a {i * 10 // batch}" for i in range(batch)]
    bench.say_machine(folder)
    print(f"Sampling, {STEPS} steps, guidance {GUIDANCE:g}; ours in batches of {batch}, theirs one call per image")

    def ours(turn: int) -> int:
        requests = [diffusion.Request(prompt, "", turn * batch + i) for i, prompt in enumerate(prompts)]
        return len(diffusion.sample(backbone, requests, settings))

    def theirs(turn: int) -> int:
        some = prompts[:: max(1, batch // 8)]
        for i, prompt in enumerate(some):
            one(prompt, turn * batch + i)
        return len(some)

    bench.compare(ours, theirs, given.repetitions, "images")


if __name__ == "__main__":
    main()
