"""Tables of one's own in the place of a value: `--set sample.captions=@captions.csv`.

Only the command line reads them: a file named in a form would be a file of whoever runs the page.
"""

import csv
import json
from pathlib import Path

from synthstudio.errors import BadInput

_MOST_BYTES = 8 << 20
_FIELDS = ("captions", "hypernyms", "definitions")
_HEADINGS = ("class", "label", "image", "file", "file_name", "path")


def in_place(name: str, value: str) -> str:
    """The value of a field itself, or as JSON the table that it names after an @. BadInput if that is none."""
    if name.rpartition(".")[2] not in _FIELDS or not value.startswith("@"):
        return value
    return json.dumps(read(Path(value[1:])), ensure_ascii=False)


def in_setting(text: str) -> str:
    """As `in_place`, for step.field=value."""
    target, equals, value = text.partition("=")
    return f"{target}{equals}{in_place(target.strip(), value.strip())}" if equals else text


def read(path: Path) -> dict[str, list[str]]:
    """Texts by class from a CSV file of two columns: a class, or an image in the folder of its class, and a text.

    BadInput for a file that cannot be read, and for a row without a class or a text, with its number.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise BadInput(f"{path.name} is larger than {_MOST_BYTES >> 20} MB. Give a table of classes and texts.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{path} cannot be read as a table ({error}). Save it as CSV in UTF-8.") from error
    if rows and rows[0][1][0].strip().lower() in _HEADINGS:
        del rows[0]
    if not rows:
        raise BadInput(f"{path.name} holds no rows. Write a class or an image and a text in each.")
    found: dict[str, list[str]] = {}
    for number, row in rows:
        name, text = _row(path, number, row)
        found.setdefault(name, []).append(text)
    return found


def _row(path: Path, number: int, row: list[str]) -> tuple[str, str]:
    name, text = (row[0].strip().replace("\\", "/"), " ".join(row[1].split())) if len(row) == 2 else ("", "")
    if name.count("/"):  # an image: its class is the folder it lies in
        name = name.split("/")[-2].strip()
    if not (name and text):
        raise BadInput(
            f"Row {number} of {path.name} needs two columns: a class, or an image in the folder of its class, and a "
            "text. Fill it in, or delete the row."
        )
    return name, text
