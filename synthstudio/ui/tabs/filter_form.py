"""Filter by hand: bounds for every score of a set, with a histogram of each and what falls out, before it is done."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import gradio as gr

from synthstudio.catalog.selection import select
from synthstudio.complaints import label
from synthstudio.filters import AboveChance, AtLeast, AtMost, Filter, TopPerLabel
from synthstudio.quantities import many
from synthstudio.step import Step
from synthstudio.step import build as build_step
from synthstudio.steps.select.filter import FilterImages
from synthstudio.ui.session.choices import everything
from synthstudio.ui.session.lists import following
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.session.tools import refused
from synthstudio.ui.tabs import controls
from synthstudio.ui.tabs.step_form import scorers
from synthstudio.ui.words import filter_words, safe
from synthstudio.workspace import Workspace

_AGREEMENT = "label_agreement"  # the one whose values are shares of an answer
_BINS, _SHOWN, _LISTED = 40, 12, 200
_WIDTH, _HEIGHT = 320, 56


class FilterForm:
    """The controls of `select.filter`: a set, two bounds for each scorer there is, the best of each class."""

    def __init__(self, session: StudioSession, name: str) -> None:
        self.session, self.name = session, name
        self.scorers = [kind.partition(".")[2] for kind in scorers()]
        images = gr.Dropdown([], label="Set", info="Any set of the project; its scores are found by themselves.")
        following(images, lambda: everything(session, ("set",)), fill=False)  # filled when the fold is opened
        made: dict[str, Any] = {"images": images}
        for scorer in self.scorers:
            with gr.Row():
                for bound, words in (("at_least", "at least"), ("at_most", "at most")):
                    made[f"{scorer}_{bound}"] = gr.Textbox("", label=f"{label(scorer)}, {words}", min_width=120)
        with gr.Accordion("More", open=False, elem_id=f"ss-{name}-more"):
            made["best_by"] = gr.Dropdown(
                [(label(one), one) for one in self.scorers], value=self.scorers[0], label="Best by"
            )
            made["best_count"] = gr.Textbox("", label="Best per class", info="Keep at most so many; empty: all.")
            made["above_chance"] = gr.Textbox(
                "", label="Label agreement, times chance", info="At least so often what guessing gives; empty: any."
            )
            made["minimum_per_class"] = controls.control(FilterImages, "minimum_per_class", elem_id=None)
        self.controls = made
        self.listed = [images]

    def choices(self, chosen: Sequence[Any]) -> list[Any]:
        """The sets there are now; a choice that is still there stays."""
        offered = everything(self.session, ("set",))
        ids = [set_id for _, set_id in offered]
        return [gr.Dropdown(offered, value=chosen[0] if chosen[0] in ids else next(iter(ids), None))]

    def follow_kind(self, quiet: Mapping[str, Any]) -> None:
        """There is only one."""

    def steps(self, values: Mapping[str, Any], *, preview: bool = False) -> list[Step]:
        """The Step that is asked for; every refusal is about the control that can mend it."""
        set_id = str(values["images"] or "")
        if not set_id:
            raise refused("images", "Set: choose one. Where the list is empty, make images first.")
        found = scores_of(self.session, set_id)
        filters = self._filters(values, found)
        fields = controls.read(FilterImages, {"minimum_per_class": values["minimum_per_class"]})
        used = [found[one] for one in dict.fromkeys(one.scorer for one in filters)]
        return [build_step(FilterImages.kind, {"images": set_id, "scores": used, "filters": filters, **fields})]

    @property
    def preview(self) -> Callable[[dict[str, Any]], str]:
        """How the form says what it will do."""
        return lambda values: falling_out(self.session, self.steps(values, preview=True)[0])

    def _filters(self, values: Mapping[str, Any], found: Mapping[str, str]) -> list[Filter]:
        filters: list[Filter] = []
        for scorer in self.scorers:
            for key, rule in ((f"{scorer}_at_least", AtLeast), (f"{scorer}_at_most", AtMost)):
                value = _number(key, values[key])
                if value is not None:
                    _refuse_unscored(key, scorer, found)
                    filters.append(rule(scorer=scorer, value=value))
        factor = _number("above_chance", values["above_chance"])
        if factor is not None:
            if not 0 < factor <= 1000:
                raise refused("above_chance", "Times chance must be above 0 and at most 1000, or empty.")
            _refuse_unscored("above_chance", _AGREEMENT, found)
            filters.append(AboveChance(scorer=_AGREEMENT, factor=factor))
        count = _number("best_count", values["best_count"])
        if count is not None:
            if count % 1 or not 1 <= count <= 1_000_000:
                raise refused("best_count", "Best per class must be a whole number of at least 1.")
            _refuse_unscored("best_by", str(values["best_by"]), found)
            filters.append(TopPerLabel(scorer=str(values["best_by"]), count=int(count)))
        return filters


def scores_of(session: StudioSession, set_id: str) -> dict[str, str]:
    """By scorer, the newest document that has a value for an image of a set; of the set itself, if there is one."""
    digests = {member.image for member in session.studio.workspace.image_set(set_id)}
    own: dict[str, str] = {}
    others: dict[str, str] = {}
    runs = session.studio.catalog.runs
    for made in runs.outputs_of(run.id for run in runs.of_kind("score.")).values():
        document = made.get("scores")
        if document is None:
            continue
        scorer, values = _read(session.studio.workspace, str(document))
        if digests <= set(values):
            own.setdefault(scorer, str(document))
        elif digests & set(values):
            others.setdefault(scorer, str(document))
    return others | own


def falling_out(session: StudioSession, step: Step) -> str:
    """How many stay of each class, the histogram of every score, and some of the images that fall out."""
    assert isinstance(step, FilterImages)
    workspace = session.studio.workspace
    members = list(workspace.image_set(step.images))
    rows = [(member.image, member.label) for member in members]
    scores = dict(_read(workspace, one) for one in scores_of(session, step.images).values())
    values = [(image, scorer, value) for scorer, own in scores.items() for image, value in own.items()]
    kept = set(select(rows, values, step.filters))
    out = [row for row in rows if row not in kept]
    charts = "".join(_histogram(scorer, own, rows, step.filters) for scorer, own in sorted(scores.items()))
    before, after = Counter(name for _, name in rows), Counter(name for _, name in kept)
    counts = [(name, after[name], before[name] - after[name]) for name in sorted(before)[:_LISTED]]
    classes = "".join(
        f"<tr><td>{safe(name)}</td><td class='n'>{stay:,}</td><td class='n'>{gone:,}</td></tr>"
        for name, stay, gone in counts
    )
    more = f" Thin classes are filled up to {step.minimum_per_class} afterwards." if step.minimum_per_class else ""
    return (
        f"<div class='ss-plan'><h2>{len(kept):,} of {many(len(rows), 'image')} stay, {len(out):,} fall out</h2>"
        f"<p>{safe(filter_words(step.filters))}.{more}</p>"
        f"{charts or _UNSCORED}{_pictures(out)}"
        f"<details><summary>Per class</summary><table class='ss-table'><thead><tr><th>Class</th><th class='n'>stay</th>"
        f"<th class='n'>fall out</th></tr></thead><tbody>{classes}</tbody></table></details></div>"
    )


_UNSCORED = "<p class='ss-warnline'>These images have no scores yet. Score the set above, then filter it.</p>"


def _histogram(
    scorer: str, own: Mapping[str, float], rows: Sequence[tuple[str, str]], filters: Sequence[Filter]
) -> str:
    """Bars of a score's values over a set; those outside of the bounds are pale."""
    found = [own[image] for image, _ in rows if image in own]
    if not found:
        return ""
    low, high = min(found), max(found)
    width = (high - low) / _BINS or 1.0
    bins = Counter(min(_BINS - 1, int((value - low) / width)) for value in found)
    most = max(bins.values())
    bounds = [one for one in filters if one.scorer == scorer and isinstance(one, AtLeast | AtMost)]
    step = _WIDTH / _BINS
    bars = "".join(
        f"<rect x='{step * place:.1f}' width='{step - 1:.1f}' y='{_HEIGHT * (1 - count / most):.1f}'"
        f" height='{_HEIGHT * count / most:.1f}' class='{_side(low + (place + 0.5) * width, bounds)}'/>"
        for place, count in sorted(bins.items())
    )
    title = f"{label(scorer)}: {many(len(found), 'value')} from {low:.3g} to {high:.3g}"
    return (
        f"<figure class='ss-histogram'><figcaption>{safe(title)}</figcaption>"
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' aria-label='{safe(title)}'>{bars}</svg></figure>"
    )


def _side(value: float, bounds: Sequence[AtLeast | AtMost]) -> str:
    inside = all(value >= one.value if isinstance(one, AtLeast) else value <= one.value for one in bounds)
    return "in" if inside else "out"


def _pictures(out: Sequence[tuple[str, str]]) -> str:
    if not out:
        return ""
    images = "".join(
        f"<img src='/studio/thumbs/{image}' alt='{safe(name)}' title='{safe(name)}' loading='lazy'>"
        for image, name in out[:_SHOWN]
    )
    rest = f" (the first {_SHOWN})" if len(out) > _SHOWN else ""
    return f"<h3>What falls out{rest}</h3><div class='ss-newest'>{images}</div>"


@lru_cache(maxsize=32)
def _read(workspace: Workspace, document: str) -> tuple[str, dict[str, float]]:
    """(scorer, value by image) of a scores document, read once: an id names its content for ever."""
    body = workspace.document(document)
    return str(body["scorer"]), {str(image): float(value) for image, value in body["values"] if value is not None}


def _number(key: str, text: Any) -> float | None:
    """The number in a box; none where it is empty."""
    if not str(text or "").strip():
        return None
    try:
        found = float(str(text).strip().replace(",", "."))
    except ValueError:
        found = float("nan")
    if not abs(found) <= 1e12:
        raise refused(key, f"{label(key).replace('_', ' ')} must be a number, or empty.")
    return found


def _refuse_unscored(key: str, scorer: str, found: Mapping[str, str]) -> None:
    if scorer not in found:
        raise refused(key, f"No image of this set has a {scorer} score. Score the set first, with Score a set by hand.")
