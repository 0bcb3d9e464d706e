"""select.eye: which encoder sees most in these pictures? Asked of the shots alone."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from statistics import stdev
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from synthstudio.artifacts import ImageSet
from synthstudio.errors import BadInput
from synthstudio.events import Event, Measured, Note, Output, Progress
from synthstudio.models import see_alike
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

    The encoder that recognises most of the shots its probe was not shown is chosen, if it does so by more than one
    standard error (as in Breiman et al. 1984, section 3.4.3). Where there is a single image of each class, so that
    nothing can be left out, an encoder that reads words is chosen if it surely names more than half of the shots by
    the names of the classes alone (Wilson's 95 % interval lies above one half). Otherwise, and among those that stand
    closer than a standard error to the best, the size decides: pictures of less than 32 px on the shorter side go to
    the encoder that wants the smallest pictures, all others to the one that wants the largest; of equal sizes, to the
    best.

    What is trained and what filters should not be the same eye, or a filter keeps what the classifier finds easy. So
    the best encoder of another network judges, unless it recognises less than half as much. The outputs are names of
    models, so whatever follows is named by the encoder, not by how it was chosen.
    """

    kind: ClassVar[str] = "select.eye"
    title: ClassVar[str] = "Choose the eye"
    version: ClassVar[int] = 3  # 2 did not ask for words where there is one shot; 1 took the best at whatever distance

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
            body |= yield from self._one_shot(work, folds)
        body |= _judged(body, self.judge)
        yield Note(text=f"Eye: {body['sentence']} {body['judge_sentence']}".strip())
        yield Output(name="eye", value=body["eye"])
        yield Output(name="judge", value=body["judge"])
        yield Output(name="choice", value=work.workspace.put_document("choice", body))

    def _validated(self, work: Work, folds: Sequence[ImageSet]) -> Generator[Event, None, dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        hits: dict[str, dict[str, float]] = {}
        for ref in self.eyes:
            each: list[Validated] = []
            left_out: list[tuple[str, float]] = []
            for fold in folds:
                each.append((yield from self._one(work, ref, fold, _REPEATS if len(folds) == 1 else 1)))
                left_out += zip(_left_out(fold), each[-1].hits, strict=True)
            hits[ref] = _by_image(left_out)
            accuracy = sum(one.accuracy for one in each) / len(each)
            loss = sum(one.log_loss for one in each) / len(each)
            rows.append({"eye": ref, "accuracy": accuracy, "log_loss": loss, "n": len(hits[ref])})
            yield _measured(rows[-1])
            yield Progress(done=len(rows), total=len(self.eyes), unit="eyes")
        rows.sort(key=lambda row: (-round(row["accuracy"], 9), row["log_loss"]))
        best = hits[rows[0]["eye"]]
        for row in rows:
            row["standard_error"] = _standard_error([best[one] - hit for one, hit in hits[row["eye"]].items()])
        near = [row["eye"] for row in rows if rows[0]["accuracy"] - row["accuracy"] <= row["standard_error"]]
        if len(near) == 1:
            return {"eyes": rows, "eye": near[0], "rule": "cross-validation", "sentence": _recognised(rows)}
        sized = self._by_size(work, folds, near)
        return sized | {"eyes": rows, "rule": "cross-validation and size",
                        "sentence": f"{sized['sentence']}, and {_too_close(rows, len(near))}."}  # fmt: skip

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

    def _one_shot(self, work: Work, folds: Sequence[ImageSet]) -> Generator[Event, None, dict[str, Any]]:
        """By what each names from words alone; where none surely names more than half, by size."""
        from synthstudio.statistics import wilson

        rows: list[dict[str, Any]] = []
        for ref in self.eyes:
            if encoding.encoder(work, ref).reads_words:
                hits = yield from self._named(work, ref, folds)
                _, low, _ = wilson(round(sum(hits.values())), len(hits))
                rows.append({"eye": ref, "accuracy": sum(hits.values()) / len(hits), "n": len(hits), "low": low})
                yield _measured(rows[-1], "named")
            yield Progress(done=len(rows), total=len(self.eyes), unit="eyes")
        best = max(rows, key=lambda row: row["accuracy"], default=None)
        if best is None or best["low"] <= 0.5:
            sized = self._by_size(work, folds, self.eyes)
            said = f"; {_each(rows)} of them named by words alone is too little to go by" if rows else ""
            return sized | {"sentence": f"{sized['sentence']}, and one shot of a class leaves nothing to compare eyes "
                                        f"with{said}."}  # fmt: skip
        others = [{"eye": ref} for ref in self.eyes if ref != best["eye"]]
        sentence = (
            f"{_name(best['eye'])}, chosen because it names {_percent(best)} of the shots by words alone "
            f"(n = {best['n']}); one shot of a class leaves nothing else to compare eyes with."
        )
        return {"eyes": [best, *others], "eye": best["eye"], "rule": "words", "sentence": sentence}

    def _named(self, work: Work, ref: str, folds: Sequence[ImageSet]) -> Generator[Event, None, dict[str, float]]:
        """Which shots an encoder names rightly by the names of their classes: 1 or 0 by image."""
        model = encoding.encoder(work, ref)
        hits: list[tuple[str, float]] = []
        for fold in folds:
            members = list(fold)
            vectors = yield from encoding.embeddings(work, ref, [member.image for member in members])
            nearest = (vectors @ model.embed_labels(fold.labels, [self.prompt]).T).argmax(1)
            hits += [
                (member.image, float(fold.labels[place] == member.label))
                for member, place in zip(members, nearest, strict=True)
            ]
        return _by_image(hits)

    def _by_size(self, work: Work, folds: Sequence[ImageSet], eyes: Sequence[str]) -> dict[str, Any]:
        """Of these the one whose size suits the pictures; of equals, the first."""
        images = [member.image for fold in folds for member in fold]
        if not images:
            raise BadInput("There are no shots to choose an eye by. Add images, or name one encoder.")
        side = encoding.median_side(work, images)
        sizes = {ref: encoding.encoder(work, ref).size for ref in eyes}
        wanted = min if side < SMALL else max
        chosen = wanted(eyes, key=lambda ref: sizes[ref])
        how = "smallest" if side < SMALL else "largest"
        sentence = (
            f"{_name(chosen)}, chosen because it wants the {how} pictures ({sizes[chosen]} px): these have about "
            f"{side} px"
        )
        rows = [{"eye": ref, "size": sizes[ref]} for ref in eyes]
        return {"eyes": rows, "eye": chosen, "rule": "size", "sentence": sentence, "side": side}


def _judged(body: dict[str, Any], asked: str | None) -> dict[str, Any]:
    """Which encoder filters, and why."""
    eye, rows = body["eye"], body["eyes"]
    others = sorted((row for row in rows if not see_alike(row["eye"], eye)), key=lambda row: -row.get("accuracy", 0.0))
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


def _recognised(rows: Sequence[dict[str, Any]]) -> str:
    best, *others = rows
    return (
        f"{_name(best['eye'])}, chosen because it recognises {_percent(best)} of the shots that were left out, "
        f"{_each(others)} (cross-validation of a probe, n = {best['n']})."
    )


def _too_close(rows: Sequence[dict[str, Any]], near: int) -> str:
    """Of the first `near` rows none is surely better than another; what is said of all."""
    words = "one is no surer than another" if near > 2 else "the difference is no larger than its standard error"
    return f"of the shots that were left out {_each(rows)}: {words} (cross-validation of a probe, n = {rows[0]['n']})"


def _each(rows: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{_name(row['eye'])} {_percent(row)}" for row in rows)


def _standard_error(differences: Sequence[float]) -> float:
    """Of a mean of paired differences; 0 where they are all alike."""
    return stdev(differences) / len(differences) ** 0.5


def _by_image(hits: Iterable[tuple[str, float]]) -> dict[str, float]:
    """In what share of the times it was left out each image was recognised: folds may share their shots."""
    every: dict[str, list[float]] = {}
    for image, hit in hits:
        every.setdefault(image, []).append(float(hit))
    return {image: sum(some) / len(some) for image, some in every.items()}


def _left_out(images: ImageSet) -> list[str]:
    """The images that cross-validation leaves out, in order: those of classes with several."""
    counts = Counter(member.label for member in images)
    return [member.image for member in images if counts[member.label] > 1]


def _measured(row: dict[str, Any], name: str = "cross_validated") -> Measured:
    from synthstudio.statistics import wilson

    _, low, high = wilson(round(row["accuracy"] * row["n"]), row["n"])
    return Measured(name=name, value=row["accuracy"], low=min(low, row["accuracy"]),
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
