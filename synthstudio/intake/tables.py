"""A parquet table of images: columns image (bytes, or {bytes, path} as `datasets` writes it), label, maybe split."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthstudio.errors import BadInput
from synthstudio.intake.decode import Refusal
from synthstudio.intake.entries import SPLITS, Budget, Entry, LabelCleaner, Limits, Rejected, printable, size
from synthstudio.intake.trees import check_count

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS_AT_ONCE = 1  # arrow expands what it gives out: sixteen rows may name one large value sixteen times
_SMALL = 1 << 20  # below this a column may be as compressible as it likes
_TEXT_BYTES = 4096


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
            _check_types(path.name, file.schema_arrow, self._columns)
            _check_growth(path.name, file.metadata, self._columns, limits)
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
                    for place in range(batch.num_rows):
                        number += 1
                        yield self._row(batch.slice(place, 1), number, labels, budget)
            except MemoryError:
                yield Rejected(self._path.name, f"needs too much memory from row {number + 1} on; write smaller rows")
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

    def _row(self, row: "pa.RecordBatch", number: int, labels: LabelCleaner, budget: Budget) -> Entry | Rejected | None:
        """One row as an entry, after its size has been looked at: only then is it copied out of arrow."""
        if row.nbytes > self._limits.max_file_bytes + _TEXT_BYTES:
            return Rejected(
                f"{self._path.name} (row {number})",
                f"is larger than {size(self._limits.max_file_bytes)}; make it smaller, or raise max_file_bytes",
            )
        return self._entry(row.to_pylist()[0], number, labels, budget)

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


def _check_types(name: str, schema: "pa.Schema", columns: list[str]) -> None:
    """BadInput for lists and the like: few bytes can stand for a list of a milliard values."""
    import pyarrow as pa

    for column in columns:
        kind = schema.field(column).type
        parts = list(kind) if column == "image" and pa.types.is_struct(kind) else [pa.field(column, kind)]
        if any(pa.types.is_nested(part.type) for part in parts):
            raise BadInput(
                f"The column {column} of {name} holds {str(kind)[:60]}. Needed: image (the file's bytes), label (text"
                " or number), split (text). Write the table again with these."
            )


def _check_growth(name: str, metadata: "pq.FileMetaData", columns: list[str], limits: Limits) -> None:
    """BadInput for a column that grows like a zip bomb. Writers declare both sizes; one that lies meets the limit on
    the memory of the process that reads.
    """
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            grown, most = chunk.total_uncompressed_size, max(_SMALL, limits.max_ratio * chunk.total_compressed_size)
            if chunk.path_in_schema.partition(".")[0] in columns and grown > most:
                raise BadInput(
                    f"{name} unpacks to more than {limits.max_ratio} times its size in the column"
                    f" {printable(chunk.path_in_schema)[:60]}, like a zip bomb. Write it again with images that are"
                    " compressed already (JPEG, PNG), or raise max_ratio."
                )


def _class_names(metadata: dict[bytes, bytes]) -> list[str]:
    """Class names as `datasets` keeps them in the schema; none if they are not there."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
