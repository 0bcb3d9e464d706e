"""Finding images by words: which encoder reads them, and what has to be done before a view can ask for them."""

from collections.abc import Iterator

from synthstudio import models
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput, StudioError
from synthstudio.jobs.knowing import maps
from synthstudio.jobs.studio import Studio
from synthstudio.steps.measure.words import MeasureWords, cut


def step(studio: Studio, text: str) -> MeasureWords | None:
    """What a worker has to do: read the text, and look at what the encoder has not seen. None if all of it is done."""
    encoder = reader(studio)
    asked = MeasureWords(text=text, encoder=encoder, images=tuple(_unseen(studio, encoder)))
    return None if not asked.images and _read_by(studio, asked.text) == encoder else asked


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


def _unseen(studio: Studio, encoder: str) -> Iterator[str]:
    """Sets that together hold every image that the encoder has yet to look at."""
    sets = [one for some in maps.seen_sets(studio) for one in some]
    if not sets:
        raise BadInput("There are no images to look through yet. Import photos under Data, or make some under Sample.")

    def counted() -> tuple[dict[str, list[str]], set[str]]:
        members = studio.catalog.images.by_set()
        images = {image for one in sets for image in members[one]}
        return members, studio.catalog.vectors.unseen(encoder, images)

    members, waiting = studio.catalog.database.since_commit(("not looked at", encoder), counted)
    left = set(waiting)
    for one in sets:
        if left and not left.isdisjoint(members[one]):
            left.difference_update(members[one])
            yield one
