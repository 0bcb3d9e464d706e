"""Give every image numbers; judge nothing. Thresholds are filters over these numbers."""

import math
from collections.abc import Iterator, Sequence

from synthstudio.events import Event, Output, Progress, Scored
from synthstudio.steps import Work

_AT_ONCE = 500
_DIGITS = 6  # what float32 vectors can tell apart


def say(work: Work, scorer: str, encoder: str | None, values: Sequence[tuple[str, float]]) -> Iterator[Event]:
    """Say the values in batches and keep them as one document. An image listed twice keeps its lowest value."""
    lowest: dict[str, float | None] = {}
    for image, value in values:
        kept = None if math.isnan(value) else round(value, _DIGITS)
        earlier = lowest.get(image, kept)
        lowest[image] = kept if earlier is None or kept is None else min(earlier, kept)
    rows = sorted(lowest.items())
    for start in range(0, len(rows), _AT_ONCE):
        yield Scored(scorer=scorer, values=tuple(rows[start : start + _AT_ONCE]))
        yield Progress(done=min(start + _AT_ONCE, len(rows)), total=len(rows), unit="scores")
    yield Output(name="scores", value=keep(work, scorer, encoder, rows))


def keep(work: Work, scorer: str, encoder: str | None, rows: Sequence[tuple[str, float | None]]) -> str:
    """The id of a document of these values, in order of images."""
    body = {"scorer": scorer, "encoder": encoder, "values": [list(row) for row in rows]}
    return work.workspace.put_document("scores", body)
