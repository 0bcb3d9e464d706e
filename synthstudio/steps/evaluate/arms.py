"""Who competes: the sets to judge, and the baselines that are always there at the same number of images."""

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from synthstudio import provenance
from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Event, Progress
from synthstudio.seeds import derived_seed
from synthstudio.steps import Work
from synthstudio.steps.distil import Pool, rules

TITLES = {
    "random": "random real", "herding": "herding", "k_center": "k-center", "k_means": "k-means",
    "class_mean": "class mean", "mean_latent": "decoded mean latent", "random_synthetic": "random synthetic",
}  # fmt: skip


class Asked(Protocol):
    """What the step says of the arms."""

    @property
    def images(self) -> str: ...
    @property
    def others(self) -> tuple[str, ...]: ...
    @property
    def synthetic(self) -> str | None: ...
    @property
    def backbone(self) -> str: ...
    @property
    def encoder(self) -> str | None: ...
    @property
    def draws(self) -> int: ...
    @property
    def seed(self) -> int: ...


@dataclass(frozen=True)
class Arm:
    """One competitor. Several sets are draws of the same rule: each is trained on once, the seeds taking turns."""

    name: str
    title: str
    role: str  # method, other, baseline, reference
    sets: tuple[ImageSet, ...]
    seconds: float = 0.0  # it took to make the images, where that is known
    networks: tuple[str, ...] = ()  # architectures its maker has looked at
    encoders: tuple[str, ...] = ()  # encoders its maker has looked through
    per_class: int = field(default=0)

    def trainings(self, seeds: int) -> list[tuple[int, int]]:
        """(set, number of the training) of everything to train per architecture and augmentation."""
        if len(self.sets) == 1:
            return [(0, number) for number in range(seeds)]
        return [(draw, draw % seeds) for draw in range(len(self.sets))]


def judged(work: Work, asked: Asked, real: ImageSet) -> list[Arm]:
    """The sets to judge. BadInput unless all show every class, each class equally often, and all as often."""
    arms = []
    for number, one in enumerate((asked.images, *asked.others)):
        images = work.workspace.image_set(one)
        arms.append(_described(work, images, f"other_{number}" if number else "method", per_class_of(images, real)))
    if len({arm.per_class for arm in arms}) > 1:
        counts = ", ".join(f"{arm.title}: {arm.per_class}" for arm in arms)
        raise BadInput(f"The sets differ in images per class ({counts}). Compare sets of equal size.")
    shared = [arm for arm in arms if asked.encoder is not None and asked.encoder in arm.encoders]
    if shared and asked.encoder is not None:
        raise BadInput(
            f"{shared[0].title} was made with the encoder {asked.encoder.partition('@')[0]}, which would also be the "
            "judge. Name another encoder, or none to leave the probe out."
        )
    return arms


def per_class_of(images: ImageSet, real: ImageSet) -> int:
    """How many images each class has; BadInput if a class is missing, unknown, or has another number."""
    groups = images.by_label()
    if missing := sorted(set(real.labels) - set(groups)):
        raise BadInput(f"The set shows no {', '.join(map(repr, missing))}. Every arm must show every class.")
    if unknown := sorted(set(groups) - set(real.labels)):
        raise BadInput(f"There are no real images of {', '.join(map(repr, unknown))} to compare with.")
    counts = {label: len(members) for label, members in groups.items()}
    least, most = min(counts.values()), max(counts.values())
    if least != most:
        few = min(counts, key=lambda label: counts[label])
        raise BadInput(
            f"The set has {least} images of {few!r} but {most} of another class. Give every class equally many, "
            "for example with distil.select."
        )
    return least


def _described(work: Work, images: ImageSet, name: str, per_class: int) -> Arm:
    """What the logs say of how a set was made."""
    origins = provenance.origins(work.workspace, [member.image for member in images]).values()
    makers = [maker for maker in provenance.makers(work.workspace, images.id) if maker.kind.startswith("distil.")]
    made = [origin.made for origin in origins]
    methods = sorted({str(one["method"]) for one in made if one.get("method")})
    rule = str(makers[-1].fields.get("rule", "")) if makers else ""
    title = TITLES.get(rule) or " + ".join(TITLES.get(method, method) for method in methods) or "this set"
    encoders = {one.get("encoder") for one in made} | {maker.fields.get("encoder") for maker in makers}
    return Arm(
        name,
        title,
        "method" if name == "method" else "other",
        (images,),
        seconds=sum(maker.seconds for maker in makers[-1:]),
        networks=tuple(sorted({str(network) for one in made for network in one.get("networks") or ()})),
        encoders=tuple(sorted(str(one) for one in encoders if one)),
        per_class=per_class,
    )


def baselines(work: Work, asked: Asked, real: ImageSet, per_class: int) -> Generator[Event, None, list[Arm]]:
    """Everything that is always on: random, four rules, two means, random synthetic if there is a pool, and all."""
    pool = Pool.of(real, per_class)
    found = []
    for rule in (*rules.CHOOSING, *rules.MEANS):
        began = time.monotonic()
        sets = yield from _made(work, asked, rule, pool, per_class)
        found.append(Arm(rule, TITLES[rule], "baseline", sets, time.monotonic() - began, per_class=per_class))
    if asked.synthetic is not None:
        synthetic = Pool.of(work.workspace.image_set(asked.synthetic), per_class)
        if set(synthetic.labels) != set(pool.labels):
            raise BadInput("The synthetic pool shows other classes than the real images. Choose a pool that fits.")
        sets = yield from _made(work, asked, "random", synthetic, per_class)
        found.append(Arm("random_synthetic", TITLES["random_synthetic"], "baseline", sets, per_class=per_class))
    return [*found, Arm("all_real", f"all {len(real)} real images", "reference", (real,))]


def _made(
    work: Work, asked: Asked, rule: str, pool: Pool, per_class: int
) -> Generator[Progress, None, tuple[ImageSet, ...]]:
    """The set of a rule, or as many draws as asked for; stored, so that they are read back as files."""
    sets = []
    for draw in range(asked.draws if rule == "random" else 1):
        seed = derived_seed(asked.seed, "draw", draw)
        chosen, new = yield from rules.carry_out(work, rule, pool, per_class, asked.backbone, seed)
        members: Sequence[Member] = [*chosen, *(Member(one.label, work.workspace.put(one.file)) for one in new)]
        images = ImageSet.of("set", members)
        work.workspace.put_set(images)
        sets.append(images)
    # A pool of just as many images as are wanted has one draw.
    return tuple({images.id: images for images in sets}.values())
