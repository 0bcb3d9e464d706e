"""The rules that need no optimisation, carried out on images of a workspace: for `distil.select` and for the judge."""

from collections.abc import Generator

from synthstudio.artifacts import Member
from synthstudio.events import Progress
from synthstudio.steps import Work
from synthstudio.steps.distil import New, Pool
from synthstudio.steps.distil.latents import backbone_of, decoded, encoded

CHOOSING = ("random", "herding", "k_center", "k_means")
MEANS = ("class_mean", "mean_latent")
Few = tuple[list[Member], list[New]]


def carry_out(
    work: Work, rule: str, pool: Pool, per_class: int, backbone: str, seed: int
) -> Generator[Progress, None, Few]:
    """The images a rule keeps of a pool, and the pictures it makes: `per_class` of each class in all.

    Images are compared in the latents of the backbone, which no classifier of ours looks through; class_mean averages
    pixels over clusters of pixels, mean_latent averages latents over clusters of latents and decodes them.
    """
    from synthstudio.engine.distil import few, real

    if rule == "random":
        return pool.members(few.rows(rule, None, pool.places, per_class, seed)), []
    side = backbone_of(work, backbone).resolution
    if rule == "class_mean":
        pixels = real.read((work.workspace.get(image) for image in pool.images), side)
        files = few.mean_pictures(pixels, pool.places, per_class, seed)
        return [], _new(pool, per_class, files, side, {"method": rule})
    latents = yield from encoded(work, backbone, pool.images)
    if rule == "mean_latent":
        files = decoded(work, backbone, few.mean_latents(latents, pool.places, per_class, seed))
        return [], _new(pool, per_class, files, side, {"method": rule, "backbone": backbone})
    return pool.members(few.rows(rule, latents, pool.places, per_class, seed)), []


def _new(pool: Pool, per_class: int, files: list[bytes], side: int, made: dict[str, str]) -> list[New]:
    labels = [label for label in pool.labels for _ in range(per_class)]
    return [New(file, label, side, {**made, "networks": []}) for file, label in zip(files, labels, strict=True)]
