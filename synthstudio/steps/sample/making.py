"""Carrying out a plan: what the Steps `sample.…` share."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from synthstudio import grammar
from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Event, Made, Note, Output, Progress
from synthstudio.steps import Work, room
from synthstudio.steps.backbone import loaded
from synthstudio.steps.sample.lacking import lack_of
from synthstudio.steps.sample.plan import Row, Rows, chunks
from synthstudio.steps.saying import facts, warnings
from synthstudio.terms import INVERTED_VECTORS, TEXTUAL_INVERSION
from synthstudio.workspace import Workspace, write_atomically

_FOUND = "images_at_once"

if TYPE_CHECKING:
    from synthstudio.engine.backbones import Backbone
    from synthstudio.engine.diffusion import Request, Vectors
    from synthstudio.engine.lack import Lack

    Told = Callable[[Row], tuple[str | Vectors, str | Vectors]]


class Sampled(Protocol):
    """What all sampling steps say about how to sample."""

    @property
    def backbone(self) -> str: ...
    @property
    def adapter(self) -> str | None: ...
    @property
    def adapter_scale(self) -> float: ...
    @property
    def words(self) -> str | None: ...
    @property
    def guidance_begin(self) -> float: ...
    @property
    def guidance_end(self) -> float: ...
    @property
    def lack(self) -> str | None: ...
    @property
    def lack_strength(self) -> float: ...
    @property
    def inference_steps(self) -> int: ...
    @property
    def sampler(self) -> str: ...
    @property
    def resolution(self) -> int | None: ...


def adapter_weights(work: Work, step: Sampled) -> dict[str, str | list[str]] | None:
    """The weight files of the step's adapter by label, or those of its photos; BadInput if it belongs to another
    backbone.

    None where the adapter is learned words: they stand in prompts and change no weight.
    """
    if step.adapter is None:
        return None
    adapter = _document(work.workspace, step, step.adapter)
    if adapter.get("method") == INVERTED_VECTORS:
        raise BadInput("This adapter holds vectors of photos, which no prompt reaches. Use sample.vectors to draw.")
    if _is_words(adapter):
        return None
    weights = adapter["weights"]
    if adapter["scope"] == "image":
        return {label: [weights[photo] for photo in photos] for label, photos in adapter["photos"].items()}
    return dict(weights)


def learned_words(workspace: Workspace, step: Sampled) -> dict[str, Any] | None:
    """The document of the words that the step uses, as its adapter or beside it. BadInput if there are two, or none
    where some are named.
    """
    beside = step.words
    found = [_document(workspace, step, one) for one in (step.adapter, beside) if one is not None]
    words = [one for one in found if _is_words(one)]
    if beside is not None and not _is_words(found[-1]):
        raise BadInput("words names an adapter that changes weights. Give it as adapter, and learned words as words.")
    if len(words) > 1:
        raise BadInput("Two sets of learned words are named, as adapter and as words. Leave one of them out.")
    return words[0] if words else None


def inverted_photos(workspace: Workspace, step: Sampled) -> dict[str, list[str]]:
    """The photos of each label that the step's adapter holds vectors of. BadInput if it is another kind of adapter."""
    assert step.adapter is not None
    adapter = _document(workspace, step, step.adapter)
    if adapter.get("method") != INVERTED_VECTORS:
        raise BadInput("This adapter holds no vectors of photos. Make them by adapt.inverted_vectors.")
    return dict(adapter["photos"])


def names_of(work: Work, step: Sampled, labels: Sequence[str]) -> dict[str, str]:
    """What prompts say of each label that has a learned word. BadInput if some labels have none."""
    return said_of(learned_words(work.workspace, step), labels)


def said_of(words: Mapping[str, Any] | None, labels: Sequence[str]) -> dict[str, str]:
    """What prompts say of labels by the document of learned words."""
    if words is None:
        return {}
    known = dict(words["names"])
    for label in labels:
        if label not in known:
            raise BadInput(f"There is no learned word for {label!r}; there are words for {', '.join(sorted(known))}.")
    return known


def _is_words(adapter: Mapping[str, Any]) -> bool:
    return adapter.get("method") == TEXTUAL_INVERSION


def _document(workspace: Workspace, step: Sampled, name: str) -> dict[str, Any]:
    adapter = workspace.document(name)
    if adapter["backbone"] != step.backbone:
        trained, asked = adapter["backbone"].split("@")[0], step.backbone.split("@")[0]
        raise BadInput(
            f"The adapter was trained on {trained} ({adapter['backbone'][-8:]}), "
            f"not on {asked} ({step.backbone[-8:]}). Choose that backbone, or train an adapter for this one."
        )
    return adapter


Part = tuple[Sampled, Sequence[Row]]  # rows that are drawn under the settings of one step


def make_images(work: Work, step: Sampled, rows: Sequence[Row], only: int | None = None) -> Iterator[Event]:
    """The images of a step, see `make_parts`."""
    yield from make_parts(work, [(step, rows)], only)


def make_parts(work: Work, parts: Sequence[Part], only: int | None = None) -> Iterator[Event]:
    """Make the missing rows batch by batch, then name the set of all. No two rows of any part have one index.

    A batch is made whole or skipped whole, so that an interrupted run ends with the very bytes of an unbroken one.
    Where others make the rest of the plan, only the batches of this share are made, cut as they always are, and no set.
    Where `only` one image is asked for, its batch is made and the others are let go: alone it would round otherwise.
    """
    made: dict[int, Image] = dict(work.done)
    total = 1 if only is not None else sum(len(rows) for _, rows in parts)
    yield Progress(done=len(made), total=total, unit="images")
    for step, rows in parts:
        if any(row.index not in made for row in _wanted(rows, only)):
            yield from _made(work, step, rows, made, only, total)
    if work.share is not None:
        return
    members = (Member(row.label, made[row.index].digest) for _, rows in parts for row in _wanted(rows, only))
    yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", members)))


def _wanted(rows: Sequence[Row], only: int | None) -> Sequence[Row]:
    """All, or the one of that index; in a plan it stands at that place."""
    if only is None:
        return rows
    return rows[only : only + 1] if isinstance(rows, Rows) else [row for row in rows if row.index == only]


@dataclass(frozen=True)
class Ready:
    """A step with all that its images are drawn with: models that are loaded, and how many images fit together."""

    work: Work
    step: Sampled
    backbone: "Backbone"
    told: "Told"
    lack: "Lack | None"
    size: int
    side: int

    def draw(
        self, batch: Sequence[Row], made: dict[int, Image], total: int, only: int | None = None
    ) -> Iterator[Event]:
        """The images of a batch that are missing in `made` and are wanted; they are added to it."""
        if all(row.index in made for row in batch):
            return
        files = (file for part in chunks(batch, self.size) for file in self._files(part))
        for row, file in zip(batch, files, strict=True):
            if row.index in made or only not in (None, row.index):
                continue
            made[row.index] = _image(self.work, self.step, row, file, self.side)
            yield Made(index=row.index, image=made[row.index])
        yield from warnings(self.backbone.notes)
        yield Progress(done=len(made), total=total, unit="images")

    def _files(self, batch: Sequence[Row]) -> list[bytes]:
        return _files(self.work, self.step, self.backbone, batch, self.told, self.lack)


def ready(work: Work, step: Sampled, rows: Sequence[Row]) -> Generator[Event, None, Ready]:
    """Load what a step needs for these rows, and say what is worth saying of it and of them."""
    from synthstudio.engine import diffusion

    backbone = loaded(work, step.backbone)
    _read_words(work, step, backbone)
    told, lack = _told(work, step, backbone, rows[0]), lack_of(work, step)
    if work.share is None or work.share.start == 0:
        yield from _warnings(backbone, rows)
    size, said = _at_once(work, step, backbone, rows[0].prompt, lack)
    yield from facts([*backbone.facts, *said])
    backbone.facts.clear()
    return Ready(work, step, backbone, told, lack, size, diffusion.side(backbone, step.resolution))


def _made(
    work: Work, step: Sampled, rows: Sequence[Row], made: dict[int, Image], only: int | None, total: int
) -> Iterator[Event]:
    """Every batch that is missing in `made` and is wanted here; its images are added to `made`."""
    from synthstudio.engine import diffusion

    able = yield from ready(work, step, rows)
    # Shares meet where all workers cut alike, whatever fits into the card of one of them.
    shared = work.resources.batch or diffusion.default_batch(able.backbone, step.resolution)
    for batch in chunks(rows, able.size if work.share is None else shared):
        indices = [row.index for row in batch]
        if (only is None or only in indices) and (work.share is None or work.share.wants(indices)):
            yield from able.draw(batch, made, total, only)


def _at_once(
    work: Work, step: Sampled, backbone: "Backbone", prompt: str, lack: "Lack | None"
) -> tuple[int, list[str]]:
    """Images in a chunk, and what was found of the memory; MemoryFull if not even one fits.

    As many as somebody asked for, else as many as suit the device and fit. What was found is kept for a resume, since
    other chunks round otherwise.
    """
    from synthstudio.engine import devices, diffusion

    side = diffusion.side(backbone, step.resolution)
    size = work.resources.batch or diffusion.default_batch(backbone, step.resolution)
    memory, kept = devices.memory_of(backbone.device), work.scratch / f"{_FOUND}-{side}{'-guided' if lack else ''}"
    if memory is None:
        return size, []
    if kept.exists() and not work.resources.batch:
        return int(kept.read_text()), []
    request = diffusion.Request(prompt, "", 0)
    settings = diffusion.Settings(inference_steps=1, sampler="euler", resolution=side, lack=lack)
    name = step.backbone.partition("@")[0]
    taken = room.one_image(
        name, side, memory, lambda: diffusion.sample(backbone, [request], settings), backbone.dtype.itemsize
    )
    if not taken:
        return size, []
    most, said = room.together(side, taken, memory)
    if not work.resources.batch:
        size = min(size, most)
        write_atomically(kept, str(size).encode())
    elif most < size:
        said += f" {size} were asked for; if they do not fit, ask for {most} (--batch)."
    return size, [said]


def _told(work: Work, step: Sampled, backbone: "Backbone", first: Row) -> "Told":
    """What each image is told: its two prompts, or vectors in the place of both."""
    if first.between is None:
        return lambda row: (row.prompt, row.negative_prompt)
    from synthstudio.engine.adapters import inverted

    files = _document(work.workspace, step, str(step.adapter))["weights"].values()
    vectors = [inverted.read_vectors(work.workspace.get_weights(file)) for file in files]
    table = inverted.Table(backbone, {photo: one for part in vectors for photo, one in part.items()})

    def told(row: Row) -> "tuple[Vectors, Vectors]":
        way = row.between
        assert way is not None
        return table.drawn(way.photo, way.other, way.share, way.noise, row.seed), table.mean

    return told


def _files(
    work: Work, step: Sampled, backbone: "Backbone", batch: Sequence[Row], told: "Told", lack: "Lack | None"
) -> list[bytes]:
    from synthstudio.engine import diffusion
    from synthstudio.engine.adapters import files, merging

    named = [one for one in (batch[0].weights, batch[0].beside) if one]
    key = (*named, step.adapter_scale)
    if not named or step.adapter_scale == 0:
        merging.use_adapter(backbone, None, None, 1.0)
    elif backbone.adapter != key:
        read = [files.read_adapter(work.workspace.get_weights(one)) for one in named]
        adapter = read[0] if len(read) == 1 else files.fused(read)
        merging.use_adapter(backbone, key, adapter, step.adapter_scale)
    settings = diffusion.Settings(
        inference_steps=step.inference_steps,
        sampler=step.sampler,
        resolution=diffusion.side(backbone, step.resolution),
        guided=_guided(step),
        lack=lack,
    )
    return diffusion.sample(backbone, [_request(work, row, told) for row in batch], settings)


def _request(work: Work, row: Row, told: "Told") -> "Request":
    from synthstudio.engine import diffusion, pixels

    source = pixels.read(work.workspace.get(row.parent)) if row.parent else None
    mix = row.second
    second = diffusion.Mix(mix.prompt, pixels.read(work.workspace.get(mix.parent)), mix.share) if mix else None
    return diffusion.Request(*told(row), row.seed, source, row.guidance_scale, row.strength, second)


def _read_words(work: Work, step: Sampled, backbone: "Backbone") -> None:
    """Have the backbone read the step's learned words, and no others."""
    from synthstudio.engine.adapters import learned

    named = (learned_words(work.workspace, step) or {"weights": {}})["weights"]
    files = tuple(named[label] for label in sorted(named))
    if backbone.learned != (files or None):
        words = [learned.read_word(work.workspace.get_weights(file)) for file in files]
        learned.use_words(backbone, files or None, words)


def _guided(step: Sampled) -> tuple[float, float]:
    return (step.guidance_begin, step.guidance_end)


def _image(work: Work, step: Sampled, row: Row, file: bytes, side: int) -> Image:
    made: dict[str, Any] = {
        "prompt": row.prompt,
        "negative_prompt": row.negative_prompt,
        "domain": row.domain or None,
        "seed": row.seed,
        "guidance_scale": row.guidance_scale,
        "strength": row.strength if row.parent else None,
        "parent": row.parent,
        "inference_steps": step.inference_steps,
        "sampler": step.sampler,
        "backbone": step.backbone,
        "adapter": step.adapter,
        "adapter_scale": step.adapter_scale if step.adapter else None,
    }
    if step.words:
        made["words"] = step.words
    if _guided(step) != (0.0, 1.0):
        made["guided"] = list(_guided(step))
    if step.lack_strength:
        made |= {"lack": step.lack, "lack_strength": step.lack_strength}
    if row.second:
        made |= {"mixed_with": row.second.parent, "mixed_share": row.second.share, "mixed_prompt": row.second.prompt}
    if row.grammar:
        made["sentences"] = grammar.NAME
    if row.beside:
        made["fused"] = [row.weights, row.beside]
    if row.between:
        made |= {"inverted": row.between.photo, "towards": row.between.other, "interpolation": row.between.share,
                 "vector_noise": row.between.noise}  # fmt: skip
    return Image(work.workspace.put(file), row.label, "synthetic", side, side, made)


def _warnings(backbone: "Backbone", rows: Sequence[Row]) -> Iterator[Event]:
    long = [
        p for p in dict.fromkeys(t for row in rows for t in (row.prompt, row.negative_prompt)) if backbone.too_long(p)
    ]
    if long:
        text = f"{len(long)} prompts exceed the {backbone.words - 2} tokens this backbone reads; the rest is ignored."
        yield Note(text=text, level="warning")
