"""Folders that were exported here, read again: `croissant.json` says of which class a folder is."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from synthstudio.intake.entries import SPLITS
from synthstudio.intake.layout import Place

FILE = "croissant.json"
MOST_BYTES = 16 << 20
_KOHYA = "img"
_REPEATS = re.compile(r"^\d+_")  # how often kohya's scripts see the images of a folder


def class_folders(data: bytes) -> dict[str, str]:
    """The classes by their folders, as our own `croissant.json` has them; none from a file that says other things."""
    try:
        sets = json.loads(data)["recordSet"]
        (rows,) = [one["data"] for one in sets if one["@id"] == "labels"]
        found = {row["labels/folder"]: row["labels/name"] for row in rows}
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return found if all(isinstance(one, str) for pair in found.items() for one in pair) else {}


class ExportedLayout:
    """The tree of an export: an image lies in the folder of its class, that in its split, in every format."""

    def __init__(self, root: str, classes: Mapping[str, str]) -> None:
        self._root = PurePosixPath(root)
        self._classes = classes

    def place(self, path: str) -> Place:
        """The class and split of a file; a folder that the export does not know is a class that somebody made."""
        folders = PurePosixPath(path).relative_to(self._root).parts[:-1]
        return Place(
            self._classes.get(_folder(folders), _folder(folders)), SPLITS.get("".join(folders[:1]).lower(), "")
        )

    def class_of_folder(self, path: str) -> str:
        """The class of a folder; of one that the export does not know, none: others lie there too, such as `loras`."""
        return self._classes.get(_folder(PurePosixPath(path).parts), "")


def _folder(folders: Sequence[str]) -> str:
    """The folder of a class, as the export calls it: the innermost one."""
    name = folders[-1] if folders else ""
    return _REPEATS.sub("", name) if _KOHYA in folders[:-1] else name
