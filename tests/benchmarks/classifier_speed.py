"""Fine-tuning images per second: ours against the loop of the published code, same encoder, same process.

    python tests/benchmarks/classifier_speed.py [--encoder FOLDER] [--steps 10] [--threads 1]

The published loop decodes every file at every step, transforms image by image, and runs the whole tower with LoRA
layers from peft. Ours keeps decoded pixels, augments whole batches, adds LoRA to the weights, and with `views` runs the
frozen part of the tower once per view. CPU seconds are counted, so that a busy machine does not change the ratio.
Also printed: which LoRA factors of peft never get a gradient, because the tower reads the weight and not the layer.
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from PIL import Image
from torchvision import transforms

from synthstudio.engine import encoders
from synthstudio.engine.classifier import Part, Settings, Training
from synthstudio.models import ASSETS

CLASSES, PER_CLASS, BATCH = 10, 16, 32


def pictures(size: int) -> list[bytes]:
    """Noise as PNG files: the time to read an image, not its content, is measured."""
    random = np.random.default_rng(0)
    files = []
    for _ in range(CLASSES * PER_CLASS):
        out = io.BytesIO()
        Image.fromarray(random.integers(0, 255, (size, size, 3), dtype=np.uint8)).save(out, "PNG")
        files.append(out.getvalue())
    return files


def seconds_per_step(step: Callable[[], object], steps: int) -> float:
    """CPU seconds, after one step to warm up."""
    step()
    start = time.process_time()
    for _ in range(steps):
        step()
    return (time.process_time() - start) / steps


def published(
    folder: Path, files: list[bytes], labels: torch.Tensor, texts: list[str]
) -> tuple[Callable[[], object], list[str]]:
    """A step as the published loop makes it, and the names of the LoRA factors it never reaches."""
    encoder = encoders.load(folder, torch.device("cpu"))
    layers = [name for name, module in encoder.model.named_modules()
              if isinstance(module, torch.nn.MultiheadAttention | torch.nn.Conv2d)
              or (isinstance(module, torch.nn.Linear) and "attnpool" in name)]  # fmt: skip
    model = get_peft_model(encoder.model, LoraConfig(r=16, lora_alpha=32, target_modules=layers)).eval()
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=1e-4)
    size = encoder.pixels(files[:1]).shape[-1]
    transform = transforms.Compose([
        transforms.RandAugment(), transforms.RandomResizedCrop(size, (0.25, 1)),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8), transforms.RandomGrayscale(0.2),
        transforms.RandomApply([transforms.GaussianBlur(3, (0.1, 2))], 0.2), transforms.ToTensor(),
    ])  # fmt: skip
    tokens = encoder.tokens(texts)

    def step() -> None:
        places = torch.randint(len(files), (BATCH,))
        batch = torch.stack([transform(Image.open(io.BytesIO(files[place])).convert("RGB")) for place in places])
        image = F.normalize(model.encode_image(encoder.normalised(batch)), dim=-1)
        text = F.normalize(model.encode_text(tokens), dim=-1)
        optimizer.zero_grad()
        F.cross_entropy(encoder.scale * image @ text.T, labels[places]).backward()
        optimizer.step()

    step()
    return step, sorted(name for name, weight in trained.items() if weight.grad is None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", type=Path, default=ASSETS / "pico" / "clip")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    encoder = encoders.load(given.encoder, torch.device("cpu"))
    files = pictures(encoder.pixels([pictures(64)[0]]).shape[-1])
    labels = torch.arange(len(files)) % CLASSES
    texts = [f"a photo of a {number}" for number in range(CLASSES)]
    theirs, unreached = published(given.encoder, files, labels, texts)
    base = seconds_per_step(theirs, given.steps)
    print(f"{'published loop':<44} {BATCH / base:8.1f} images/s")
    print(f"  its LoRA factors without a gradient: {len(unreached)} {unreached[:2]}")
    part = Part(tuple(str(number) for number in range(len(files))), encoder.pixels(files), labels)
    for targets, depth, views in (("all", None, 0), ("all", 2, 8), ("attention", None, 8)):
        settings = Settings(training_steps=given.steps + 1, batch_size=BATCH, seed=0, targets=targets, depth=depth,
                            views=views, augmentation="strong")  # fmt: skip
        training = Training(encoder, {"real": part}, texts, settings)
        start = time.process_time()
        drawn = sum(1 for _ in training.prepare())
        once = time.process_time() - start
        ours = seconds_per_step(training.advance, given.steps)
        name = f"ours, targets={targets} depth={depth} views={views}"
        print(f"{name:<44} {BATCH / ours:8.1f} images/s  {base / ours:5.1f}x"
              + (f"   (+ {once:.1f} s once for the views)" if drawn else ""))  # fmt: skip


if __name__ == "__main__":
    main()
