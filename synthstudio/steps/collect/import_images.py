"""Import real images: decode each safely, store it once, say what was refused and why."""

import concurrent.futures
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.effort import Amounts, Effort
from synthstudio.errors import BadInput
from synthstudio.events import Event, Made, Note, Output, Progress, Refused
from synthstudio.intake.decode import Decoded, Refusal
from synthstudio.intake.entries import Entry, Limits, Rejected
from synthstudio.intake.isolated import Decoders
from synthstudio.intake.sources import Source, open_source
from synthstudio.resources import cpu_count
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.collect import readiness
from synthstudio.terms import Label, SourceId
from synthstudio.workspace import Workspace

_MB = 1 << 20
_BATCH, _BATCH_BYTES = 16, 4 * _MB
_SECONDS, _SECONDS_PER_FILE = 600.0, 2.0
_STRICTNESS = {"": 0, "train": 0, "validation": 1, "test": 2}


class ImportImages(Step):
    """Import real images from a folder, a zip, a parquet file or the bundled digits."""

    kind: ClassVar[str] = "collect.import_images"
    title: ClassVar[str] = "Import photos"
    seconds_per_unit: ClassVar[float] = 0.002
    travels: ClassVar[bool] = False
    memory_bytes: ClassVar[int | None] = 4096 * _MB  # it reads the files of strangers

    source: SourceId
    label: Annotated[Label | None, Field(description="The class of images that lie in no class folder.")] = None
    max_side: Annotated[int, Field(ge=16, le=8192, description="Longer sides are reduced to this many pixels.")] = 1024
    max_pixels: Annotated[
        int, Field(ge=1, le=170_000_000, description="Images of more pixels are refused before they are decoded.")
    ] = 50_000_000
    max_files: Annotated[int, Field(ge=1, le=500_000, description="Most files a source may hold.")] = 20_000
    max_file_bytes: Annotated[int, Field(ge=1, le=2**50, description="Largest file that is read, in bytes.")] = 64 * _MB
    max_total_bytes: Annotated[int, Field(ge=1, le=2**50, description="Most bytes read from one source.")] = 8192 * _MB
    max_ratio: Annotated[int, Field(ge=2, le=100_000, description="Most a zipped file may grow when unpacked.")] = 100

    @classmethod
    def effort(cls, fields: Mapping[str, Any], there: Amounts) -> Effort:
        return Effort.once(there.photos)

    def run(self, work: Work) -> Iterator[Event]:
        """Decode, store, say; then freeze what is usable into a pool."""
        intake = Intake()
        with contextlib.closing(self.open(work.workspace)) as source:
            for done, arrival in enumerate(self.arrivals(source, work.workspace.put, _earlier(work)), start=1):
                yield from intake.take(arrival)
                yield Progress(done=done, total=len(source), unit="images")
            declared = source.declared
        yield from intake.finish(declared, work)

    def open(self, workspace: Workspace) -> Source:
        """The source, within the limits of this step."""
        limits = Limits(self.max_files, self.max_file_bytes, self.max_total_bytes, self.max_ratio)
        return open_source(self.source, workspace, limits, self.label)

    def arrivals(
        self, source: Source, keep: "Keep", earlier: "Earlier" = lambda index: None, workers: int = 0
    ) -> Iterator["Arrival"]:
        """Every entry of the source, decoded by so many processes (0: one per core), in the source's order.

        `keep` stores the bytes of a picture and gives their digest; `earlier` knows what need not be done again. The
        look before an import asks the same, and keeps nothing.
        """
        workers = workers or cpu_count()
        with (
            Decoders(self.max_side, self.max_pixels, _seconds(source)) as decoders,
            concurrent.futures.ThreadPoolExecutor(workers) as pool,
        ):
            waiting: deque[concurrent.futures.Future[list[Arrival]]] = deque()
            try:
                for batch in _batches(source, earlier):
                    waiting.append(pool.submit(_store, batch, keep, decoders))
                    if len(waiting) > 2 * workers:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)


class Arrival(NamedTuple):
    """What became of one entry so far: refused, or known from an earlier attempt, or read, or decoded."""

    place: int
    entry: Entry | Rejected | None
    image: Image | None = None
    data: bytes = b""
    is_new: bool = False


Keep = Callable[[bytes], str]
Earlier = Callable[[int], Image | None]


def _earlier(work: Work) -> Earlier:
    """What an earlier attempt made, as far as it is still there."""

    def known(index: int) -> Image | None:
        image = work.done.get(index)
        return image if image is not None and work.workspace.has(image.digest) else None

    return known


def _batches(source: Source, earlier: Earlier) -> Iterator[list[Arrival]]:
    """Entries with their bytes, a few at a time: a thread should have more to do than to be woken."""
    batch: list[Arrival] = []
    room = _BATCH_BYTES
    for index, entry in enumerate(source):
        batch.append(_read(index, entry, earlier))
        room -= len(batch[-1].data)
        if len(batch) == _BATCH or room < 0:
            yield batch
            batch, room = [], _BATCH_BYTES
    yield batch


def _read(index: int, entry: Entry | Rejected | None, earlier: Earlier) -> Arrival:
    if not isinstance(entry, Entry):
        return Arrival(index, entry)
    known = earlier(index)
    if known is not None:
        return Arrival(index, entry, known)
    try:
        return Arrival(index, entry, data=entry.read(), is_new=True)
    except Refusal as refusal:
        return Arrival(index, Rejected(entry.name, f"{refusal}."))


def _store(batch: list[Arrival], keep: Keep, decoders: Decoders) -> list[Arrival]:
    return [_decoded(arrival, keep, decoders) if arrival.is_new else arrival for arrival in batch]


def _decoded(arrival: Arrival, keep: Keep, decoders: Decoders) -> Arrival:
    entry = arrival.entry
    assert isinstance(entry, Entry)
    try:
        decoded = decoders.decode(arrival.data)
    except Refusal as refusal:
        return Arrival(arrival.place, Rejected(entry.name, f"{refusal}."))
    image = _image(entry, decoded, keep(decoded.png))
    return Arrival(arrival.place, entry, image, is_new=True)


def _seconds(source: Source) -> float:
    """Processor time for a whole source: far more than photographs take, and not for ever."""
    return _SECONDS + _SECONDS_PER_FILE * len(source)


def _image(entry: Entry, decoded: Decoded, digest: str) -> Image:
    made = {"name": entry.name, "given": entry.given}
    if decoded.remark:
        made["remark"] = decoded.remark
    return Image(digest, entry.label, "real", decoded.width, decoded.height, made)


class Intake:
    """What has arrived so far: which picture stands where, which were refused."""

    def __init__(self) -> None:
        self._first: dict[str, Image] = {}  # by digest
        self._given: dict[str, str] = {}
        self.conflicts: dict[str, list[str]] = {}  # by digest: the files of one picture that lie in several classes
        self.repeats: list[tuple[str, str]] = []  # a file, and the one that shows the same and is kept
        self.refused = 0

    def members(self) -> list[Member]:
        """The pictures that are kept."""
        return [
            Member(image.label, digest, self._given[digest])
            for digest, image in self._first.items()
            if digest not in self.conflicts
        ]

    def take(self, arrival: Arrival) -> Iterator[Event]:
        """Say what became of one entry."""
        image = arrival.image
        if isinstance(arrival.entry, Rejected):
            self.refused += 1
            yield Refused(name=arrival.entry.name, reason=arrival.entry.reason)
        if image is None:
            return
        first = self._first.setdefault(image.digest, image)
        if first is not image:
            yield from self._repeat(first, image)
            return
        self._given[image.digest] = str(image.made["given"])
        if arrival.is_new:
            yield Made(index=arrival.place, image=image)
        if remark := image.made.get("remark"):
            yield Note(text=f"{image.made['name']} {remark}.")

    def _repeat(self, first: Image, image: Image) -> Iterator[Event]:
        """The same pixels again. In one class they count once, in the strictest split; in two nobody can know."""
        self.refused += 1
        name, other = str(image.made["name"]), str(first.made["name"])
        if image.label != first.label:
            reason = (
                "is the same picture as {} of class {!r}; nobody can know which is right: keep it in one class only."
            )
            if image.digest not in self.conflicts:
                self.refused += 1
                self.conflicts[image.digest] = [other]
                yield Refused(name=other, reason=reason.format(name, image.label))
            self.conflicts[image.digest].append(name)
            yield Refused(name=name, reason=reason.format(other, first.label))
            return
        split = self._given[image.digest] = max(
            self._given[image.digest], str(image.made["given"]), key=lambda given: _STRICTNESS[given]
        )
        self.repeats.append((name, other))
        where = f" in {split}" if split else ""
        yield Refused(name=name, reason=f"is the same picture as {other}; it is kept once{where}.")

    def finish(self, declared: Iterable[str], work: Work) -> Iterator[Event]:
        """Freeze the pool and say what a reader should know about it."""
        members = self.members()
        if not members:
            raise BadInput(
                "Nothing in this source can be used: "
                + (
                    f"all {self.refused} files were refused, each with its reason. "
                    if self.refused
                    else "it is empty. "
                )
                + "Give a folder with one subfolder of images per class."
            )
        pool = ImageSet.of("pool", members)
        counts = {label: len(rows) for label, rows in pool.by_label().items()}
        for remark in readiness.remarks(counts, declared):
            if remark.level != "ok":
                yield Note(text=remark.text, level="warning")
        refused = f"; {self.refused} refused" if self.refused else ""
        yield Note(text=f"{len(pool)} images in {len(counts)} classes{refused}.")
        yield Output(name="images", value=work.workspace.put_set(pool))
        yield Output(name="labels", value=list(pool.labels))
        yield Output(name="counts", value=counts)
