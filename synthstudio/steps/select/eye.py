"""select.eye: which encoder sees most in these pictures? Asked of the shots alone."""

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note, Output, Progress
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.terms import ImageSetId, ModelRef, Prompt

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthstudio.engine.probe import Examples, Validated

SMALL = 32  # px on the shorter side; below it a network that was trained on photographs sees little
_REPEATS = 3  # of cross-validation where there is one fold


class ChooseEye(Step):
    """Choose among encoders by cross-validation of a linear probe on the shots; no other image is looked at.

    The encoder that recognises most of the shots its probe was not shown is chosen (of equals, the one that is surer of
    the right class). With a single image of each class nothing can be left out; then pictures of less than 32 px on the
    shorter side go to the encoder that wants the smallest pictures, all others to the one that wants the largest.

    What is trained and what filters should not be the same eye, or a filter keeps what the classifier finds easy. So
    the best other encoder judges, unless it recognises less than half as much. The outputs are names of models, so
    whatever follows is named by the encoder, not by how it was chosen.
    """

    kind: ClassVar[str] = "select.eye"

    eyes: Annotated[tuple[ModelRef, ...], Field(min_length=1, max_length=8, description="The encoders to choose from.")]
    images: Annotated[
        tuple[ImageSetId, ...], Field(min_length=1, max_length=1000, description="The shots, one set per fold.")
    ]
    judge: Annotated[
        ModelRef | None, Field(description="The encoder that filters; none: another than the chosen, if one is able.")
    ] = None
    prompt: Prompt = "a photo of a {label}"

    def run(self, work: Work) -> Iterator[Event]:
        """Ask every encoder, choose, and say why."""
        names = [_name(ref) for ref in self.eyes]
        folds = [_some(work.workspace.image_set(one)) for one in self.images]
        body: dict[str, Any] = {"eyes": [{"eye": ref} for ref in self.eyes], "images": list(self.images)}
        if len(names) == 1:
            body |= {"eye": self.eyes[0], "rule": "only", "sentence": f"{names[0]}, the only eye that was named."}
        elif usable := [fold for fold in folds if _can_be_left_out(fold)]:
            body |= yield from self._validated(work, usable)
        else:
            body |= self._by_size(work, folds)
        body |= _judged(body, self.judge)
        yield Note(text=f"Eye: {body['sentence']} {body['judge_sentence']}".strip())
        yield Output(name="eye", value=body["eye"])
        yield Output(name="judge", value=body["judge"])
        yield Output(name="choice", value=work.workspace.put_document("choice", body))

    def _validated(self, work: Work, folds: Sequence[ImageSet]) -> Generator[Event, None, dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for ref in self.eyes:
            each = []
            for fold in folds:
                each.append((yield from self._one(work, ref, fold, _REPEATS if len(folds) == 1 else 1)))
            accuracy = sum(one.accuracy for one in each) / len(each)
            loss = sum(one.log_loss for one in each) / len(each)
            rows.append({"eye": ref, "accuracy": accuracy, "log_loss": loss, "n": sum(one.n for one in each)})
            yield _measured(rows[-1])
            yield Progress(done=len(rows), total=len(self.eyes), unit="eyes")
        best = max(rows, key=lambda row: (round(row["accuracy"], 9), -row["log_loss"]))
        others = ", ".join(f"{_name(row['eye'])} {_percent(row)}" for row in rows if row is not best)
        sentence = (
            f"{_name(best['eye'])}, chosen because it recognises {_percent(best)} of the shots that were left out, "
            f"{others} (cross-validation of a probe, n = {best['n']})."
        )
        return {"eyes": rows, "eye": best["eye"], "rule": "cross-validation", "sentence": sentence}

    def _one(self, work: Work, ref: str, fold: ImageSet, repeats: int) -> Generator[Event, None, "Validated"]:
        """How much of one fold's shots an encoder recognises, by the probe that would be trained."""
        from synthstudio.engine import probe

        model = encoding.encoder(work, ref)
        yield from encoding.resized(work, model, ref, [member.image for member in fold])
        part = yield from _examples(work, ref, fold)
        words = model.embed_labels(fold.labels, [self.prompt]) if model.reads_words else None
        found = probe.validated(
            part, words, len(fold.labels), scale=model.scale, among=probe.PENALTIES, repeats=repeats
        )  # fmt: skip
        return min(found.values(), key=lambda one: one.log_loss)

    def _by_size(self, work: Work, folds: Sequence[ImageSet]) -> dict[str, Any]:
        images = [member.image for fold in folds for member in fold]
        if not images:
            raise BadInput("There are no shots to choose an eye by. Add images, or name one encoder.")
        side = encoding.median_side(work, images)
        sizes = {ref: encoding.encoder(work, ref).size for ref in self.eyes}
        wanted = min if side < SMALL else max
        chosen = wanted(self.eyes, key=lambda ref: sizes[ref])
        how = "smallest" if side < SMALL else "largest"
        sentence = (
            f"{_name(chosen)}, chosen because it wants the {how} pictures ({sizes[chosen]} px): these have about "
            f"{side} px, and one shot of a class leaves nothing to compare eyes with."
        )
        rows = [{"eye": ref, "size": sizes[ref]} for ref in self.eyes]
        return {"eyes": rows, "eye": chosen, "rule": "size", "sentence": sentence, "side": side}


def _judged(body: dict[str, Any], asked: str | None) -> dict[str, Any]:
    """Which encoder filters, and why."""
    eye, rows = body["eye"], body["eyes"]
    others = sorted((row for row in rows if row["eye"] != eye), key=lambda row: -row.get("accuracy", 0.0))
    if asked is not None:
        return {"judge": asked, "judge_sentence": f"Asked to filter: {_name(asked)}."}
    if not others:
        return {"judge": eye, "judge_sentence": "It also filters, as there is no other."}
    best, own = others[0], next(row for row in rows if row["eye"] == eye)
    if "accuracy" in best and best["accuracy"] < own["accuracy"] / 2:
        return {
            "judge": eye,
            "judge_sentence": f"It also filters: {_name(best['eye'])} recognises too little for that.",
        }
    return {"judge": best["eye"], "judge_sentence": f"{_name(best['eye'])} filters, so that another eye judges."}


def _measured(row: dict[str, Any]) -> Measured:
    from synthstudio.statistics import wilson

    _, low, high = wilson(round(row["accuracy"] * row["n"]), row["n"])
    return Measured(name="cross_validated", value=row["accuracy"], low=min(low, row["accuracy"]),
                    high=max(high, row["accuracy"]), n=row["n"], split="train", arm=_name(row["eye"]))  # fmt: skip


def _some(images: ImageSet) -> ImageSet:
    """At most so many of a set, every class as evenly as can be."""
    from synthstudio.engine import probe

    members = list(images)
    return ImageSet.of("set", [members[place] for place in probe.evenly(_places(images))])


def _can_be_left_out(images: ImageSet) -> bool:
    from synthstudio.engine import probe

    return probe.can_validate(_places(images))


def _places(images: ImageSet) -> "NDArray[np.int64]":
    import numpy as np

    return np.array(encoding.label_places(images.labels, [member.label for member in images]), dtype=np.int64)


def _examples(work: Work, ref: str, images: ImageSet) -> Generator[Progress, None, "Examples"]:
    from synthstudio.steps.train.linear_probe import examples

    return (yield from examples(work, ref, images, images.labels))


def _name(ref: str) -> str:
    return ref.partition("@")[0]


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['accuracy']:.0f} %"
