"""A dataset as a folder in a format of one's choice: train / validation / test, what is known of each image, a card.

The Step keeps the name of its first format, for projects hold Steps of that name.
"""

import hashlib
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, Leak
from synthstudio.events import Event, Note, Output, Progress
from synthstudio.intake import decisions, png_text
from synthstudio.provenance import Origin, origins
from synthstudio.quantities import many
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.export import card, croissant, marks, metadata
from synthstudio.steps.export.formats import FORMATS
from synthstudio.steps.export.formats.stream import Classes, Item
from synthstudio.terms import DatasetFormat, DecisionsId, ImageSetId, ReportId, TestSetId
from synthstudio.workspace import Workspace, slug, storage_errors

# A class folder of such a name would be taken for a split by tools that guess splits from paths.
_SPLIT_WORDS = {"train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval", "evaluation"}


@dataclass(frozen=True)
class _Item:
    """One image to write."""

    split: str
    member: Member


class ExportImageFolder(Step):
    """Write real and synthetic images for `datasets`, torchvision, WebDataset, FiftyOne, kohya's scripts and others."""

    kind: ClassVar[str] = "export.image_folder"
    title: ClassVar[str] = "Export the dataset"
    travels: ClassVar[bool] = False
    version: ClassVar[int] = 5  # 4 had no tags, 3 no measures; 2 left prompts and t0 empty where nobody asked for them
    later: ClassVar[frozenset[str]] = frozenset({"format", "strip"})

    real: Annotated[ImageSetId | None, Field(description="Real images of the training split.")] = None
    synthetic: Annotated[
        ImageSetId | None,
        Field(description="Images of the training split that were made or chosen; a row says which are real."),
    ] = None
    chosen_from: Annotated[
        ImageSetId | None, Field(description="What `synthetic` was chosen from by hand: the card counts both.")
    ] = None
    decisions: Annotated[
        DecisionsId | None,
        Field(description="What people had decided, and their tags; none: every image counts as unreviewed."),
    ] = None
    validation: Annotated[ImageSetId | None, Field(description="Real images to make choices with.")] = None
    test: Annotated[TestSetId | None, Field(description="Untouched real images; they go into test/ only.")] = None
    report: Annotated[ReportId | None, Field(description="An evaluation whose numbers go onto the card.")] = None
    measures: Annotated[
        ReportId | None, Field(description="What `measure.images` found of `synthetic`; it goes onto the card.")
    ] = None
    name: Annotated[str, Field(min_length=1, max_length=120, description="What to call the dataset.")] = "dataset"
    marks: Annotated[bool, Field(description="Write into each synthetic PNG that it is synthetic, and how.")] = True
    format: DatasetFormat = "imagefolder"
    strip: Annotated[
        bool,
        Field(description="Leave out how images were made and who decided: notes in files, prompts, seeds, names."),
    ] = False

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
        yield Note(text=f"{many(len(items), 'image')} of {many(len(labels), 'class', 'classes')} in {target}.")
        chosen = self._chosen(workspace)
        if chosen is not None:
            yield Note(text=chosen.sentence)
            yield Output(name="counts", value={"before": chosen.before, "after": chosen.after})
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
        once = {(item.split, item.member.label, item.member.image): item for item in items}
        wanted = [item for item in once.values() if item.split in FORMATS[self.format].splits]
        if not wanted:
            raise BadInput(f"format: {self.format} holds training images only. Name some as real or synthetic.")
        return sorted(wanted, key=lambda item: item.member.image) if FORMATS[self.format].mixed else wanted

    def _write(
        self, folder: Path, items: list[_Item], labels: dict[str, str], workspace: Workspace
    ) -> Iterator[Progress]:
        layout, measures = FORMATS[self.format], self._measures(workspace)
        trained = Counter(item.member.label for item in items if item.split == "train")
        counts: Counter[tuple[str, str, str]] = Counter()
        models: set[str] = set()
        folder.mkdir(parents=True)
        stream = self._stream(items, labels, workspace, models)
        written = layout.lay_out(folder, Classes(labels, trained), stream)
        for done, item in enumerate(written, start=1):
            counts[item.split, item.row["source"], item.label] += 1
            yield Progress(done=done, total=len(items), unit="files")
        self._write_decisions(folder, self._decided(workspace))
        report = workspace.document(self.report) if self.report else None
        contents = card.Contents(self.name, labels, counts, sorted(models), self._chosen(workspace), layout, self.strip)
        (folder / "README.md").write_text(card.write(contents, report, measures), encoding="utf-8")
        croissant.write(folder, contents)

    def _stream(
        self, items: list[_Item], labels: dict[str, str], workspace: Workspace, models: set[str]
    ) -> Iterator[Item]:
        """Every image with its row, read when its turn comes. `models` is told the models they were made with: their
        terms bind the images, also where rows do not say how they were made.
        """
        known = origins(workspace, {item.member.image for item in items})
        decided = {row["image"]: row for row in self._decided(workspace)}
        tags = workspace.document(self.decisions).get("tags", {}) if self.decisions else {}
        made = {m.image for m in workspace.image_set(self.synthetic)} if self.synthetic else set()
        index = {label: place for place, label in enumerate(labels)}
        adapters: dict[str, dict[str, Any]] = {}
        for item in items:
            digest, label = item.member.image, item.member.label
            origin = known.get(digest)
            data = workspace.get(digest)
            source = _source(origin) if item.split == "train" and digest in made else "real"
            row = metadata.row(source, digest, marks.size(data), origin, _weights(origin, label, adapters, workspace))
            row |= {"file_name": f"{labels[label]}/{digest[:16]}.png", "label": index[label], "split": item.split}
            if item.split != "test":
                row |= metadata.reviewed(decided.get(digest)) | metadata.tagged(tags.get(digest, ()))
            models |= {row["base_model"]} - {None}
            if self.strip:
                yield Item(png_text.without_notes(data), metadata.bare(row), label)
            elif self.marks and source != "real":
                yield Item(marks.marked(data, row, label, _how(origin, label, adapters)), row, label)
            else:
                yield Item(data, row, label)

    def _measures(self, workspace: Workspace) -> dict[str, Any] | None:
        """The measures, which have to be of the very images that are written."""
        body = workspace.document(self.measures) if self.measures else None
        if body and body.get("images") != self.synthetic:
            raise BadInput("measures: these are of another set. Measure the set that is exported, or leave them out.")
        return body

    def _decided(self, workspace: Workspace) -> list[dict[str, Any]]:
        return workspace.document(self.decisions)["rows"] if self.decisions else []

    def _write_decisions(self, folder: Path, decided: list[dict[str, Any]]) -> None:
        """The decisions beside the images, of those that were left out too; `decisions --in` reads them again."""
        if decided:
            columns = decisions.COLUMNS if self.strip else (*decisions.COLUMNS, "made_as", "who", "decided_at", "why")
            (folder / "decisions.csv").write_bytes(decisions.to_csv(decided, columns))
            (folder / "decisions.json").write_bytes(decisions.to_json(decided, columns))

    def _chosen(self, workspace: Workspace) -> card.Chosen | None:
        """What a person's choice changed; nothing where nobody chose."""
        if self.synthetic is None or self.chosen_from is None:
            return None
        before, after = workspace.image_set(self.chosen_from), workspace.image_set(self.synthetic)
        labels = {member.image: member.label for member in before}
        here = {member.image for member in after}
        return card.Chosen(
            before=_per_class(before),
            after=_per_class(after),
            left_out=len(set(labels) - here),
            moved=sum(member.label != labels.get(member.image, member.label) for member in after),
            added=len(here - set(labels)),
            selection=self.synthetic,
            reviewed=sum(row["image"] in here or row["image"] in labels for row in self._decided(workspace)),
        )


def class_folders(labels: set[str]) -> dict[str, str]:
    """A folder per class, apart even where capitals do not count; in the order of the folders.

    The place of a class in this order is its number, so that tools which sort folders number the classes alike.
    """
    folders = {label: slug(label) for label in labels}
    for label, folder in folders.items():
        if _SPLIT_WORDS & set(re.split(r"[-\d]", folder)):
            folders[label] = "x" + hashlib.sha256(label.encode()).hexdigest()[:12]
    return dict(sorted(folders.items(), key=lambda one: one[1]))


def _source(origin: Origin | None) -> str:
    """What an image of the training split is, as its maker's log says."""
    return origin.kind if origin else "synthetic"


def _per_class(images: ImageSet) -> dict[str, int]:
    return {label: len(members) for label, members in images.by_label().items()}


def _weights(
    origin: Origin | None, label: str, adapters: dict[str, dict[str, Any]], workspace: Workspace
) -> metadata.Weights:
    adapter = origin.made.get("adapter") if origin else None
    if not adapter:
        return metadata.Weights()
    if adapter not in adapters:
        adapters[adapter] = workspace.document(adapter)
    return metadata.Weights.of(adapters[adapter], label)


def _how(origin: Origin | None, label: str, adapters: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    adapter = origin.made.get("adapter") if origin else None
    return marks.how(origin, label, adapters.get(adapter or ""))
