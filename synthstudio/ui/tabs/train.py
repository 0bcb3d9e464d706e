"""Train: a classifier from real photos and synthetic images, measured on photos that nothing else has touched."""

import functools
import math
from collections.abc import Mapping
from typing import Annotated, Any

import gradio as gr
from pydantic import BaseModel, Field, ValidationError

from synthstudio.complaints import concerning, refusal
from synthstudio.errors import UnknownName
from synthstudio.jobs.asking.asked import AUTO
from synthstudio.jobs.asking.recipes import load_recipe, parse_setting
from synthstudio.jobs.curating import by_hand
from synthstudio.jobs.curating.by_hand import NOW, Plan, Wish
from synthstudio.jobs.knowing.estimates import estimate
from synthstudio.jobs.knowing.shots import known
from synthstudio.models import at_hand
from synthstudio.quantities import duration, many
from synthstudio.step import step_class
from synthstudio.terms import Seed
from synthstudio.ui import words
from synthstudio.ui.api import selections
from synthstudio.ui.session import choices
from synthstudio.ui.session.choices import everything
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import QUIET, Form, empty, filled, for_strangers, refused, remembered, whole
from synthstudio.ui.tabs.step_form import CHOSEN_LATER, Look, StepForm

FIRST = "train.classifier"
ALL = "all of them"
_RATIOS = [ALL, "1 : 1", "1 : 2", "1 : 5", "1 : 10"]
_MOST = 1000  # synthetic images for one real photo
_SET_BYTES, _SET_FILES = 1 << 20, 8
_NOTHING = (
    "No classifier trained by hand yet. Choose photos and, if you like, synthetic images, then press Train. "
    "Here you will see the loss while it trains, and how it does against every earlier classifier."
)


def preset(kind: str, name: str) -> dict[str, Any]:
    """Settings of a method that suit the bundled encoder, from the recipe that uses it; none for other methods."""
    recipe = load_recipe("datadream")
    step = recipe.step("real_and_synthetic")
    return recipe.presets[name].get(step.name, {}) if step.kind == kind else {}


_LOOK = Look(
    first=("encoder", "real_weight"), skip=("real", "synthetic", "seed"), choose="Method", explained=True,
    values=preset(FIRST, "quick"), labels={"real_weight": "λ, the weight of the real photos"},
    automatic=("encoder",),
)  # fmt: skip


def build(session: StudioSession, page: gr.Blocks, tab: gr.Tab) -> None:
    """Everything of the Train tab."""
    with gr.Row(elem_classes="ss-twocolumns"):
        with gr.Column(min_width=320):
            sets = _sets()
            kinds = sorted(by_hand.methods(), key=lambda kind: kind != FIRST)
            method = StepForm(session, "train", kinds, _LOOK)
            more = _more()
        with gr.Column(min_width=320):
            plan = gr.HTML(elem_id="ss-train-plan", apply_default_css=False)
            form = Form("train", {**sets, **method.controls, **more})
            go = gr.Button("Train", variant="primary", elem_id="ss-train-go")
    gr.HTML(
        f"<studio-training>{empty(_NOTHING)}</studio-training>", elem_classes="ss-plainblock", apply_default_css=False
    )
    _wire(session, page, tab, method, form, plan, go)


def _sets() -> dict[str, Any]:
    return {
        "real": gr.Dropdown([], label="Real photos",
                            info="Photos to learn from: the shots of a split. Test photos are never here."),
        "synthetic": gr.Dropdown([], label="Synthetic images",
                                 info="A frozen selection, or what is accepted now, which is frozen first."),
        "ratio": gr.Dropdown(_RATIOS, value=ALL, label="Real : synthetic", allow_custom_value=True,
                             info="How many synthetic images for each real photo, drawn evenly over the classes."),
    }  # fmt: skip


def _more() -> dict[str, Any]:
    return {
        "seed": gr.Number(0, step=1, label="Seed", info="Start of all randomness: of the training and of the draw."),
        "baseline": gr.Checkbox(True, label="Also train on the real photos alone",
                                info="What the synthetic images have to beat. Made once; reused after that."),
        "rivals": gr.Checkbox(True, label="Ask the earlier classifiers too",
                              info="All that were trained for these classes and have not met the held-out photos."),
        "test": gr.Dropdown([], label="Held-out photos",
                            info="What the accuracy is measured on: by default those of the photos’ own split."),
    }  # fmt: skip


def _wire(
    session: StudioSession, page: gr.Blocks, tab: gr.Tab, method: StepForm, form: Form, plan: gr.HTML, go: gr.Button
) -> None:
    own = [form.controls[name] for name in ("real", "synthetic", "test")]
    for control, offered in zip(own, (real_sets, synthetic_sets, test_sets), strict=True):
        following(control, functools.partial(offered, session), fill=False)

    @for_strangers
    def fill(request: gr.Request) -> list[Any]:
        return lists(session, named_in(session, request.query_params))

    @for_strangers
    def renewed(request: gr.Request, *chosen: Any) -> list[Any]:
        found = dict(zip(("real", "synthetic", "test"), chosen, strict=True))
        # A tab may be opened before its form was filled: then what the address names still counts.
        empty_yet = not (found["real"] or found["synthetic"])
        return lists(session, named_in(session, request.query_params) if empty_yet else found)

    def begin(*given: Any) -> None:
        start(session, method, form.values(given))

    kept = [one for name, one in form.controls.items() if name not in ("real", "synthetic", "test")]
    back = remembered(page, "train", kept).then(fill, None, own, **QUIET)
    filled(form.planned(back, tab, plan, lambda values: preview(session, method, values)), "train")
    tab.select(renewed, own, own, **QUIET)
    method.follow_kind(QUIET)
    form.press(go, begin, "trained")


def named_in(session: StudioSession, query: Mapping[str, str]) -> dict[str, str]:
    """The sets that an address names; with a selection alone, the newest photos."""
    asked = {name: str(query.get(name, "")) for name in ("real", "synthetic")}
    if asked["synthetic"] and not asked["real"]:
        asked["real"] = real_sets(session)[0][1]
    return asked


def lists(session: StudioSession, chosen: Mapping[str, Any]) -> list[Any]:
    """What can be chosen now: real photos, synthetic images, held-out photos; a choice that is still there stays."""
    real, synthetic, test = real_sets(session), synthetic_sets(session), test_sets(session)
    found = []
    anything = chosen.get("real") or chosen.get("synthetic")
    for name, offered in (("real", real), ("synthetic", synthetic), ("test", test)):
        ids = [value for _, value in offered]
        first = ids[0] if name == "real" else ""
        wanted = str(chosen.get(name) or ("" if anything else first))
        found.append(gr.Dropdown(offered, value=wanted if wanted in ids else first))
    return found


def real_sets(session: StudioSession) -> list[tuple[str, str]]:
    """(title, id): the shots of every split, then every other set, then none."""
    shots = choices.shots(session)
    others = [one for one in everything(session, ("set",)) if one[1] not in {set_id for _, set_id in shots}]
    return [*shots, *others, ("None: synthetic images alone", "")]


def synthetic_sets(session: StudioSession) -> list[tuple[str, str]]:
    """(title, id): none, what is accepted now, frozen selections, then every other set."""
    frozen = [(f"{one['name']} ({many(one['size'], 'image')})", one["id"])
              for one in selections.frozen(session.studio)]  # fmt: skip
    ids = {set_id for _, set_id in [*frozen, *choices.shots(session)]}
    others = [one for one in everything(session, ("set",)) if one[1] not in ids]
    return [("None: real photos alone", ""), ("What is accepted now", NOW), *frozen, *others]


def test_sets(session: StudioSession) -> list[tuple[str, str]]:
    """(title, id) of every test set; the first choice follows the real photos."""
    return [("Those of the photos’ own split", ""), *everything(session, ("test",))]


def wish_of(session: StudioSession, method: StepForm, values: Mapping[str, Any], *, preview: bool = False) -> Wish:
    """What the form asks for; every refusal is about the control that can mend it."""
    (kind,) = method.chosen(values)
    fields = method.fields(kind, values, preview=preview)
    seed = whole(values, "seed", "Seed", 0)
    if "seed" in step_class(kind).model_fields:
        fields["seed"] = seed
    method.step(kind, {**fields, "real": f"set:{'0' * 64}"})
    real = str(values["real"] or "") or None
    return Wish(
        method=kind, fields=fields, real=real, synthetic=str(values["synthetic"] or "") or None,
        per_real=per_real(str(values["ratio"] or ALL)), seed=seed, test=str(values["test"] or "") or None,
        baseline=bool(values["baseline"]), rivals=bool(values["rivals"]), about=_about(session, real),
        eyes=_eyes(session, fields["encoder"], preview),
    )  # fmt: skip


def _eyes(session: StudioSession, encoder: str, preview: bool) -> tuple[str, ...]:
    """The encoders that the photos choose among; none where one was named."""
    if encoder != CHOSEN_LATER:
        return ()
    if preview:
        return (CHOSEN_LATER,)
    session.check_writable()
    return tuple(at_hand(session.studio.workspace)[0])


def per_real(text: str) -> float | None:
    """'1 : 5' as 5.0 synthetic images for each real photo; none for all of them."""
    if text.strip() in ("", ALL):
        return None
    real, colon, synthetic = text.partition(":")
    try:
        found = float(synthetic) / float(real) if colon else float(text)
    except (ValueError, ZeroDivisionError):
        found = math.nan
    if not 0 < found <= _MOST:
        raise refused("ratio", f"Real : synthetic is two numbers, for example 1 : 5, at most 1 : {_MOST}; or “{ALL}”.")
    return found


def start(session: StudioSession, method: StepForm, values: Mapping[str, Any]) -> str:
    """Start what the form asks for; returns the pipeline's id."""
    return begin(session, wish_of(session, method, values))


def begin(session: StudioSession, wish: Wish) -> str:
    """Start a wish, within what who asks may hold."""
    with session.admitting(_SET_BYTES, _SET_FILES) as studio:
        return by_hand.start(studio, wish)


class Asked(BaseModel):
    """What a program asks for in words: sets by name or id, `settings` as field=value lines."""

    real: Annotated[str, Field(max_length=200)] = ""  # none: the newest split's shots
    synthetic: Annotated[str, Field(max_length=200)] = ""
    method: Annotated[str, Field(max_length=80)] = FIRST
    encoder: Annotated[str, Field(max_length=4096)] = AUTO
    ratio: Annotated[str, Field(max_length=40)] = ALL
    seed: Seed = 0
    settings: Annotated[str, Field(max_length=10_000)] = ""

    def __init__(self, **words_of: Any) -> None:
        """BadInput where a word cannot be, so that a program is told in a sentence."""
        try:
            super().__init__(**words_of)
        except ValidationError as error:
            raise refusal(error) from error


def asked(session: StudioSession, words_of: Asked) -> str:
    """Start what a program asks for; returns the pipeline's id."""
    session.check_writable()
    if words_of.method not in by_hand.methods():
        raise UnknownName.among("method", words_of.method, by_hand.methods())
    names = session.studio.catalog.names
    real, synthetic = words_of.real.strip(), words_of.synthetic.strip()
    real = names.find(real, ("set",)) if real else next((one for _, one in choices.shots(session)), "")
    if synthetic not in ("", NOW):
        synthetic = names.find(synthetic, ("set",))
    fields = _preset_and(words_of.method, words_of.settings)
    with concerning("encoder"):
        named = words_of.encoder.strip()
        fields["encoder"] = CHOSEN_LATER if named == AUTO else choices.encoder_reference(session, named)
    if "seed" in step_class(words_of.method).model_fields:
        fields["seed"] = words_of.seed
    wish = Wish(
        method=words_of.method, fields=fields, real=real or None, synthetic=synthetic or None,
        per_real=per_real(words_of.ratio), seed=words_of.seed, about=_about(session, real),
        eyes=_eyes(session, fields["encoder"], preview=False),
    )  # fmt: skip
    return begin(session, wish)


def _preset_and(kind: str, settings: str) -> dict[str, Any]:
    """The quick preset of a method, with field=value lines over it."""
    lines = [line.strip() for line in settings.splitlines() if line.strip()]
    found = (parse_setting(f"train.{line.removeprefix('train.')}") for line in lines)
    return preset(kind, "quick") | {name: value for _, name, value in found}


def preview(session: StudioSession, method: StepForm, values: Mapping[str, Any]) -> str:
    """What training will do, with counts and expected time; writes nothing."""
    wish = wish_of(session, method, values, preview=True)
    found = by_hand.plan(session.studio, wish)
    lines = "".join(f"<li>{words.safe(text)}</li>" for text in _lines(found))
    return (
        f"<div class='ss-plan'><h2>What it will do</h2>{_facts(session, wish, found)}{_warning(session, wish)}"
        f"<ol>{lines}</ol></div>"
    )


def _lines(found: Plan) -> list[str]:
    said = [words.node_words(node.name, node.kind, node.template) for node in found.nodes]
    asked_too = f", with {many(len(found.rivals), 'earlier classifier')}" if found.rivals else ""
    return [*said[:-1], f"{said[-1]}{asked_too}"]


def _facts(session: StudioSession, wish: Wish, found: Plan) -> str:
    taught = found.real + found.synthetic
    classes = len(known(session.studio.workspace, wish.real)[1]) if wish.real else 0
    bundled = "pico@0" if str(wish.fields["encoder"]).startswith(("pico-clip@", f"{AUTO}@")) else ""
    nodes = [node for node in found.nodes if not node.kind.startswith("collect.")]
    cost = estimate(session.studio.catalog, nodes, {"backbone": bundled, "taught": taught}, found.test, classes)
    of_all = f" of {found.offered:,}" if found.synthetic < found.offered else ""
    facts = [
        ("Time", f"about {duration(cost.seconds)}" if cost.seconds else "unknown"),
        ("Real photos", f"{found.real:,}"),
        ("Synthetic", f"{found.synthetic:,}{of_all}"),
        ("Held-out photos", f"{found.test:,}"),
    ]
    cells = "".join(f"<div><dt>{name}</dt><dd>{words.safe(value)}</dd></div>" for name, value in facts)
    return f"<dl class='ss-facts'>{cells}</dl><p class='ss-muted'>Time: {words.safe(cost.basis)}.</p>"


def _warning(session: StudioSession, wish: Wish) -> str:
    """That a class of the photos has no synthetic image, or the other way round."""
    if not wish.real or wish.synthetic in (None, NOW):
        return ""
    real, made = (set(known(session.studio.workspace, str(one))[1]) for one in (wish.real, wish.synthetic))
    if real == made:
        return ""
    other = ", ".join(sorted(real ^ made)[:5])
    return f"<p class='ss-warnline'>The sets do not show the same classes: {words.safe(other)}.</p>"


def _about(session: StudioSession, real: str | None) -> dict[str, Any]:
    """What the lists of the page call the photos."""
    return {"data": choices.source_of(session, real)} if real else {}
