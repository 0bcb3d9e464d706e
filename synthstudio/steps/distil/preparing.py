"""What `distil.match` and `distil.experts` read before they start."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import AfterValidator

from synthstudio.errors import BadInput
from synthstudio.models import folder_of
from synthstudio.steps import Work, encoding
from synthstudio.steps.distil import Pool
from synthstudio.steps.distil.latents import backbone_of

if TYPE_CHECKING:
    from synthstudio.engine.distil.distilling import Distillation
    from synthstudio.engine.distil.real import RealImages
    from synthstudio.engine.distil.trajectories import Trajectories
    from synthstudio.steps.distil.match import Match

PREVIEW = "preview.png"
_ENGINE = Path(__file__).resolve().parents[2] / "engine" / "distil"
_RATES = ("network_rate", "rate_of_student_rate")  # none of a Step is the publication's, as the engine has it
_LEAST_DECODED = 64  # px: below it the latents of an f8 autoencoder hold too little


class Shown(Protocol):
    """Steps that show real images to small networks."""

    @property
    def images(self) -> str: ...
    @property
    def image_size(self) -> int: ...
    @property
    def network(self) -> str: ...
    @property
    def width(self) -> int: ...


def choices(table: str) -> tuple[str, ...]:
    """The names in a table of the engine, `matching` or `forms`, read off its files: listing steps loads no torch."""
    return tuple(sorted(path.stem for path in (_ENGINE / table).glob("[a-z]*.py")))


def one_of(table: str) -> AfterValidator:
    """Accepts the names in a table of the engine."""

    def check(name: str) -> str:
        if name not in choices(table):
            raise ValueError(f"choose one of {', '.join(choices(table))}")
        return name

    return AfterValidator(check)


def real_images(work: Work, step: Shown) -> "RealImages":
    """The images of a step's set as bytes. BadInput with fewer than two classes."""
    from synthstudio.engine.distil import real

    pool = Pool.of(work.workspace.image_set(step.images))
    pixels = real.read((work.workspace.get(image) for image in pool.images), step.image_size)
    return real.RealImages.of(pixels, [pool.labels[place] for place in pool.places])


def what_experts_saw(step: Shown, real: "RealImages") -> dict[str, Any]:
    """What trajectories depend on: experts of anything else are another lesson."""
    return {
        "network": step.network,
        "width": step.width,
        "image_size": step.image_size,
        "labels": list(real.labels),
        "mean": list(real.normalisation.mean),
        "deviation": list(real.normalisation.deviation),
    }


def distillation(work: Work, step: "Match", real: "RealImages") -> "Distillation":
    """Everything put together: form, start, method, course."""
    from synthstudio.engine import devices
    from synthstudio.engine.distil.distilling import Course, Distillation
    from synthstudio.engine.distil.forms import FORMS, Materials
    from synthstudio.engine.distil.matching import METHODS, Teaching
    from synthstudio.engine.distil.starts import Start, start

    device = devices.pick(work.resources.device)
    if device.type == "cuda":
        devices.repeatable()
    teaching = Teaching(
        real=real,
        images_per_class=step.images_per_class,
        seed=step.seed,
        network=step.network,
        width=step.width,
        real_batch=step.real_batch,
        operations=step.operations,
        device=device,
        outer=step.outer_loops,
        inner=step.inner_loops,
        encoder=encoding.encoder(work, step.encoder) if step.encoder else None,
        trajectories=_trajectories(work, step, real) if step.experts else None,
        student_steps=step.student_steps,
        expert_epochs=step.expert_epochs,
        latest_start=step.latest_start,
        student_rate=step.student_rate,
        **{name: rate for name in _RATES if (rate := getattr(step, name)) is not None},
    )
    materials = Materials(
        normalisation=real.normalisation,
        size=step.image_size,
        level=step.level,
        made=step.decode_size or max(step.image_size, _LEAST_DECODED),
        device=device,
        folder=lambda: folder_of(str(step.backbone), "backbone", work.workspace),
        autoencoder=lambda: backbone_of(work, str(step.backbone)).autoencoder(),
    )
    form = FORMS[step.parameterisation].of(materials)
    variables = start(form, real, Start(step.initialisation, step.images_per_class, step.seed), device)
    about = json.dumps(step.fields, sort_keys=True)
    course = Course(step.iterations, step.rate, step.optimizer, step.realism, about)
    return Distillation(form, METHODS[step.method](teaching), variables, course, work.scratch)


def _trajectories(work: Work, step: "Match", real: "RealImages") -> "Trajectories":
    """The experts of a step. BadInput unless they were taught exactly what the student is to be taught."""
    from synthstudio.engine.distil.networks import make_network
    from synthstudio.engine.distil.trajectories import Trajectories

    document = work.workspace.document(str(step.experts))
    wanted = what_experts_saw(step, real)
    for name, value in wanted.items():
        if document.get(name) != value:
            raise BadInput(
                f"The experts have another {_WORDS.get(name, name)} ({_short(document.get(name))}) than this request "
                f"({_short(value)}). Train experts for it, or ask for theirs."
            )
    network = make_network(
        step.network, channels=3, classes=len(real.labels), image_size=step.image_size, width=step.width, seed=0
    )
    return Trajectories([work.workspace.get_weights(digest) for digest in document["weights"]], network)


_WORDS = {
    "image_size": "resolution",
    "labels": "list of classes",
    "mean": "normalisation",
    "deviation": "normalisation",
}


def _short(value: object) -> str:
    if isinstance(value, list):
        some = ", ".join(f"{one:.4g}" if isinstance(one, float) else str(one) for one in value[:4])
        return some + (", …" if len(value) > 4 else "")
    return str(value)
