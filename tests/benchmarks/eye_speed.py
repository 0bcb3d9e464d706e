"""How fast the bundled eye looks at photographs, next to a plain loop over timm; and how fast a probe is fitted.

    python tests/benchmarks/eye_speed.py [--threads 2] [--images 96]

Both sides read the same JPEG files of 320 x 240 px and embed them at 160 px, in turn, in one run. The plain loop is
what timm's own documentation shows: open, transform, one image at a time through the network.
"""

import argparse
import io
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import timm  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

from synthstudio import packages  # noqa: E402
from synthstudio.engine import encoders, packaged, probe  # noqa: E402
from tests.benchmarks.bench import compare, say_machine  # noqa: E402


def photographs(count: int) -> list[bytes]:
    """JPEG files with some structure: what decoding and resizing cost does not depend on what they show."""
    random = np.random.default_rng(0)
    files = []
    for _ in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        out = io.BytesIO()
        coarse.resize((320, 240), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        files.append(out.getvalue())
    return files


def plain(folder: Path, files: list[bytes]):
    """The loop of timm's documentation over the same weights at the same size."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(encoders.load_file(folder / packaged.WEIGHTS))
    network.reset_classifier(0)
    network.eval()
    wanted = {"input_size": (3, 160, 160), "mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic",
              "crop_pct": 1.0}  # fmt: skip
    transform = timm.data.create_transform(**wanted, is_training=False)

    def run(_: int) -> int:
        with torch.no_grad():
            for file in files:
                network(transform(Image.open(io.BytesIO(file)).convert("RGB")).unsqueeze(0))
        return len(files)

    return run


def ours(folder: Path, files: list[bytes]):
    """As a Step does: batches, the next one decoded while this one is looked at."""
    eye = encoders.load(folder, torch.device("cpu"))
    size = eye.batch(0)
    parts = [files[start : start + size] for start in range(0, len(files), size)]

    def run(_: int) -> int:
        with ThreadPoolExecutor(1) as reader:
            waiting = reader.submit(eye.pixels, parts[0])
            for number in range(len(parts)):
                shown = waiting.result()
                if number + 1 < len(parts):
                    waiting = reader.submit(eye.pixels, parts[number + 1])
                eye.embed_images(shown)
        return len(files)

    return run


def probe_speed() -> None:
    """5,000 embeddings of ten classes: choosing the penalty, and the fit."""
    random = np.random.default_rng(0)
    labels = np.arange(5000) % 10
    centres = random.normal(size=(10, 1280))
    vectors = encoders.unit((3 + 0.6 * centres[labels] + 2.5 * random.normal(size=(5000, 1280))).astype(np.float32))
    part = probe.Examples(vectors, labels)
    wall, cpu = time.perf_counter(), time.process_time()
    penalty, _ = probe.best_penalty(part, None, 10, scale=1.0)
    probe.fit({"real": part}, None, 10, scale=1.0, penalty=penalty, real_weight=1.0)
    print(f"probe on 5,000 embeddings: {time.perf_counter() - wall:.2f} s by the clock, "
          f"{time.process_time() - cpu:.2f} s of processor time, penalty {penalty:g} chosen among 5")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--repetitions", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    folder = Path(tempfile.mkdtemp()) / "lite0"
    folder.mkdir()
    packaged.convert(packages.installed(packages.LITE0), packages.LITE0, folder)
    say_machine(folder)
    files = photographs(given.images)
    compare(ours(folder, files), plain(folder, files), given.repetitions, "images")
    probe_speed()


if __name__ == "__main__":
    main()
