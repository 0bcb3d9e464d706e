"""A parquet table of images: columns image (bytes, or {bytes, path} as `datasets` writes it), label, maybe split."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthstudio.errors import BadInput
from synthstudio.intake.decode import Refusal
from synthstudio.intake.entries import SPLITS, Budget, Entry, LabelCleaner, Limits, Rejected, printable
from synthstudio.intake.trees import check_count

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_ROWS_AT_ONCE = 16


class ParquetTable:
    """The rows of one file, read a few at a time."""

    declared: tuple[str, ...] = ()

    def __init__(self, path: Path, limits: Limits, label: str | None) -> None:
        self._path = path
        self._limits = limits
        self._label = label
        with _opened(path) as file:
            self._rows = file.metadata.num_rows
            self._columns = self._check_columns(list(file.schema_arrow.names))
            self._class_names = _class_names(file.schema_arrow.metadata or {})
        check_count(path.name, self._rows, limits)
        if "label" in self._columns:
            self.declared = tuple(self._class_names)

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[Entry | Rejected | None]:
        budget, labels, number = Budget(self._limits), LabelCleaner(), 0
        with _opened(self._path) as file:
            batches = file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=self._columns, use_threads=False)
            try:
                for batch in batches:
                    for row in batch.to_pylist():
                        number += 1
                        yield self._entry(row, number, labels, budget)
            except (OSError, ValueError) as error:  # pyarrow's errors are of these two kinds
                reason = f"cannot be read from row {number + 1} on ({_first_line(error)}); write the file again"
                yield Rejected(self._path.name, reason)

    def close(self) -> None:
        """Nothing is open."""

    def _check_columns(self, found: list[str]) -> list[str]:
        needed = ["image", "label"] if self._label is None else ["image"]
        missing = [name for name in needed if name not in found]
        if missing:
            raise BadInput(
                f"{self._path.name} has no column {' and no column '.join(missing)}. Needed: image (the file's bytes), "
                f"label (text or number) and, if there is one, split; found: {', '.join(found) or 'none'}. "
                "Rename the columns."
            )
        return [name for name in ("image", "label", "split") if name in found]

    def _entry(self, row: dict[str, Any], number: int, labels: LabelCleaner, budget: Budget) -> Entry | Rejected | None:
        value = row["image"]
        path = value.get("path") if isinstance(value, dict) else None
        name = printable(f"{path or self._path.name} (row {number})")
        raw = self._raw_label(row)
        if raw is None:
            return Rejected(name, "has no usable label; give it text or a whole number")
        split = row.get("split")
        given = "" if split is None else SPLITS.get(str(split).strip().lower(), "?")
        if given == "?":
            return Rejected(name, f"has the split {str(split)[:40]!r}; use train, validation or test")
        label, rejected = labels.clean(raw)
        return rejected if label is None else Entry(name, label, given, _reader(value, self._limits, budget))

    def _raw_label(self, row: dict[str, Any]) -> str | None:
        value = row.get("label")
        if value is None:
            return self._label
        if isinstance(value, int) and not isinstance(value, bool):
            return self._class_names[value] if 0 <= value < len(self._class_names) else str(value)
        return value if isinstance(value, str) else None


def _reader(value: object, limits: Limits, budget: Budget) -> Callable[[], bytes]:
    def read() -> bytes:
        data = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(data, bytes):
            raise Refusal("holds no bytes in the column image; embed the files before writing the parquet")
        limits.check_file(len(data))
        budget.spend(len(data))
        return data

    return read


def _opened(path: Path) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, pre_buffer=False)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path.name} is a damaged parquet file ({_first_line(error)}). Write it again.") from error


def _class_names(metadata: dict[bytes, bytes]) -> list[str]:
    """Class names as `datasets` keeps them in the schema; none if they are not there."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, ValueError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
