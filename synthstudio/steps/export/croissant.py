"""`croissant.json`: what a dataset holds, in the JSON-LD that dataset search engines and `mlcroissant` read.

Croissant 1.0, http://docs.mlcommons.org/croissant/docs/croissant-spec.html. It says what is in the files, not where
they are published: who publishes them adds `url`, `datePublished`, `citeAs` and the licence.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from synthstudio.steps.export.card import Contents
from synthstudio.steps.export.metadata import COLUMNS
from synthstudio.workspace import file_digest

FILE = "croissant.json"
_KINDS = {"string": "sc:Text", "int64": "sc:Integer", "float64": "sc:Float"}
_ENCODINGS = {
    ".parquet": "application/x-parquet", ".csv": "text/csv", ".tar": "application/x-tar", ".json": "application/json",
}  # fmt: skip
_ROWS, _FILES, _LABELS = "rows", "images", "labels"
_WORDS = (
    "citeAs column conformsTo data dataType equivalentProperty examples extract field fileObject fileProperty fileSet"
    " format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace"
    " samplingRate separator source subField transform"
)


def write(folder: Path, contents: Contents) -> None:
    """Describe a written dataset: its files with their digests, its classes, and where it has a table, its columns."""
    described = [path for path in sorted(folder.rglob("*")) if path.suffix in _ENCODINGS]
    tables = sorted(folder.glob(contents.format.tables)) if contents.format.tables else []
    body = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "name": contents.name,
        "description": _description(contents),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": "other",
        "version": "1.0.0",
        "distribution": [*(_file(path, folder) for path in described), *_sets(contents, described, tables, folder)],
        "recordSet": [_labels(contents), _images(), *([_rows()] if tables else [])],
    }
    (folder / FILE).write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _context() -> dict[str, Any]:
    """The specification's own names for its words."""
    words: dict[str, Any] = {word: f"cr:{word}" for word in _WORDS.split()}
    words |= {word: {"@id": f"cr:{word}", "@type": "@json"} for word in ("data", "examples")}
    words |= {"dataType": {"@id": "cr:dataType", "@type": "@vocab"}, "conformsTo": "dct:conformsTo"}
    spaces = {
        "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/", "dct": "http://purl.org/dc/terms/",
        "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    }  # fmt: skip
    return spaces | words


def _description(contents: Contents) -> str:
    held = " Some of its images are synthetic: `source` says which." if contents.is_synthetic else ""
    count = sum(contents.images.values())
    return f"{count} images of {len(contents.folders)} classes, written by SynthStudio.{held} README.md says more."


def _file(path: Path, folder: Path) -> dict[str, Any]:
    name = path.relative_to(folder).as_posix()
    about = {"@type": "cr:FileObject", "@id": name, "name": name, "contentUrl": name}
    return {**about, "encodingFormat": _ENCODINGS[path.suffix], "sha256": file_digest(path)}


def _sets(contents: Contents, described: Iterable[Path], tables: list[Path], folder: Path) -> list[dict[str, Any]]:
    """The images, in their folders or inside shards, and the tables of the splits."""
    shards = [{"@id": path.relative_to(folder).as_posix()} for path in described if path.suffix == ".tar"]
    inside = {"includes": "*/*.png", "containedIn": shards} if shards else {"includes": contents.format.images}
    sets = [{"@type": "cr:FileSet", "@id": _FILES, "name": _FILES, "encodingFormat": "image/png", **inside}]
    if tables:
        encoding = {"encodingFormat": _ENCODINGS[tables[0].suffix], "includes": contents.format.tables}
        sets.append({"@type": "cr:FileSet", "@id": "tables", "name": "tables", **encoding})
    return sets


def _images() -> dict[str, Any]:
    """Every file with its picture."""
    about = {"path": ("sc:Text", "fullpath"), "image": ("sc:ImageObject", "content")}
    fields = [
        _field("files", name, kind, {"fileSet": {"@id": _FILES}, "extract": {"fileProperty": what}})
        for name, (kind, what) in about.items()
    ]
    return {"@type": "cr:RecordSet", "@id": "files", "name": "files", "field": fields}


def _rows() -> dict[str, Any]:
    """A row per image with all its columns."""
    kinds = {name: _KINDS[kind] for name, kind in COLUMNS.items()}
    fields = [
        _field(_ROWS, name, kind, {"fileSet": {"@id": "tables"}, "extract": {"column": name}})
        for name, kind in kinds.items()
    ]
    return {"@type": "cr:RecordSet", "@id": _ROWS, "name": _ROWS, "field": fields}


def _labels(contents: Contents) -> dict[str, Any]:
    """What the numbers of classes and the names of folders stand for; `intake.exported` reads it again."""
    columns = {"number": "sc:Integer", "name": "sc:Text", "folder": "sc:Text"}
    fields = [_field(_LABELS, name, kind) for name, kind in columns.items()]
    rows = [(number, name, folder) for number, (name, folder) in enumerate(contents.folders.items())]
    data = [{f"{_LABELS}/{column}": value for column, value in zip(columns, row, strict=True)} for row in rows]
    return {
        "@type": "cr:RecordSet", "@id": _LABELS, "name": _LABELS, "dataType": "sc:Enumeration",
        "key": {"@id": f"{_LABELS}/number"}, "field": fields, "data": data,
    }  # fmt: skip


def _field(of: str, name: str, kind: str, source: Mapping[str, Any] | None = None) -> dict[str, Any]:
    about = {"@type": "cr:Field", "@id": f"{of}/{name}", "name": name, "dataType": kind}
    return {**about, "source": source} if source else about
