"""Carrying out an adaptation: what the Steps `adapt.…` share."""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, Protocol

from synthstudio.artifacts import Member
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note, Progress
from synthstudio.modelfolder import STABLE_DIFFUSION
from synthstudio.steps import Work, room
from synthstudio.steps.adapt import previews
from synthstudio.steps.backbone import loaded
from synthstudio.steps.sample.plan import EVERY
from synthstudio.steps.saying import facts, warnings
from synthstudio.workspace import slug, write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

    from synthstudio.engine.backbones import Backbone
    from synthstudio.engine.lora import Photos, Training


class Adapting(Protocol):
    """What every adaptation says of its model and its photos."""

    @property
    def backbone(self) -> str: ...
    @property
    def images(self) -> str: ...
    @property
    def crop(self) -> str: ...
    @property
    def resolution(self) -> int | None: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class Result:
    """One finished adapter."""

    weights: str
    before: float
    after: float
    pipeline: str = STABLE_DIFFUSION  # the class of diffusers that draws with its backbone


@dataclass(frozen=True)
class Fit:
    """One adapter to be fitted: for all classes, for one, or for an image, whose digest is its `label` then.

    `prompts` are those that show a label, by label; or an image, by its digest, where it has its own.
    """

    step: Adapting
    label: str
    members: Sequence[Member]
    recipe: Mapping[str, Any]
    prompts: Mapping[str, tuple[str, ...]]
    shown: bool = True  # whether it draws previews on the way
    facts: list[str] = field(default_factory=list)  # what is worth saying and no warning

    @property
    def steps(self) -> int:
        """Optimiser updates."""
        return int(self.recipe["steps"])

    def folder(self, work: Work) -> Path:
        """What survives stop and resume."""
        return work.scratch / (slug(self.label) if self.label != EVERY else "all")

    def result(self, work: Work) -> Result:
        """The finished result."""
        return Result(**json.loads(self._note(work).read_bytes()))

    def finished(self, work: Work) -> bool:
        """Whether an earlier attempt finished this one."""
        return self._note(work).exists() and work.workspace.weight_path(self.result(work).weights).exists()

    def run(
        self, work: Work, shown: previews.Previews, before: int, notes: list[str]
    ) -> Iterator[tuple[int, dict[str, float]]]:
        """Train; yields steps done and losses, and puts what should be said in `notes`.

        `before` steps belong to other classes.
        """
        if self.finished(work):
            return
        from synthstudio.engine import lora
        from synthstudio.engine.adapters import files

        backbone = loaded(work, self.step.backbone, training=True)
        backbone.notes = notes
        folder = self.folder(work)
        folder.mkdir(parents=True, exist_ok=True)
        photos = _photos(work, self, backbone)
        recipe, how = lora.Recipe(**self.recipe), work.resources
        with closing(lora.Training(backbone, photos, recipe, folder, how.batch, how.checkpointing)) as training:
            training.updates.notes = notes
            self.facts.extend([*backbone.facts, *_room(self, training)])
            backbone.facts.clear()
            values = {"probe_loss": training.probe()}
            first = values["probe_loss"]
            with closing(training.run(work.resources.checkpoint_every)) as ticks:
                for tick in ticks:
                    values |= {"loss": tick.loss} | ({} if tick.probe is None else {"probe_loss": tick.probe})
                    if self.shown and shown.due(tick.step, self.steps):
                        shown.draw(backbone, self._labels, before + tick.step, _told(self, training))
                    yield tick.step, dict(values)
            after = training.probe()
            file = folder / files.FILE
            training.write(file)
        digest = work.workspace.put_weights(file)
        found = Result(digest, first, after, backbone.pipeline)
        write_atomically(self._note(work), json.dumps(asdict(found)).encode())
        training.checkpoint.unlink(missing_ok=True)

    def _note(self, work: Work) -> Path:
        return self.folder(work) / "result.json"

    @property
    def _labels(self) -> list[str]:
        return list(dict.fromkeys(member.label for member in self.members))


def fit_all(work: Work, fits: Sequence[Fit], shown: previews.Previews) -> Generator[Event, None, dict[str, Result]]:
    """Yield progress with the losses, then what was measured; returns the results by label. A stop keeps what is
    trained.
    """
    total = sum(fit.steps for fit in fits)
    if any(fit.recipe["warmup_steps"] > fit.steps / 3 for fit in fits):
        warmup = next(fit.recipe["warmup_steps"] for fit in fits)
        text = f"The warm-up of {warmup} steps takes over a third of the training. Consider a shorter one."
        yield Note(text=text, level="warning")
    finished, before = {}, 0
    notes: list[str] = []
    for fit in fits:
        for done, values in fit.run(work, shown, before, notes):
            yield from facts(fit.facts)
            yield from warnings(notes)
            yield Progress(done=before + done, total=total, unit="steps", values=values)
            if shown.problem:
                yield Note(text=shown.problem, level="warning")
                shown.problem = ""
        before += fit.steps
        finished[fit.label] = fit.result(work)
        yield Progress(done=before, total=total, unit="steps", values={"probe_loss": finished[fit.label].after})
    for name, some in _by_class(fits, finished).items():
        for arm, losses in (("before", [one.before for one in some]), ("after", [one.after for one in some])):
            yield Measured(name="probe_loss", value=mean(losses), arm=arm, split="shots", label=name)
    return finished


def _by_class(fits: Sequence[Fit], finished: Mapping[str, Result]) -> dict[str, list[Result]]:
    """Results by the class they are of; under no name those of all classes."""
    found: dict[str, list[Result]] = {}
    for fit in fits:
        found.setdefault("" if fit.label == EVERY else fit.members[0].label, []).append(finished[fit.label])
    return found


def groups_of(work: Work, step: Adapting, scope: str) -> dict[str, list[Member]]:
    """The images each adapter is fitted to, by label; one entry for all when the scope is the whole set.

    When it is an image, by the images' digests, class by class.
    """
    images = work.workspace.image_set(step.images)
    if not len(images):
        raise BadInput("There are no images to adapt to. Import some and split them first.")
    if scope == "image":
        return {member.image: [member] for member in images}
    return images.by_label() if scope == "cls" else {EVERY: list(images)}


def _room(fit: Fit, training: "Training") -> Iterator[str]:
    """How many images fit into a card, measured with one; more do not pass together then. MemoryFull if none does."""
    from synthstudio.engine import devices, diffusion

    step, backbone, updates = fit.step, training.backbone, training.updates
    memory = devices.memory_of(backbone.device)
    if memory is None or updates.accelerator.num_processes > 1:
        return
    name, side = step.backbone.partition("@")[0], diffusion.side(backbone, step.resolution)
    taken = room.one_image(name, side, memory, training.try_one, backbone.dtype.itemsize)
    if not taken:
        return
    most, said = room.together(side, taken, memory)
    yield said
    batch = int(fit.recipe["batch_size"])
    if updates.divisible and not updates.at_once and most < batch:
        updates.at_most(most)
        yield f"The batch of {batch} goes through in passes of {most}, which makes the same updates."


def family_of(finished: Mapping[str, Result]) -> "type[Backbone]":
    """The family of the model that was adapted."""
    from synthstudio.engine import backbones

    return backbones.FAMILIES[next(iter(finished.values())).pipeline]


def counted(groups: Mapping[str, Sequence[Member]]) -> dict[str, int]:
    """How many images of each label there are."""
    every = [member.label for members in groups.values() for member in members]
    return {label: every.count(label) for label in sorted(set(every))}


def _told(fit: Fit, training: "Training") -> "previews.Told | None":
    """What previews are told in the place of prompts: of inverted photos the first of each label, as it is now."""
    from synthstudio.engine.adapters.inverted import Inverted

    if not isinstance(training.adapter, Inverted):
        return None
    table = training.adapter.table()
    first = {member.label: member.image for member in reversed(fit.members)}
    return {label: (table.drawn(photo), table.mean) for label, photo in first.items()}


def _photos(work: Work, fit: Fit, backbone: "Backbone") -> "Photos":
    """Latents of the square views of every image, made once."""
    from synthstudio.engine import diffusion, lora, pixels, seeds

    step = fit.step
    side = diffusion.side(backbone, step.resolution)
    backbone.latent_shape(side)
    pictures: list[Picture] = []
    views: list[tuple[int, ...]] = []
    for member in fit.members:
        drawn = seeds.generator(step.seed, "crop", member.image)
        squares = pixels.squares(pixels.read(work.workspace.get(member.image)), side, step.crop, drawn)
        views.append(tuple(range(len(pictures), len(pictures) + len(squares))))
        pictures += squares
    middle, deviation = backbone.moments(pixels.to_tensor(pictures))
    prompts = tuple(fit.prompts.get(member.image) or fit.prompts[member.label] for member in fit.members)
    several = prompts if any(len(some) > 1 for some in prompts) else ()
    return lora.Photos(middle, deviation, tuple(views), tuple(some[0] for some in prompts), several)
