"""What every format lays out: a stream of images with their rows, one at a time, so that no dataset is too long."""

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar


@dataclass(frozen=True)
class Item:
    """One image on its way into a folder: the bytes of its file, its row of `metadata.COLUMNS`, its class."""

    data: bytes
    row: Mapping[str, Any]
    label: str

    @property
    def split(self) -> str:
        """train, validation or test."""
        return str(self.row["split"])

    @property
    def name(self) -> str:
        """`class folder/image.png`: names nothing else in its split."""
        return str(self.row["file_name"])

    @property
    def key(self) -> str:
        """The name without its ending."""
        return self.name.removesuffix(".png")

    @property
    def known(self) -> dict[str, Any]:
        """What the row says, without empty cells."""
        return {name: value for name, value in self.row.items() if value is not None}

    def write(self, file: Path) -> None:
        """Write the image."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(self.data)


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset with their folders; the place of a class is its number."""

    folders: Mapping[str, str]
    trained: Mapping[str, int]  # images of the training split

    @property
    def names(self) -> list[str]:
        """The classes, by number."""
        return list(self.folders)


LayOut = Callable[[Path, Classes, Iterable[Item]], Iterator[Item]]  # hands on every image that it has written


class Closing(Protocol):
    """Something that is closed when all is written."""

    def close(self) -> None:
        """Write what is left."""
        ...


_Writer = TypeVar("_Writer", bound=Closing)


@contextlib.contextmanager
def per_split(make: Callable[[str], _Writer]) -> Iterator[Callable[[str], _Writer]]:
    """A writer for each split, made when its first image comes; all are closed together."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def of(split: str) -> _Writer:
            return stack.enter_context(contextlib.closing(make(split)))

        yield of


class Growing:
    """A JSON file with a list or an object whose entries are written as they come."""

    def __init__(self, file: Path, begin: str, end: str) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._out = file.open("w", encoding="utf-8")
        self._out.write(begin)
        self._between, self._end = "\n", end

    def add(self, entry: str) -> None:
        """One entry, as JSON."""
        self._out.write(self._between + entry)
        self._between = ",\n"

    def close(self) -> None:
        """End the list."""
        self._out.write(self._end)
        self._out.close()


def as_json(body: Any) -> str:
    """One line of JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
