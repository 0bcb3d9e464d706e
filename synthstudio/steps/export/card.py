"""The dataset card: what other tools read (YAML) and what a reader should know before using the images."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthstudio.measure_terms import MEASURES, SIZE_MATTERS, Measure, Number, as_numbers
from synthstudio.models import MODELS
from synthstudio.steps.export.formats import FORMATS, Format
from synthstudio.steps.export.metadata import BARE, COLUMNS, EMPTY

_ARMS = {
    "zero_shot": "no training (zero-shot)",
    "real_only": "real images only",
    "synthetic_only": "synthetic images only",
    "real_and_synthetic": "real and synthetic images",
    "everything": "real images and everything the filter kept",
    "selection": "real images and the reviewed selection",
    "random": "real images and a random selection of the same size",
}


@dataclass(frozen=True)
class Chosen:
    """What a person's choice made of what a filter had kept."""

    before: Mapping[str, int]  # images per class
    after: Mapping[str, int]
    left_out: int
    moved: int
    added: int
    selection: str  # the id of the chosen set
    reviewed: int  # images that somebody decided about

    @property
    def changed(self) -> bool:
        """Whether the choice is another set than the filter's."""
        return bool(self.left_out or self.moved or self.added)

    @property
    def sentence(self) -> str:
        """The counts before and after, in words."""
        before, after = sum(self.before.values()), sum(self.after.values())
        if not self.changed:
            return f"All {before} images that the filter kept; none was left out or moved by hand."
        parts = ((self.left_out, "left out"), (self.moved, "moved to another class"), (self.added, "added"))
        how = ", ".join(f"{count} {words}" for count, words in parts if count)
        return f"{after} of what were {before} images that the filter kept: {how} by hand."


@dataclass(frozen=True)
class Contents:
    """What a dataset holds: the classes with their folders, and how many images of each (split, source, class)."""

    name: str
    folders: Mapping[str, str]
    images: Mapping[tuple[str, str, str], int]
    base_models: Sequence[str]  # the backbones its synthetic images were made with, by name
    chosen: Chosen | None = None
    format: Format = FORMATS["imagefolder"]
    stripped: bool = False  # whether rows and files do not say how images were made

    @property
    def splits(self) -> list[str]:
        """The splits there are, in order."""
        present = {split for split, _, _ in self.images}
        return [split for split in ("train", "validation", "test") if split in present]

    @property
    def is_synthetic(self) -> bool:
        """Whether any image is not a photograph."""
        return any(source != "real" for _, source, _ in self.images)


def write(contents: Contents, report: Mapping[str, Any] | None, measures: Mapping[str, Any] | None = None) -> str:
    """README.md of a dataset."""
    parts = [
        _front_matter(contents),
        f"# {plain(contents.name)}",
        _introduction(contents),
        _table(contents),
        _empty_cells(contents),
        _review(contents.chosen, report),
        (_judged(report) if "arms" in report else numbers(report)) if report else "",
        _measured(measures) if measures else "",
        _caution(contents, report),
        _licences(contents),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """Any text as plain text in Markdown, tables included."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + c if c in "\\`*_[]|#" else c for c in escaped)


def _front_matter(contents: Contents) -> str:
    """YAML. Every text is written as a JSON string, which YAML reads as it is."""
    tags = ["image-classification", "few-shot", "synthstudio", *(["synthetic"] if contents.is_synthetic else [])]
    return f"""---
pretty_name: {json.dumps(contents.name, ensure_ascii=False)}
license: other
task_categories:
- image-classification
tags: {json.dumps(tags)}
{_configuration(contents) if contents.format.hub else ""}---"""


def _configuration(contents: Contents) -> str:
    """Which files are a split, and what the columns are, for `datasets`."""
    quoted = [json.dumps(label, ensure_ascii=False) for label in contents.folders]
    names = "\n".join(f"        '{index}': {label}" for index, label in enumerate(quoted))
    columns = "\n".join(
        f"  - name: label\n    dtype:\n      class_label:\n        names:\n{_indented(names)}"
        if name == "label"
        else f"  - name: {'image' if name == 'file_name' else name}\n"
        f"    dtype: {'image' if name == 'file_name' else kind}"
        for name, kind in COLUMNS.items()
    )
    paths = "\n".join(f"  - split: {one}\n    path: {contents.format.hub.format(split=one)}" for one in contents.splits)
    return f"""configs:
- config_name: default
  data_files:
{paths}
dataset_info:
  features:
{columns}
"""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _introduction(contents: Contents) -> str:
    counts: Counter[str] = Counter()
    for (_, source, _), count in contents.images.items():
        counts[source] += count
    said = ", ".join(f"{count} {source}" for source, count in sorted(counts.items()))
    loading = contents.format.loaded_from("path/to/this/folder")
    return (
        f"{said} images of {len(contents.folders)} classes, written by SynthStudio. `train` may hold synthetic images "
        "(column `source`); `validation` and `test` hold photographs only. The column `id` is the SHA-256 of the image "
        f"before marks were added to the file. {contents.format.says}\n\n```python\n{loading}\n```"
    )


def _empty_cells(contents: Contents) -> str:
    if contents.stripped:
        filled = ", ".join(f"`{name}`" for name in BARE)
        return (
            "## Empty cells\n\nHow images were made and who decided about them was left out of this export: of all "
            f"columns {filled} are filled."
        )
    rows = (f"- {', '.join(f'`{name}`' for name in names)}: {when}." for names, when in EMPTY.items())
    return "\n".join(["## Empty cells", "", "Every export has the same columns. Empty are:", "", *rows])


def _table(contents: Contents) -> str:
    counts = Counter(contents.images)
    columns = [(split, source) for split in contents.splits for source in ("real", "synthetic", "distilled")]
    columns = [c for c in columns if any((*c, label) in counts for label in contents.folders)]
    head = "| label | class | folder | " + " | ".join(f"{split}, {source}" for split, source in columns) + " |"
    rows = [
        f"| {index} | {plain(label)} | {plain(folder)} | "
        + " | ".join(str(counts[(*c, label)]) for c in columns)
        + " |"
        for index, (label, folder) in enumerate(contents.folders.items())
    ]
    return "\n".join(["## Images", "", head, "|" + "---|" * (3 + len(columns)), *rows])


def _review(chosen: Chosen | None, report: Mapping[str, Any] | None) -> str:
    """What people decided, and whether the numbers below are of their choice."""
    if chosen is None or not (chosen.changed or chosen.reviewed):
        return ""
    said = [
        f"## Review\n\n{chosen.sentence} Somebody decided about {chosen.reviewed} images; the rest stands as the "
        "filter left it. The columns `review_status`, `reviewed_by` and `reviewed_utc` say it of each image, "
        f"`decisions.csv` of those that were left out too. The selection is `{chosen.selection}`."
    ]
    if chosen.changed and report and report.get("mean", {}).get("selection") is None:
        said.append("The numbers below were measured before the review, with everything the filter kept.")
    return "\n\n".join(said)


def numbers(report: Mapping[str, Any]) -> str:
    """The comparison on test images: a row per arm, and the sentence."""
    folds = report.get("folds", [])
    images = int(report.get("n") or max((int(fold["test_images"]) for fold in folds), default=0))
    intervals = report.get("interval95", {})
    rows = []
    for arm, words in (_ARMS | report.get("described", {})).items():
        mean = report.get("mean", {}).get(arm)
        if mean is not None:
            low, high = intervals.get(arm, (mean, mean))
            rows.append(f"| {plain(words)} | {mean:.3f} | {low:.3f} to {high:.3f} |")
    head = f"## Does it help?\n\nAccuracy on {images} test images over {len(folds)} fold{'s' * (len(folds) != 1)}"
    over = f", 95 % interval over {plain(str(report['interval_over']))}" if "interval_over" in report else ""
    lines = [head + over + ".", "", "| trained on | accuracy | interval |", "|---|---|---|", *rows]
    return "\n".join([*lines, "", plain(str(report.get("sentence", "")))])


def _judged(report: Mapping[str, Any]) -> str:
    """The judge's table of a small set: accuracies on networks that its maker never saw."""
    each = report["images_per_class"]
    size = f"{each} image{'' if each == 1 else 's'} per class"
    head = (
        f"## Does it teach?\n\nAccuracy on {report['test_images']} test images of networks trained from scratch "
        f"on {size}, "
        f"mean over {', '.join(report['unseen'])}, which the method never saw; "
        "95 % interval over trainings (Student's t)."
    )
    rows = [
        f"| {plain(str(arm['title']))} | {arm['images']} | {_interval(arm['unseen']['augmented'])} "
        f"| {_interval(arm['unseen']['plain'])} |"
        for arm in report["arms"]
    ]
    columns = "| trained on | images | with augmentation | without |"
    return "\n".join([head, "", columns, "|---|---|---|---|", *rows, "", plain(str(report["sentence"]))])


def _interval(found: Mapping[str, float]) -> str:
    return f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _measured(body: Mapping[str, Any]) -> str:
    """What the synthetic images are like beside real photos: a row per measure."""
    images, photos = body["n"]
    found = as_numbers(body["all"])
    rows = [_measure_row(measure, found) for measure in MEASURES if measure.name in found]
    eye = plain(str(body["encoder"]).partition("@")[0])
    head = (
        f"## Beside real photos\n\n{images:,} synthetic images beside {photos:,} photographs that nothing was made "
        f"from, in the eyes of {eye}; 95 % interval. {SIZE_MATTERS}"
    )
    return "\n".join([head, "", "| measure | value | interval | what it asks |", "|---|---|---|---|", *rows])


def _measure_row(measure: Measure, found: Mapping[str, Number]) -> str:
    said = measure.said(found)
    beside = f" ({said['beside']})" if said["beside"] else ""
    return f"| {measure.title} | {said['value']}{beside} | {said['interval']} | {measure.help} |"


def _caution(contents: Contents, report: Mapping[str, Any] | None) -> str:
    said = ["## Do not claim"]
    if contents.is_synthetic:
        said.append(
            "Synthetic images show what a generator believes, not what was in front of a lens. Do not present them as "
            "photographs, as evidence, or as a sample of the real world: how often something appears here says nothing "
            "about how often it occurs. Their labels are what was asked for, unless `review_status` says that a person "
            "confirmed or changed them."
        )
    said.append(
        "The numbers above hold for these classes, this classifier and these test photographs. A difference whose "
        "interval contains zero is no difference. Test images that were looked at many times are no longer untouched."
        if report
        else "Nothing here was measured with this card: do not claim that these images improve a classifier "
        "before you have compared it, on untouched photographs, with one trained without them."
    )
    return "\n\n".join(said)


def _licences(contents: Contents) -> str:
    said = ["## Licences", "The photographs keep the licence of their source; say which one before you publish them."]
    for name in sorted(set(contents.base_models)):
        known = MODELS.get(name)
        terms = known.licence if known else "look at its own page"
        said.append(f"Synthetic images were made with {plain(name)}: {plain(terms)}. Its terms bind these images too.")
    return "\n\n".join(said)
