"""DuckDB: the only SQL, the only writer. One process holds the file; workers never open it."""

from synthstudio.catalog.catalog import Catalog

__all__ = ["Catalog"]
