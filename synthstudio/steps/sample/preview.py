"""What the prompts of a sampling step become, before it is run."""

from typing import Any

from synthstudio.errors import BadInput
from synthstudio.step import Step
from synthstudio.steps.sample.making import learned_words, said_of
from synthstudio.steps.sample.plan import Expansion, expand, plan
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.variation import Variation
from synthstudio.workspace import Workspace


def preview(step: Step, workspace: Workspace) -> Expansion:
    """The first distinct prompts of a sampling step and how many there are; BadInput for any other step.

    Reads sources and learned words in the workspace, and makes nothing.
    """
    if not isinstance(step, Text | Variation):
        raise BadInput(f"{step.kind} has no prompts to preview. Preview {Text.kind} or {Variation.kind}.")
    names = said_of(learned_words(workspace, step), step.labels)
    if isinstance(step, Text):
        return expand(plan(step, names=names))
    groups = workspace.image_set(step.sources).by_label()
    sources = {label: [member.image for member in members] for label, members in groups.items()}
    return expand(plan(step, None, sources, step.start, names))


def as_json(found: Expansion) -> dict[str, Any]:
    """For a program: how many images, how many distinct prompts, the first of them."""
    return {"images": found.images, "distinct": found.distinct, "complete": found.complete, "prompts": found.prompts}
