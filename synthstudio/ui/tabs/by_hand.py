"""One step at a time by hand, on any set of the project: split, score, filter, compare, measure, export."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from synthstudio.catalog.pipelines import Node
from synthstudio.jobs.keeping.wholeness import strings
from synthstudio.jobs.knowing.estimates import estimate
from synthstudio.jobs.knowing.shots import known
from synthstudio.quantities import duration, many
from synthstudio.step import Step
from synthstudio.ui import words
from synthstudio.ui.api import measure_views
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, Form, empty, for_strangers
from synthstudio.ui.tabs.filter_form import FilterForm
from synthstudio.ui.tabs.step_form import Look, StepForm, kinds_of, scorers

_SETS = ("set:", "pool:", "test:")
_SET_BYTES, _SET_FILES = 1 << 20, 8


@dataclass(frozen=True)
class Place:
    """A form on a tab: which kinds of Step it asks for, and what comes after them."""

    name: str
    title: str
    kinds: Callable[[], list[str]]  # asked when the page is built, so that a Step that is added is there by itself
    press: str
    nothing: str  # said until there is a run
    look: Look = field(default_factory=Look)
    after: Mapping[str, str] = field(default_factory=dict)  # attributes of the panel: the next step and what it gets
    # What the form begins with, by its fields, where nothing is chosen yet; the mapping is the query of the address.
    begun: Callable[[StudioSession, Mapping[str, str]], dict[str, str]] | None = None


SPLIT = Place(
    "split", "Split photos by hand", lambda: ["collect.split"], "Split",
    "Choose imported photos and press Split: shots to learn from, photos to choose by, and photos to test with.",
    Look(first=("images", "shots", "test_fraction"), labels={"images": "Photos"}),
    {"next": "train", "words": "Train on the shots", "give": "real=shots"},
)  # fmt: skip
SCORE = Place(
    "score", "Score a set by hand", scorers, "Score",
    "Choose a set and one scorer or more. The values are there for Review and for the filter below.",
    Look(first=("images", "references", "encoder"), choose="Scorers", several=True),
    {"next": "review", "words": "Review these"},
)  # fmt: skip
COMPARE = Place(
    "compare", "Compare classifiers by hand", lambda: ["evaluate.classifiers"], "Compare",
    "Choose the photos to test with and the classifiers to ask. One that has met such a photo is refused.",
    Look(first=("test", "classifiers", "baseline"), labels={"test": "Held-out photos"}),
    {"next": "", "words": ""},
)  # fmt: skip
MEASURE = Place(
    "measure", "Measure a set by hand", lambda: ["measure.images"], "Measure",
    "Choose a set and real photos that nothing was made from; its numbers stand above beside those of other sets.",
    Look(first=("images", "references", "encoder"), labels={"images": "Images", "references": "Real photos"}),
    {"next": "", "words": ""},
    measure_views.begun,
)  # fmt: skip
EXPORT = Place(
    "export-any", "Export anything by hand", lambda: kinds_of("export."), "Export",
    "Choose what to write: any sets as a dataset, an adapter, or a classifier.",
    Look(first=("real", "synthetic", "validation", "test", "adapter", "classifier", "name"), choose="What to write"),
    {"next": "", "words": ""},
)  # fmt: skip
FILTER = Place(
    "filter", "Filter a set by hand", lambda: ["select.filter"], "Keep these",
    "Choose a set that was scored, and bounds for its scores; see what falls out before anything is made.",
    after={"next": "train", "words": "Train on these", "give": "synthetic=images"},
)  # fmt: skip


def build(session: StudioSession, *places: Place) -> None:
    """The forms of some places, each folded until somebody wants it."""
    for place in places:
        _fold(session, place)


def _fold(session: StudioSession, place: Place) -> None:
    asked: StepForm | FilterForm
    fold = gr.Accordion(place.title, open=False, elem_id=f"ss-{place.name}-fold", elem_classes="ss-byhand")
    with fold, gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=300):
            if place is FILTER:
                asked = FilterForm(session, place.name)
            else:
                asked = StepForm(session, place.name, place.kinds(), place.look)
        with gr.Column(min_width=300):
            plan = gr.HTML(elem_id=f"ss-{place.name}-plan", apply_default_css=False)
            form = Form(place.name, asked.controls)
            go = gr.Button(place.press, variant="primary", elem_id=f"ss-{place.name}-go")
            _panel(place)
    _wire(session, place, fold, asked, form, plan, go)


def _panel(place: Place) -> None:
    """The newest run of these kinds, live."""
    kinds = place.kinds()
    prefix = kinds[0] if len(kinds) == 1 else f"{kinds[0].partition('.')[0]}."
    about = "".join(f' {name}="{words.safe(value)}"' for name, value in place.after.items())
    latest = f'<studio-latest kind="{prefix}"{about}>{empty(place.nothing)}</studio-latest>'
    gr.HTML(latest, elem_classes="ss-plainblock", apply_default_css=False)


def _wire(  # noqa: PLR0913 - the parts of one form
    session: StudioSession, place: Place, fold: gr.Accordion, asked: StepForm | FilterForm, form: Form, plan: gr.HTML,
    go: gr.Button,
) -> None:  # fmt: skip
    listed = asked.listed
    keys = [next(key for key, one in form.controls.items() if one is control) for control in listed]
    eyes = [form.controls["encoder"]] if place.begun else []

    @for_strangers
    def renewed(request: gr.Request, *chosen: Any) -> Any:
        first = place.begun(session, request.query_params) if place.begun and not any(chosen) else {}
        found = asked.choices([first.get(key, value) for key, value in zip(keys, chosen, strict=True)])
        found += [gr.update(value=first["encoder"]) if "encoder" in first else gr.skip() for _ in eyes]
        return found if len(found) > 1 else found[0]

    def begin(*given: Any) -> None:
        submit(session, asked.steps(form.values(given)))

    def said(values: dict[str, Any]) -> str:
        return preview(session, asked.steps(values, preview=True))

    opened = fold.expand(renewed, listed, [*listed, *eyes], **QUIET)
    form.planned(opened, None, plan, asked.preview or said)
    asked.follow_kind(QUIET)
    form.press(go, begin, "asked")


def submit(session: StudioSession, steps: Sequence[Step]) -> list[str]:
    """Queue these Steps, within what who asks may hold; returns their runs."""
    with session.admitting(_SET_BYTES, _SET_FILES) as studio:
        return [studio.submit(step)[0] for step in steps]


def preview(session: StudioSession, steps: Sequence[Step]) -> str:
    """What these Steps look at, and how long it takes; nothing is written."""
    workspace = session.studio.workspace
    named = dict.fromkeys(value for step in steps for value in strings(step.fields) if value.startswith(_SETS))
    images = sum(known(workspace, one)[0] for one in named)
    classes = max((len(known(workspace, one)[1]) for one in named), default=0)
    nodes = [Node(n, step.kind, None, step.kind, step.fields) for n, step in enumerate(steps)]
    encoders = [str(step.fields["encoder"]) for step in steps if step.fields.get("encoder")]
    bundled = "pico@" if all(one.startswith("pico-clip@") for one in encoders) else ""
    request = {"backbone": bundled, "taught": images, "made": images, "shots": -(-images // max(1, classes))}
    cost = estimate(session.studio.catalog, nodes, request, images, classes)
    lines = "".join(f"<li>{words.safe(words.node_words('', step.kind, step.fields))}</li>" for step in steps)
    facts = [
        ("Time", f"about {duration(cost.seconds)}" if cost.seconds else "unknown"),
        ("Images", f"{images:,} in {many(classes, 'class', 'classes')}"),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{words.safe(value)}</dd></div>" for name, value in facts)
    return (
        f"<div class='ss-plan'><h2>What it will do</h2><dl class='ss-facts'>{cells}</dl>"
        f"<p class='ss-muted'>Time: {words.safe(cost.basis)}.</p><ol>{lines}</ol></div>"
    )
