"""What the engine found worth saying, as events."""

from collections.abc import Iterator

from synthstudio.events import Note


def warnings(sentences: list[str]) -> Iterator[Note]:
    """Sentences of a training, said once: the list is empty afterwards."""
    while sentences:
        yield Note(text=sentences.pop(0), level="warning")


def facts(sentences: list[str]) -> Iterator[Note]:
    """Likewise, for what is no warning."""
    while sentences:
        yield Note(text=sentences.pop(0))
