"""Finding images by words: which encoder reads them, and what has to be done before a view can ask for them."""

from collections.abc import Iterable, Iterator, Mapping

from synthstudio import models
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput, StudioError
from synthstudio.jobs.knowing import maps
from synthstudio.jobs.studio import Studio
from synthstudio.step import Step, build
from synthstudio.steps.measure.words import MeasureWords, cut

_NO_IMAGES = "There is no set of images to look through yet. Split photos under Data, or make images under Sample."


def step(studio: Studio, text: str) -> Step | None:
    """What a worker has to do: read the text, and look at what the encoder has not seen. None if all of it is done.

    BadInput for a text that says nothing or too much, or where there are no images.
    """
    encoder = reader(studio)
    asked = build(MeasureWords.kind, {"text": text, "encoder": encoder, "images": _unseen(studio, encoder)})
    known = not asked.fields["images"] and _read_by(studio, asked.fields["text"]) == encoder
    return None if known else asked


def reader(studio: Studio) -> str:
    """The encoder that looked last at this project, if it reads words; else the best of the bundled that do."""
    known = maps.eye(studio)
    if known and models.reads_words(known, studio.workspace):
        return known
    return models.reference(models.reader(), "encoder", studio.workspace)


def view(text: str) -> Query:
    """All images by their likeness to a text, the most alike first."""
    return Query(words=text, sort="score_high")


def cut_off(studio: Studio, text: str) -> str:
    """What there is to say of a text that was too long for its encoder; '' where it was not, or was not read yet."""
    reading = studio.catalog.readings.newest(text)
    body = studio.catalog.readings.body(reading) if reading else {}
    if not body or body["read"] == body["text"]:
        return ""
    return cut(body["encoder"].partition("@")[0], body["read"])


def _read_by(studio: Studio, text: str) -> str:
    """The encoder that last read a text, if what it made of that is here; else ''."""
    reading = studio.catalog.readings.newest(text)
    try:
        return str(studio.catalog.readings.body(reading)["encoder"]) if reading else ""
    except StudioError:
        return ""


def _unseen(studio: Studio, encoder: str) -> list[str]:
    """Sets that together hold every image that the encoder has yet to look at."""

    def counted() -> list[str]:
        sets = [one for some in maps.seen_sets(studio) for one in some]
        if not sets:
            raise BadInput(_NO_IMAGES)
        members = studio.catalog.images.by_set()
        left = studio.catalog.vectors.unseen(encoder, {image for one in sets for image in members[one]})
        return list(_covering(left, {one: members[one] for one in sets}))

    return studio.catalog.database.since_commit(("not looked at", encoder), counted)


def _covering(images: set[str], sets: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Those of some sets, in order, that hold images which none before them holds."""
    left = set(images)
    for name, members in sets.items():
        if left and not left.isdisjoint(members):
            left.difference_update(members)
            yield name
