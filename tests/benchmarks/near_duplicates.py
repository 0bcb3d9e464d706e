"""Who calls two different images the same, and who finds altered copies: the fingerprint, the eye, or both together.

    python tests/benchmarks/near_duplicates.py FILE.parquet... [--images 700] [--copies 60] [--eye lite0] [--out F.md]

Besides the files (their training rows and, apart, their test rows), scikit-learn's digits are always measured, each
half for itself, enlarged to 64 px, since the eye is not asked about smaller ones. Planted are 10 resized, 10 cropped by
3 to 5 % and 10 brightened by a tenth among the others, five times; then so many copies of every other change.
"""

import argparse
import io
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from synthstudio import models  # noqa: E402
from synthstudio.fingerprint import coloured_alike, fingerprint, grouped, near_duplicates  # noqa: E402
from synthstudio.intake.decode import decode  # noqa: E402
from synthstudio.intake.digits import Digits  # noqa: E402
from synthstudio.intake.entries import Entry, Limits  # noqa: E402
from synthstudio.intake.tables import ParquetTable  # noqa: E402
from synthstudio.steps import encoding  # noqa: E402
from synthstudio.witness import confirmed, proposed, sketch  # noqa: E402
from synthstudio.workspace import Workspace  # noqa: E402
from tests.steps.kit import PlainWork  # noqa: E402

RANDOM = np.random.default_rng(0)


def as_png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def recoded(kind: str, quality: int) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        out = io.BytesIO()
        image.save(out, kind, quality=quality)
        return Image.open(out).convert("RGB")

    return change


def resized(factor: float, how: Image.Resampling) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.resize((max(1, int(image.width * factor)), max(1, int(image.height * factor))), how)


def brightened(factor: float, more: float = 0) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        return Image.fromarray(np.clip(np.asarray(image, float) * factor + more, 0, 255).astype(np.uint8))

    return change


def cropped(share: float) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        cut = [max(1, round(side * share)) for side in image.size]
        left, top = (int(RANDOM.integers(0, c + 1)) for c in cut)
        return image.crop((left, top, image.width - cut[0] + left, image.height - cut[1] + top))

    return change


CHANGES = {
    "JPEG 90": recoded("JPEG", 90),
    "JPEG 40": recoded("JPEG", 40),
    "WebP 50": recoded("WEBP", 50),
    "half size": resized(0.5, Image.Resampling.BILINEAR),
    "double size": resized(2, Image.Resampling.BICUBIC),
    "1.3 x + JPEG 60": lambda image: recoded("JPEG", 60)(resized(1.3, Image.Resampling.LANCZOS)(image)),
    "brighter x 1.15": brightened(1.15),
    "darker x 0.8": brightened(0.8),
    "brighter + 15": brightened(1, 15),
    "crop 1 %": cropped(0.01),
    "crop 2 %": cropped(0.02),
    "crop 3 %": cropped(0.03),
    "crop 5 %": cropped(0.05),
    "crop 10 %": cropped(0.10),
    "half + JPEG 40 + brighter": lambda image: brightened(1.1)(
        recoded("JPEG", 40)(resized(0.5, Image.Resampling.BOX)(image))
    ),
}


PLANTED: dict[str, Callable[[int], Callable[[Image.Image], Image.Image]]] = {
    "resized": lambda n: resized((0.5, 0.7, 0.85, 1.25, 1.5)[n % 5], Image.Resampling.BICUBIC),
    "cropped by 3-5 %": lambda n: cropped(0.03 + 0.002 * n),
    "brighter by a tenth": lambda _: brightened(1.1),
}
DRAWS, EACH = 5, 10
Found = set[tuple[int, int]]


@dataclass
class Looked:
    """What is compared of some images."""

    prints: list[Any]
    sketches: list[Any]
    vectors: Any

    def chosen(self, places: Sequence[int]) -> "Looked":
        return Looked([self.prints[i] for i in places], [self.sketches[i] for i in places], self.vectors[list(places)])


class Eye:
    """An encoder by name, outside of any run."""

    def __init__(self, name: str, folder: Path) -> None:
        work = PlainWork(Workspace.open(folder, "bench"), folder)
        self.model = encoding.encoder(work, models.reference(name, "encoder", work.workspace))
        self.embedded, self.seconds = 0, 0.0

    def look(self, images: Sequence[Image.Image]) -> Looked:
        files = [as_png(image) for image in images]
        start = time.perf_counter()
        parts = [self.model.embed_images(self.model.pixels(files[at : at + 64])) for at in range(0, len(files), 64)]
        self.embedded, self.seconds = self.embedded + len(files), self.seconds + time.perf_counter() - start
        return Looked([fingerprint(f) for f in files], [sketch(f) for f in files], np.concatenate(parts))


def by_fingerprint(a: Looked, b: Looked | None = None) -> Found:
    return set(near_duplicates(a.prints, None if b is None else b.prints))


def by_eye(a: Looked, b: Looked | None = None) -> Found:
    other = a if b is None else b
    pairs = confirmed(
        proposed(a.vectors, None if b is None else b.vectors), a.sketches, None if b is None else b.sketches
    )
    alike = coloured_alike([a.prints[i] for i in pairs[:, 0]], [other.prints[j] for j in pairs[:, 1]])
    return {(int(i), int(j)) for i, j in pairs[alike]}


def rows_of(path: Path, count: int, *, test: bool) -> list[Image.Image]:
    table = ParquetTable(path, Limits(max_files=200_000), None)
    entries = [e for e in table if isinstance(e, Entry) and (e.given == "test") == test]
    return [opened(e) for e in entries[:: max(1, len(entries) // count)][:count]]


def digits(*, second: bool) -> list[Image.Image]:
    every = [opened(e) for e in itertools.islice(Digits(), 1797) if isinstance(e, Entry)]
    return [image.resize((64, 64), Image.Resampling.BICUBIC) for image in (every[900:] if second else every[:900])]


def opened(entry: Entry) -> Image.Image:
    return Image.open(io.BytesIO(decode(entry.read()).png)).convert("RGB")


def shares(found: Found, seen: Found, wanted: Found) -> str:
    """fingerprint / eye / both, of the wanted pairs."""
    each = (found, seen, found | seen)
    return " | ".join(f"{len(one & wanted)} of {len(wanted)}" for one in each)


def alike(name: str, chosen: bool, looked: Looked) -> str:
    """One row: pairs of different files that are called the same."""
    count = len(looked.prints)
    start = time.perf_counter()
    found = by_fingerprint(looked)
    between = time.perf_counter()
    seen = by_eye(looked)
    seconds = f"{between - start:.1f} / {time.perf_counter() - between:.1f}"
    largest = max(len(group) for group in grouped(count, found | seen))
    pairs = count * (count - 1) // 2
    names = "; ".join(f"{i}-{j}" for i, j in sorted(seen - found)[:6])
    alone = f"{len(seen - found)}{f' ({names})' if names else ''}"
    numbers = f"{count} | {pairs:,} | {len(found)} | {len(seen)} | {alone} | {largest} | {seconds}"
    return f"| {name} | {'yes' if chosen else 'no'} | {numbers} |"


def planted(name: str, images: Sequence[Image.Image], looked: Looked, eye: Eye) -> list[str]:
    """Rows: of the planted copies, how many are found among all originals."""
    random = np.random.default_rng(1)
    draws = [random.permutation(len(images))[: 3 * EACH] for _ in range(DRAWS)]
    hits: dict[str, list[int]] = {}
    for own in draws:
        kinds = [kind for kind in PLANTED for _ in range(EACH)]
        copies = eye.look([PLANTED[k](n % EACH)(images[i]) for n, (k, i) in enumerate(zip(kinds, own, strict=True))])
        found, seen = by_fingerprint(copies, looked), by_eye(copies, looked)
        for n, (kind, i) in enumerate(zip(kinds, own, strict=True)):
            for title in (kind, "all 30"):
                row = hits.setdefault(title, [0, 0, 0, 0])
                for place, one in enumerate((found, seen, found | seen)):
                    row[place] += (n, int(i)) in one
                row[3] += 1
    return [f"| {name} | {kind} | {' | '.join(f'{n} of {row[3]}' for n in row[:3])} |" for kind, row in hits.items()]


def changed(name: str, images: Sequence[Image.Image], looked: Looked, eye: Eye, copies: int) -> list[str]:
    """Rows: every kind of change, fingerprint / eye / both."""
    some = list(range(0, len(images), max(1, len(images) // copies)))[:copies]
    lines = []
    for change, apply in CHANGES.items():
        copied = eye.look([apply(images[i]) for i in some])
        wanted = set(enumerate(some))
        lines.append(
            f"| {name} | {change} | {shares(by_fingerprint(copied, looked), by_eye(copied, looked), wanted)} |"
        )
    return lines


def cost(looked: Looked, side: int = 10_000) -> str:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((side, looked.vectors.shape[1]), dtype=np.float32) for _ in range(2))
    start = time.perf_counter()
    pairs = proposed(a, b)
    proposing = time.perf_counter() - start
    own = proposed(looked.vectors)
    start = time.perf_counter()
    confirmed(own, looked.sketches)
    each = (time.perf_counter() - start) / len(own)
    return (
        f"{side:,} x {side:,} pictures, vectors of {a.shape[1]:,}: {proposing:.1f} s to propose {len(pairs):,} pairs, "
        f"{1000 * each:.2f} ms to confirm or drop one of {len(own):,} ({each * len(pairs):.0f} s for all)."
    )


def measured(asked: argparse.Namespace, eye: Eye) -> list[str]:
    sets = [
        (f"digits, {half} half", half == "first", lambda s=half == "second": digits(second=s))
        for half in ("first", "second")
    ]
    for path in asked.files:
        for test in (False, True):
            name, chosen = f"{path.stem}, {'test' if test else 'training'}", path.stem in CHOSEN_ON and not test
            sets.append((name, chosen, lambda p=path, t=test: rows_of(p, asked.images, test=t)))
    first, second, third, last = [], [], [], None
    for name, chosen, read in sets:
        images = read()
        looked = eye.look(images)
        first.append(alike(name, chosen, looked))
        print(first[-1], flush=True)
        second += planted(name, images, looked, eye)
        print("\n".join(second[-4:]), flush=True)
        third += changed(name, images, looked, eye, asked.copies)
        last = looked
    return [
        "| look-alikes | chosen on | images | pairs | fingerprint | eye | eye alone | largest group | seconds |",
        "|---|---|---|---|---|---|---|---|---|", *first, "",
        "| planted in | copies | fingerprint | eye | both |", "|---|---|---|---|---|", *second, "",
        "| changed | how | fingerprint | eye | both |", "|---|---|---|---|---|", *third, "",
        cost(last),
        f"{eye.embedded:,} pictures embedded, {eye.embedded / eye.seconds:.0f} a second, with decoding.",
    ]  # fmt: skip


CHOSEN_ON = ("trashnet", "flowers17", "eurosat")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--images", type=int, default=700)
    parser.add_argument("--copies", type=int, default=60)
    parser.add_argument("--eye", default="lite0")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = measured(asked, Eye(asked.eye, Path(folder)))
    print("\n".join(lines))
    if asked.out:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
