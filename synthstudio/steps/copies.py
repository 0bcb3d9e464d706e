"""Which images show the same picture: by content, by fingerprint, and by an eye whose proposals pixels confirm."""

import concurrent.futures
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, TypeVar, cast

from synthstudio.events import Progress
from synthstudio.resources import cpu_count
from synthstudio.steps import Work, encoding

if TYPE_CHECKING:
    from synthstudio import fingerprint

T = TypeVar("T")
MOST = 20_000  # pictures that an eye is asked about; a processor's core embeds some 400 a second with pico-clip
MISSING = (
    "by fingerprint alone, because no eye was named: copies that are cropped by a few per cent can be missed. "
    "Name one, such as pico-clip."
)


class Look(NamedTuple):
    """What is compared of every image; `small` where the fingerprint sees all there is."""

    print: "fingerprint.Vector"
    small: bool


class Copies(NamedTuple):
    """Images that show an original, and in words by whom they were looked for."""

    images: set[str]
    how: str


@dataclass(frozen=True)
class Alike:
    """Pairs of places that show the same picture, and in words by whom they were looked for: `by fingerprint …`."""

    pairs: frozenset[tuple[int, int]]
    how: str


def copies_of(
    work: Work, eye: str | None, images: Iterable[str], originals: Iterable[str]
) -> Generator[Progress, None, Copies]:
    """Those of `images` that show one of the `originals`."""
    asked, known = sorted(set(images)), sorted(set(originals))
    found = yield from alike(work, eye, asked, known)
    return Copies((set(asked) & set(known)) | {asked[i] for i, _ in found.pairs}, found.how)


def alike(
    work: Work, eye: str | None, images: Sequence[str], others: Sequence[str] | None = None
) -> Generator[Progress, None, Alike]:
    """Pairs (i, j) where images[i] and others[j] show the same picture; without `others`, i < j within `images`."""
    from synthstudio.fingerprint import near_duplicates

    looks = yield from _looks(work, [*images, *(others or ())])
    sides = [images] if others is None else [images, others]
    prints = [[looks[image].print for image in side] for side in sides]
    pairs = set(near_duplicates(*prints))
    large = [[i for i, image in enumerate(side) if not looks[image].small] for side in sides]
    how = _by_whom(eye, sum(map(len, large)))
    if eye is not None and all(large) and sum(map(len, large)) <= MOST:
        pairs |= yield from _seen(work, eye, looks, sides, large)
    return Alike(frozenset(pairs), how)


def _by_whom(eye: str | None, large: int) -> str:
    if not large:
        return "by fingerprint alone, which sees all there is in pictures of less than 32 px."
    if eye is None:
        return MISSING
    if large > MOST:
        return f"by fingerprint alone: an eye is asked about at most {MOST:,} pictures, these are {large:,}."
    return f"by fingerprint and by the eye {eye.partition('@')[0]}."


def _looks(work: Work, images: Iterable[str]) -> Generator[Progress, None, dict[str, Look]]:
    from synthstudio.fingerprint import fingerprint
    from synthstudio.witness import is_small

    return (yield from _of_each(work, "looks", images, lambda png: Look(fingerprint(png), is_small(png))))


def _of_each(
    work: Work, name: str, images: Iterable[str], read: Callable[[bytes], T]
) -> Generator[Progress, None, dict[str, T]]:
    """What is read off the file of each image, once per process."""
    kept = cast("dict[str, T]", work.load(name, dict))
    missing = [image for image in dict.fromkeys(images) if image not in kept]
    with concurrent.futures.ThreadPoolExecutor(cpu_count()) as threads:
        found = threads.map(lambda image: read(work.workspace.get(image)), missing)
        for done, (image, value) in enumerate(zip(missing, found, strict=True), start=1):
            kept[image] = value
            yield Progress(done=done, total=len(missing), unit="images compared")
    return kept


def _seen(
    work: Work, eye: str, looks: dict[str, Look], sides: Sequence[Sequence[str]], large: Sequence[Sequence[int]]
) -> Generator[Progress, None, set[tuple[int, int]]]:
    """The pairs that the eye proposes and pixels confirm, among the pictures of one or two sides that are large."""
    from synthstudio.fingerprint import coloured_alike
    from synthstudio.witness import confirmed, proposed, sketch

    shown = [[side[i] for i in places] for side, places in zip(sides, large, strict=True)]
    vectors = []
    for some in shown:
        vectors.append((yield from encoding.embeddings(work, eye, some)))
    sketches = yield from _of_each(work, "sketches", chain(*shown), sketch)
    pairs = confirmed(proposed(*vectors), *([sketches[image] for image in some] for some in shown))
    first, second = ([looks[image].print for image in shown[side]] for side in (0, -1))
    kept = pairs[coloured_alike([first[i] for i in pairs[:, 0]], [second[j] for j in pairs[:, 1]])]
    return {(large[0][i], large[-1][j]) for i, j in kept.tolist()}
