"""The safetensors format, read and written here so that equal weights give equal bytes.

A file is eight bytes of length, a JSON header, the tensors. The format's own library does not fix the order of the
metadata, and its files then differ from run to run. Needs no torch, so that an export can rewrite a header.
"""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from synthstudio.errors import Damaged, UnsafeInput

_LIMIT = 100_000_000  # of the header, as in the format's own library


class Header(NamedTuple):
    """What stands before the tensors; `start` is where their bytes begin."""

    tensors: dict[str, Any]
    metadata: dict[str, str]
    start: int


def read_header(path: Path) -> Header:
    """The header of a weight file. UnsafeInput for anything that is not safetensors: a pickle can run code."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        start = file.read(1)
        if start != b"{" or not 2 <= length <= _LIMIT:
            raise UnsafeInput(
                f"{path.name} is not a safetensors file. Other weight formats can run code; convert it first."
            )
        try:
            body = json.loads(start + file.read(length - 1))
        except ValueError as error:
            raise Damaged(f"The header of {path} cannot be read. Make or fetch the file again.") from error
    metadata = body.pop("__metadata__", {})
    end = max((entry["data_offsets"][1] for entry in body.values()), default=0)
    if path.stat().st_size != 8 + length + end:
        raise Damaged(
            f"{path} is {path.stat().st_size} bytes long, its header promises {8 + length + end}. Make it again."
        )
    return Header(body, metadata, 8 + length)


def write(path: Path, tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]], metadata: Mapping[str, str]) -> None:
    """Write {name: (type, shape, bytes)}; the file appears complete or not at all."""
    sizes = {name: (kind, shape, len(data)) for name, (kind, shape, data) in tensors.items()}
    stream(path, sizes, lambda name: tensors[name][2], metadata)


def stream(
    path: Path,
    sizes: Mapping[str, tuple[str, tuple[int, ...], int]],
    data: Callable[[str], bytes],
    metadata: Mapping[str, str],
) -> None:
    """As `write`, for {name: (type, shape, length in bytes)}: each tensor is asked for when it is its turn."""
    entries: dict[str, Any] = {}
    at = 0
    for name in sorted(sizes):
        kind, shape, length = sizes[name]
        entries[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [at, at + length]}
        at += length
    aside = _aside(path)
    try:
        with aside.open("wb") as out:
            out.write(_header_bytes(entries, metadata))
            for name in sorted(sizes):
                out.write(data(name))
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def with_metadata(source: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Copy a weight file, adding to its metadata."""
    header = read_header(source)
    aside = _aside(target)
    try:
        with source.open("rb") as read, aside.open("wb") as out:
            read.seek(header.start)
            out.write(_header_bytes(header.tensors, {**header.metadata, **metadata}))
            shutil.copyfileobj(read, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def _header_bytes(entries: Mapping[str, Any], metadata: Mapping[str, str]) -> bytes:
    body = {"__metadata__": dict(sorted(metadata.items())), **entries}
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _aside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
