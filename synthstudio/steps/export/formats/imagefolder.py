"""ImageFolder: `train/class/image.png` and a table of every split, as `datasets` and torchvision read it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from synthstudio.steps.export import metadata
from synthstudio.steps.export.formats.stream import Classes, Item, per_split

TABLE = "metadata.parquet"
_ROWS_AT_ONCE = 1000


def lay_out(folder: Path, classes: Classes, items: Iterable[Item]) -> Iterator[Item]:
    """A folder per split, a folder per class in it."""
    with per_split(lambda split: _Table(folder / split / TABLE, classes)) as table_of:
        for item in items:
            item.write(folder / item.split / item.name)
            table_of(item.split).add(item.row)
            yield item


class _Table:
    """A parquet file that grows by a thousand rows."""

    def __init__(self, file: Path, classes: Classes) -> None:
        import pyarrow.parquet as pq

        self._schema = metadata.schema(classes.names)
        self._file = pq.ParquetWriter(file, self._schema)
        self._rows: list[Any] = []

    def add(self, row: Any) -> None:
        """One row of `metadata.COLUMNS`."""
        self._rows.append(row)
        if len(self._rows) == _ROWS_AT_ONCE:
            self._write()

    def close(self) -> None:
        """Write the last rows, and the table's own index."""
        self._write()
        self._file.close()

    def _write(self) -> None:
        import pyarrow as pa

        self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []
