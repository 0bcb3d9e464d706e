"""Decisions about images as a file: CSV with the columns image, decision, label, or the same rows as JSON."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast, get_args

from synthstudio.errors import BadInput
from synthstudio.terms import Verdict, clean_label

COLUMNS = ("image", "decision", "label")
VERDICTS: tuple[str, ...] = get_args(Verdict)
_MAX_BYTES = 256 << 20
_SHOWN = 3


class Decided(NamedTuple):
    """One row: the image by its digest, what was decided, and the class given by hand ('' for the maker's own)."""

    image: str
    decision: Verdict
    label: str = ""


def to_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> bytes:
    """Rows as CSV (UTF-8, RFC 4180)."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def to_json(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> bytes:
    """Rows as a JSON list of objects."""
    return (json.dumps([{c: row[c] for c in columns} for row in rows], indent=1, ensure_ascii=False) + "\n").encode()


def read(file: Path) -> list[Decided]:
    """The rows of a file. Further columns are passed over. BadInput names everything that is wrong, so that one
    look at the file mends it.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise BadInput(f"{file.name} is larger than {_MAX_BYTES >> 20} MB. Split it, and import the parts.")
        data = file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror}). Name a CSV or JSON file.") from error
    try:
        text = data.decode("utf-8-sig")
        rows = (
            _json_rows(text) if file.suffix.lower() == ".json" else list(csv.DictReader(io.StringIO(text, newline="")))
        )
    except (ValueError, RecursionError, csv.Error) as error:
        raise BadInput(f"{file.name} cannot be read: {error}. Write CSV with {_header()}, or JSON.") from error
    known = set().union(*rows) if rows else set(_columns_of(text))
    if missing := [name for name in COLUMNS[:2] if name not in known]:
        raise BadInput(
            f"{file.name} has no column {' and no column '.join(missing)}. The first line must be {_header()}."
        )
    return _checked([_row(row) for row in rows], file.name)


def problem(count: int, what: str, examples: Iterable[str]) -> str:
    """'2 images are … (the first: a, b).', in the singular or the plural."""
    shown = ", ".join(list(examples)[:_SHOWN])
    return f"1 image is {what} ({shown})." if count == 1 else f"{count} images are {what} (the first: {shown})."


def _checked(rows: Sequence[Decided], name: str) -> list[Decided]:
    found: list[str] = []
    unknown = [row for row in rows if row.decision not in VERDICTS]
    if unknown:
        words = list(dict.fromkeys(repr(row.decision) for row in unknown))[:_SHOWN]
        found.append(f"{len(unknown)} decisions are none of {', '.join(VERDICTS)}: {', '.join(words)}.")
    twice = [image for image, count in Counter(row.image for row in rows).items() if count > 1]
    if twice:
        found.append(problem(len(twice), "named more than once", (one[:16] for one in twice)))
    lost = [row.image[:16] for row in rows if row.decision == "relabel" and not row.label]
    if lost:
        found.append(problem(len(lost), "to move to another class, but no label says which", lost))
    labels, bad = _labels(rows)
    found += bad
    if found:
        raise BadInput(f"{name} was not taken in, nothing is changed. {' '.join(found)}")
    return [row._replace(label=labels[row.label]) for row in rows]


def _labels(rows: Sequence[Decided]) -> tuple[dict[str, str], list[str]]:
    """The labels as they are kept, and what is wrong with others."""
    kept, bad = {"": ""}, []
    for label in {row.label for row in rows} - {""}:
        try:
            kept[label] = clean_label(label)
        except ValueError as error:
            bad.append(f"The label {label[:40]!r}: {error}.")
    return kept, sorted(bad)[:_SHOWN]


def _row(row: Mapping[str, Any]) -> Decided:
    image, decision, label = (str(row.get(name) or "").strip() for name in COLUMNS)
    return Decided(image.lower(), cast(Verdict, decision.lower()), label)


def _json_rows(text: str) -> list[dict[str, Any]]:
    rows = json.loads(text)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it is no list of objects")
    return rows


def _columns_of(text: str) -> list[str]:
    """The header of a table without rows; a JSON list without rows needs none."""
    return list(COLUMNS) if text.strip() == "[]" else next(csv.reader(io.StringIO(text)), [])


def _header() -> str:
    return ",".join(COLUMNS)
