"""What is accepted of a recipe run: what its filter kept, as people changed it.

What a person says outranks the filter: a rejected image is out, one that was kept or moved by hand is in (in the class
it was moved to) even where the filter dropped it, and of what nobody decided about the filter's choice stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from synthstudio.artifacts import ImageSet, Member
from synthstudio.catalog.pipelines import Pipeline
from synthstudio.errors import BadInput
from synthstudio.jobs.studio import Studio

Row = tuple[str, str, str]  # class, image, verdict ('' where nobody decided)
REVIEW = "review-helped"
_FILTER, _UNTIL = "select.filter", "sample.until"


@dataclass(frozen=True)
class Offered:
    """What a fold of a recipe made (`made`) and what of it its filter kept: the ids of two sets, which may be equal."""

    fold: int | None
    made: str
    kept: str


@dataclass(frozen=True)
class Part:
    """What is accepted of one fold, and the counts that a reader wants to see."""

    offered: Offered
    members: tuple[Row, ...]
    before: int  # images the filter kept
    rejected: int  # of those, left out by hand
    moved: int  # in another class than asked for
    added: int  # dropped by the filter, kept by hand

    @property
    def set(self) -> ImageSet:
        """The accepted images, each in the class that people gave it."""
        return ImageSet.of("set", (Member(label, image) for label, image, _ in self.members))

    @property
    def decided(self) -> bool:
        """Whether people made it another set than the filter's."""
        return bool(self.rejected or self.moved or self.added)


def pipeline(studio: Studio, pipeline_id: str | None = None) -> Pipeline:
    """The finished recipe run of this name or id, else the newest that kept images; a review stands for its recipe."""
    pipelines = studio.catalog.pipelines
    if pipeline_id is not None:
        one = pipelines.get(studio.catalog.names.find(pipeline_id, ("recipe run",)))
        one = pipelines.get(one.request["continues"]) if one.recipe == REVIEW else one
        if one.state != "done":
            raise BadInput(f"{studio.catalog.names.of(one.id)} is {one.state}. Wait for its end, or resume it.")
        return one
    for one in pipelines.all():
        if one.state == "done" and one.recipe != REVIEW and any(True for _ in offered(studio, one.id)):
            return one
    raise BadInput("There is no finished recipe yet. Run one first: python -m synthstudio run datadream --data digits")


def offered(studio: Studio, pipeline_id: str, fold: int | None = None) -> Iterator[Offered]:
    """What each fold offers to a reviewer (or only one fold): the images of the last filter, which may have looked on
    while they were drawn; else the small set it made.
    """
    nodes = [node for node in studio.catalog.pipelines.nodes(pipeline_id) if node.run_id]
    outputs = studio.catalog.runs.outputs_of(str(node.run_id) for node in nodes)
    fields = studio.catalog.runs.fields_of(str(node.run_id) for node in nodes if node.kind == _FILTER)
    for number in dict.fromkeys(node.fold for node in nodes):
        if fold in (None, number):
            own = [node for node in nodes if node.fold == number and "images" in outputs[str(node.run_id)]]
            filters = [str(node.run_id) for node in own if node.kind == _FILTER]
            until = [outputs[str(node.run_id)] for node in own if node.kind == _UNTIL]
            small = [str(node.run_id) for node in own if node.kind.startswith("distil.")]
            if filters:
                yield Offered(number, fields[filters[-1]]["images"], outputs[filters[-1]]["images"])
            elif until:
                yield Offered(number, until[-1]["made"], until[-1]["images"])
            elif small:
                made = outputs[small[-1]]["images"]
                yield Offered(number, made, made)


def of(studio: Studio, pipeline_id: str, fold: int | None = None, *, decided_only: bool = False) -> list[Part]:
    """What is accepted now, fold by fold; with `decided_only`, only what a person looked at and kept or moved."""
    return [_part(studio, one, decided_only) for one in offered(studio, pipeline_id, fold)]


def _part(studio: Studio, one: Offered, decided_only: bool) -> Part:
    made, kept = studio.workspace.image_set(one.made), studio.workspace.image_set(one.kept)
    passed = {member.image for member in kept}
    stands = studio.catalog.review.decided_in(one.made)
    members, rejected, moved, added = [], 0, 0, 0
    for member in made:
        verdict, given = stands.get(member.image, ("", ""))
        rejected += verdict == "reject" and member.image in passed
        if verdict in ("keep", "relabel") or (not verdict and member.image in passed and not decided_only):
            members.append((given or member.label, member.image, verdict))
            moved += bool(given) and given != member.label
            added += member.image not in passed
    return Part(one, tuple(sorted(members)), len(kept), rejected, moved, added)
