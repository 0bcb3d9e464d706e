"""A dataset as a folder: train / validation / test, a subfolder per class, a metadata table per split, a card."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.artifacts import Member
from synthstudio.errors import Leak
from synthstudio.events import Event, Note, Output, Progress
from synthstudio.provenance import Origin, origins
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.export import card, marks, metadata
from synthstudio.terms import ImageSetId, ReportId, TestSetId
from synthstudio.workspace import Workspace, slug, storage_errors

# A class folder of such a name would be taken for a split by tools that guess splits from paths.
_SPLIT_WORDS = {"train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation"}


@dataclass(frozen=True)
class _Item:
    """One image to write."""

    split: str
    member: Member


class ExportImageFolder(Step):
    """Write real and synthetic images for `datasets`, torchvision and everything else that reads folders."""

    kind: ClassVar[str] = "export.image_folder"

    real: Annotated[ImageSetId | None, Field(description="Real images of the training split.")] = None
    synthetic: Annotated[ImageSetId | None, Field(description="Synthetic images of the training split.")] = None
    validation: Annotated[ImageSetId | None, Field(description="Real images to make choices with.")] = None
    test: Annotated[TestSetId | None, Field(description="Untouched real images; they go into test/ only.")] = None
    report: Annotated[ReportId | None, Field(description="An evaluation whose numbers go onto the card.")] = None
    name: Annotated[str, Field(min_length=1, max_length=120, description="What to call the dataset.")] = "dataset"
    marks: Annotated[bool, Field(description="Write into each synthetic PNG that it is synthetic, and how.")] = True

    @model_validator(mode="after")
    def _something_to_write(self) -> "ExportImageFolder":
        if not any((self.real, self.synthetic, self.validation, self.test)):
            raise ValueError("name at least one set of images: real, synthetic, validation or test")
        return self

    def run(self, work: Work) -> Iterator[Event]:
        """Build the folder aside and give it its name when it is complete."""
        workspace = work.workspace
        target = workspace.exports / f"{slug(self.name)}-{self.id.removeprefix('step:')[:8]}"
        aside = target.with_name(f".{target.name}.part")
        items = self._items(workspace)
        labels = class_folders({item.member.label for item in items})
        with storage_errors(workspace.exports):
            shutil.rmtree(aside, ignore_errors=True)
            try:
                yield from self._write(aside, items, labels, workspace)
                if target.exists():
                    shutil.rmtree(target)
                os.replace(aside, target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        yield Note(text=f"{len(items)} images of {len(labels)} classes in {target}.")
        yield Output(name="folder", value=target.relative_to(workspace.root).as_posix())

    def _items(self, workspace: Workspace) -> list[_Item]:
        places = (("train", self.real), ("train", self.synthetic), ("validation", self.validation), ("test", self.test))
        items = [_Item(split, m) for split, named in places if named for m in workspace.image_set(named)]
        test = {item.member.image for item in items if item.split == "test"}
        leaked = [item for item in items if item.split != "test" and item.member.image in test]
        if leaked:
            raise Leak(
                f"{len(leaked)} test images also stand in {leaked[0].split}. Split again, and use that split only."
            )
        return list(dict.fromkeys(items))

    def _write(
        self, folder: Path, items: list[_Item], labels: dict[str, str], workspace: Workspace
    ) -> Iterator[Progress]:
        known = origins(workspace, {item.member.image for item in items})
        synthetic = {m.image for m in workspace.image_set(self.synthetic)} if self.synthetic else set()
        index = {label: place for place, label in enumerate(labels)}
        adapters: dict[str, dict[str, Any]] = {}
        rows: dict[str, list[dict[str, Any]]] = {}
        for done, item in enumerate(items, start=1):
            digest, label = item.member.image, item.member.label
            data = workspace.get(digest)
            source = "synthetic" if item.split == "train" and digest in synthetic else "real"
            weights = _weights(known.get(digest), label, adapters, workspace)
            row = metadata.row(source, digest, _size(data), known.get(digest), weights)
            row |= {"file_name": f"{labels[label]}/{digest[:16]}.png", "label": index[label], "split": item.split}
            if self.marks and source == "synthetic":
                data = marks.marked(data, row, label)
            file = folder / item.split / row["file_name"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            rows.setdefault(item.split, []).append(row)
            yield Progress(done=done, total=len(items), unit="files")
        _write_tables(folder, rows, list(labels))
        report = workspace.document(self.report) if self.report else None
        contents = _contents(self.name, labels, rows)
        (folder / "README.md").write_text(card.write(contents, report), encoding="utf-8")


def class_folders(labels: set[str]) -> dict[str, str]:
    """A folder per class, apart even where capitals do not count; in the order of the folders.

    The place of a class in this order is its number, so that tools which sort folders number the classes alike.
    """
    folders = {label: slug(label) for label in labels}
    for label, folder in folders.items():
        if _SPLIT_WORDS & set(re.split(r"[-\d]", folder)):
            folders[label] = "x" + hashlib.sha256(label.encode()).hexdigest()[:12]
    return dict(sorted(folders.items(), key=lambda one: one[1]))


def _weights(
    origin: Origin | None, label: str, adapters: dict[str, dict[str, Any]], workspace: Workspace
) -> str | None:
    adapter = origin.made.get("adapter") if origin else None
    if not adapter:
        return None
    if adapter not in adapters:
        adapters[adapter] = workspace.document(adapter)
    return metadata.weights_of(adapters[adapter], label)


def _size(png: bytes) -> tuple[int, int]:
    """Width and height from the header: every blob is a PNG of our own."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _write_tables(folder: Path, rows: Mapping[str, list[dict[str, Any]]], labels: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for split, own in rows.items():
        table = pa.Table.from_pylist(own, schema=metadata.schema(labels))
        pq.write_table(table, folder / split / "metadata.parquet")


def _contents(name: str, labels: dict[str, str], rows: Mapping[str, list[dict[str, Any]]]) -> card.Contents:
    names = list(labels)
    every = [row for own in rows.values() for row in own]
    images = [(row["split"], row["source"], names[row["label"]]) for row in every]
    return card.Contents(name, labels, images, sorted({row["base_model"] for row in every if row["base_model"]}))
