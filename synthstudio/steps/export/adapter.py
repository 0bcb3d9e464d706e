"""An adapter as a folder that other tools load: `pipe.load_lora_weights(folder)`, or `PeftModel.from_pretrained`.

Learned words (`words.py`) are files for `pipe.load_textual_inversion`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from synthstudio import weightfile
from synthstudio.artifacts import split_id
from synthstudio.events import Event, Output
from synthstudio.modelfolder import STABLE_DIFFUSION
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.export.words import cell, source_and_licence, write_words
from synthstudio.steps.sample.plan import EVERY
from synthstudio.terms import LOW_RANK_METHODS, METHODS, TEXTUAL_INVERSION, AdapterId, fill
from synthstudio.workspace import slug, storage_errors, write_atomically

if TYPE_CHECKING:
    from synthstudio.engine.backbones import Backbone

FILE = "pytorch_lora_weights.safetensors"


class ExportAdapter(Step):
    """A folder for diffusers or peft, with a model card; one folder per class if the adapter has one per class."""

    kind: ClassVar[str] = "export.adapter"
    title: ClassVar[str] = "Export the adapter"
    travels: ClassVar[bool] = False

    adapter: AdapterId
    name: Annotated[str, Field(min_length=1, max_length=120, description="What to call the export.")] = "adapter"

    def run(self, work: Work) -> Iterator[Event]:
        """Write the folder and say where it is, relative to the workspace."""
        from synthstudio.engine import backbones

        adapter = work.workspace.document(self.adapter)
        family = backbones.FAMILIES[adapter.get("pipeline", STABLE_DIFFUSION)]
        folder = work.workspace.exports / "adapters" / f"{slug(self.name)}-{split_id(self.adapter)[1][:8]}"
        if adapter.get("method") == TEXTUAL_INVERSION:
            write_words(work.workspace, folder, self.name, adapter)
            yield Output(name="folder", value=str(folder.relative_to(work.workspace.root)))
            return
        with storage_errors(folder):
            for label, weights in adapter["weights"].items():
                target = folder if label == EVERY else folder / slug(label)
                source = work.workspace.get_weights(weights)
                if _low_rank(adapter):
                    weightfile.with_metadata(source, target / FILE, _metadata(self.name, adapter, label, family))
                else:
                    _peft_folders(source, target)
        write_atomically(folder / "README.md", _card(self.name, adapter, family).encode())
        yield Output(name="folder", value=str(folder.relative_to(work.workspace.root)))


def _method(adapter: dict[str, Any]) -> str:
    """The kind of an adapter; those of before there were others are LoRAs."""
    return str(adapter.get("method", "lora"))


def _low_rank(adapter: dict[str, Any]) -> bool:
    return _method(adapter) in LOW_RANK_METHODS


def _peft_folders(source: Path, target: Path) -> None:
    from synthstudio.engine.adapters import files

    files.export_peft(source, target)


def _metadata(name: str, adapter: dict[str, Any], label: str, family: "type[Backbone]") -> dict[str, str]:
    """The keys that other programs look for in a LoRA file."""
    base = adapter["backbone"].partition("@")[0]
    known = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": family.architecture,
        "modelspec.implementation": "diffusers",
        "modelspec.title": name if label == EVERY else f"{name}: {label}",
        "modelspec.description": f"{METHODS[_method(adapter)]} of {base} for: {_examples(adapter, label)[0]}",
        "modelspec.trigger_phrase": _examples(adapter, label)[0],
        "ss_base_model": adapter["backbone"],
        "ss_network_dim": str(adapter["rank"]),
        "ss_network_alpha": str(adapter["alpha"]),
    }
    if adapter["resolution"]:
        known["modelspec.resolution"] = f"{adapter['resolution']}x{adapter['resolution']}"
    return known


def _examples(adapter: dict[str, Any], label: str) -> list[str]:
    labels = list(adapter["images_per_label"]) if label == EVERY else [label]
    return [fill(adapter["prompt"], one) for one in labels]


def _card(name: str, adapter: dict[str, Any], family: "type[Backbone]") -> str:
    base, _, digest = adapter["backbone"].partition("@")
    source, licence = source_and_licence(base)
    counts = adapter["images_per_label"]
    rows = "\n".join(f"| {cell(label)} | {cell(fill(adapter['prompt'], label))} | {n} |" for label, n in counts.items())
    per_class = EVERY not in adapter["weights"]
    folder = f"this-folder/{slug(next(iter(counts)))}" if per_class else "this-folder"
    training = adapter["training"]
    article = "An" if _method(adapter) in ("olora", "oft", "ia3") else "A"
    return f"""# {cell(name)}

{article} {METHODS[_method(adapter)]} adapter{_size(adapter)} of **{base}** ({source}; content {digest[:12]}), fitted to
{sum(counts.values())} images of {len(counts)} classes{", one adapter per class" if per_class else ""}, with SynthStudio
by the DataDream method (Kim et al. 2024, arXiv:2407.10910).

Licence of the base model: {licence}. It binds this adapter too, and so do the rights in the images it was fitted to.

```python
{_loading(adapter, base, folder, family)}
```

| class | prompt | images it was fitted to |
|---|---|---|
{rows}

Trained for {" / ".join(str(n) for n in sorted(set(training["steps"].values())))} steps of {training["batch_size"]},
learning rate {training["learning_rate"]:g}, layers: {adapter["targets"]}, text encoder
{"adapted too" if training["train_text_encoder"] else "frozen"}. Few images are easily memorised: compare your samples
with the images above before you publish it.
"""


def _size(adapter: dict[str, Any]) -> str:
    """What rank and alpha say of an adapter, where its kind has them."""
    if _method(adapter) == "ia3":
        return ""
    if _method(adapter) == "oft":
        return f" (blocks of {adapter['rank']})"
    alpha = "" if _method(adapter) == "vera" else f", alpha {adapter['alpha']:g}"
    return f" (rank {adapter['rank']}{alpha})"


def _loading(adapter: dict[str, Any], base: str, folder: str, family: "type[Backbone]") -> str:
    """The lines that load it."""
    lines = [
        f"from diffusers import {family.pipeline}",
        "",
        f'pipe = {family.pipeline}.from_pretrained("path or name of {base}")',
    ]
    if _low_rank(adapter):
        return "\n".join([*lines, f'pipe.load_lora_weights("{folder}")'])
    words = adapter["training"]["train_text_encoder"]
    parts = [part for part in family.targets if words or not part.startswith("text_encoder")]
    wrapped = [f'pipe.{p} = PeftModel.from_pretrained(pipe.{p}, "{folder}/{p}").merge_and_unload()' for p in parts]
    return "\n".join([lines[0], "from peft import PeftModel", *lines[1:], *wrapped])
