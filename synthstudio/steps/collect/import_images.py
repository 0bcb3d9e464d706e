"""Import real images: decode each safely, store it once, say what was refused and why."""

import concurrent.futures
import contextlib
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Event, Made, Note, Output, Progress, Refused
from synthstudio.intake.decode import Decoded, Refusal, decode
from synthstudio.intake.entries import Entry, Limits, Rejected
from synthstudio.intake.sources import Source, open_source
from synthstudio.resources import cpu_count
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import Label, SourceId

_MB = 1 << 20
_BATCH, _BATCH_BYTES = 16, 4 * _MB
_STRICTNESS = {"": 0, "train": 0, "validation": 1, "test": 2}


class ImportImages(Step):
    """Bring real images in from a folder, a zip, a parquet file or the bundled digits."""

    kind: ClassVar[str] = "collect.import_images"

    source: SourceId
    label: Annotated[Label | None, Field(description="The class of images that lie in no class folder.")] = None
    max_side: Annotated[int, Field(ge=16, le=8192, description="Longer sides are reduced to this many pixels.")] = 1024
    max_pixels: Annotated[
        int, Field(ge=1, le=170_000_000, description="Images of more pixels are refused before they are decoded.")
    ] = 50_000_000
    max_files: Annotated[int, Field(ge=1, le=500_000, description="Most files a source may hold.")] = 20_000
    max_file_bytes: Annotated[int, Field(ge=1, description="Largest file that is read, in bytes.")] = 64 * _MB
    max_total_bytes: Annotated[int, Field(ge=1, description="Most bytes read from one source.")] = 8192 * _MB
    max_ratio: Annotated[int, Field(ge=2, description="Most a zipped file may grow when unpacked.")] = 100

    def run(self, work: Work) -> Iterator[Event]:
        """Decode, store, say; then freeze what is usable into a pool."""
        limits = Limits(self.max_files, self.max_file_bytes, self.max_total_bytes, self.max_ratio)
        intake = _Intake()
        with contextlib.closing(open_source(self.source, work.workspace, limits, self.label)) as source:
            for done, arrival in enumerate(self._arrivals(source, work), start=1):
                yield from intake.take(arrival)
                yield Progress(done=done, total=len(source), unit="images")
            declared = source.declared
        yield from intake.finish(declared, work)

    def _arrivals(self, source: Source, work: Work) -> Iterator["_Arrival"]:
        """Every entry of the source, decoded on all cores, in the source's order."""
        workers = cpu_count()
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            waiting: deque[concurrent.futures.Future[list[_Arrival]]] = deque()
            try:
                for batch in self._batches(source, work):
                    waiting.append(pool.submit(self._store, batch, work))
                    if len(waiting) > 2 * workers:
                        yield from waiting.popleft().result()
                while waiting:
                    yield from waiting.popleft().result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _batches(self, source: Source, work: Work) -> Iterator[list["_Arrival"]]:
        """Entries with their bytes, a few at a time: a thread should have more to do than to be woken."""
        batch: list[_Arrival] = []
        room = _BATCH_BYTES
        for index, entry in enumerate(source):
            batch.append(_read(index, entry, work))
            room -= len(batch[-1].data)
            if len(batch) == _BATCH or room < 0:
                yield batch
                batch, room = [], _BATCH_BYTES
        yield batch

    def _store(self, batch: list["_Arrival"], work: Work) -> list["_Arrival"]:
        return [self._decoded(arrival, work) if arrival.is_new else arrival for arrival in batch]

    def _decoded(self, arrival: "_Arrival", work: Work) -> "_Arrival":
        entry = arrival.entry
        assert isinstance(entry, Entry)
        try:
            decoded = decode(arrival.data, self.max_side, self.max_pixels)
        except Refusal as refusal:
            return _Arrival(arrival.place, Rejected(entry.name, f"{refusal}."))
        image = _image(entry, decoded, work.workspace.put(decoded.png))
        return _Arrival(arrival.place, entry, image, is_new=True)


class _Arrival(NamedTuple):
    """What became of one entry so far: refused, or known from an earlier attempt, or read, or decoded."""

    place: int
    entry: Entry | Rejected | None
    image: Image | None = None
    data: bytes = b""
    is_new: bool = False


def _read(index: int, entry: Entry | Rejected | None, work: Work) -> _Arrival:
    if not isinstance(entry, Entry):
        return _Arrival(index, entry)
    earlier = work.done.get(index)
    if earlier is not None and work.workspace.has(earlier.digest):
        return _Arrival(index, entry, earlier)
    try:
        return _Arrival(index, entry, data=entry.read(), is_new=True)
    except Refusal as refusal:
        return _Arrival(index, Rejected(entry.name, f"{refusal}."))


def _image(entry: Entry, decoded: Decoded, digest: str) -> Image:
    made = {"name": entry.name, "given": entry.given}
    if decoded.remark:
        made["remark"] = decoded.remark
    return Image(digest, entry.label, "real", decoded.width, decoded.height, made)


class _Intake:
    """What has arrived so far: which picture stands where, which were refused."""

    def __init__(self) -> None:
        self._first: dict[str, Image] = {}  # by digest
        self._given: dict[str, str] = {}
        self._conflicts: set[str] = set()
        self._refused = 0

    def take(self, arrival: _Arrival) -> Iterator[Event]:
        """Say what became of one entry."""
        image = arrival.image
        if isinstance(arrival.entry, Rejected):
            self._refused += 1
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
        self._refused += 1
        name, other = str(image.made["name"]), str(first.made["name"])
        if image.label != first.label:
            reason = (
                "is the same picture as {} of class {!r}; nobody can know which is right: keep it in one class only."
            )
            if image.digest not in self._conflicts:
                self._refused += 1
                yield Refused(name=other, reason=reason.format(name, image.label))
            self._conflicts.add(image.digest)
            yield Refused(name=name, reason=reason.format(other, first.label))
            return
        split = self._given[image.digest] = max(
            self._given[image.digest], str(image.made["given"]), key=lambda given: _STRICTNESS[given]
        )
        where = f" in {split}" if split else ""
        yield Refused(name=name, reason=f"is the same picture as {other}; it is kept once{where}.")

    def finish(self, declared: Iterable[str], work: Work) -> Iterator[Event]:
        """Freeze the pool and say what a reader should know about it."""
        members = [
            Member(image.label, digest, self._given[digest])
            for digest, image in self._first.items()
            if digest not in self._conflicts
        ]
        if not members:
            raise BadInput(
                "Nothing in this source can be used: "
                + (
                    f"all {self._refused} files were refused, each with its reason. "
                    if self._refused
                    else "it is empty. "
                )
                + "Give a folder with one subfolder of images per class."
            )
        pool = ImageSet.of("pool", members)
        counts = {label: len(rows) for label, rows in pool.by_label().items()}
        yield from _remarks(counts, declared)
        refused = f"; {self._refused} refused" if self._refused else ""
        yield Note(text=f"{len(pool)} images in {len(counts)} classes{refused}.")
        yield Output(name="images", value=work.workspace.put_set(pool))
        yield Output(name="labels", value=list(pool.labels))
        yield Output(name="counts", value=counts)


def _remarks(counts: dict[str, int], declared: Iterable[str]) -> Iterator[Note]:
    single = [label for label, count in counts.items() if count == 1]
    if single:
        yield _warning(
            f"Only one image in {_listed(single)}: it can be learned from but not tested. Add at least one more."
        )
    empty = sorted(set(declared) - counts.keys())
    if empty:
        yield _warning(f"No usable image in {_listed(empty)}: the class is left out. Add images, or ignore this.")
    alike = defaultdict(list)
    for label in counts:
        alike[label.casefold()].append(label)
    for labels in alike.values():
        if len(labels) > 1:
            yield _warning(
                f"{_listed(labels)} differ only in capitals and stay apart. Rename one if they are the same."
            )
    if len(counts) == 1:
        yield _warning("There is only one class. A classifier needs at least two to tell apart.")


def _warning(text: str) -> Note:
    return Note(text=text, level="warning")


def _listed(labels: list[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:10])
    return f"{shown} and {len(labels) - 10} more" if len(labels) > 10 else shown
