"""An adapter as a folder that other tools load: `pipe.load_lora_weights(folder)`."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field

from synthstudio import weightfile
from synthstudio.artifacts import split_id
from synthstudio.events import Event, Output
from synthstudio.models import MODELS
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sample.plan import EVERY, fill
from synthstudio.terms import AdapterId
from synthstudio.workspace import slug, storage_errors, write_atomically

FILE = "pytorch_lora_weights.safetensors"


class ExportAdapter(Step):
    """A LoRA folder for diffusers, with a model card; one folder per class if the adapter has one LoRA per class."""

    kind: ClassVar[str] = "export.adapter"

    adapter: AdapterId
    name: Annotated[str, Field(min_length=1, max_length=120, description="What to call the export.")] = "adapter"

    def run(self, work: Work) -> Iterator[Event]:
        """Write the folder and say where it is, relative to the workspace."""
        adapter = work.workspace.document(self.adapter)
        folder = work.workspace.exports / "adapters" / f"{slug(self.name)}-{split_id(self.adapter)[1][:8]}"
        with storage_errors(folder):
            for label, weights in adapter["weights"].items():
                target = folder if label == EVERY else folder / slug(label)
                source = work.workspace.get_weights(weights)
                weightfile.with_metadata(source, target / FILE, _metadata(self.name, adapter, label))
        write_atomically(folder / "README.md", _card(self.name, adapter).encode())
        yield Output(name="folder", value=str(folder.relative_to(work.workspace.root)))


def _metadata(name: str, adapter: dict[str, Any], label: str) -> dict[str, str]:
    """The keys that other programs look for in a LoRA file."""
    base = adapter["backbone"].partition("@")[0]
    known = {
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "stable-diffusion/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.title": name if label == EVERY else f"{name}: {label}",
        "modelspec.description": f"LoRA of {base} for prompts like: {_examples(adapter, label)[0]}",
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


def _card(name: str, adapter: dict[str, Any]) -> str:
    base, _, digest = adapter["backbone"].partition("@")
    model = MODELS.get(base)
    source = model.hub or "bundled with SynthStudio" if model else "a local folder"
    licence = model.licence if model else "that of the base model; look there"
    counts = adapter["images_per_label"]
    rows = "\n".join(
        f"| {_cell(label)} | {_cell(fill(adapter['prompt'], label))} | {n} |" for label, n in counts.items()
    )
    per_class = EVERY not in adapter["weights"]
    folder = f'"this-folder/{slug(next(iter(counts)))}"' if per_class else '"this-folder"'
    training = adapter["training"]
    return f"""# {_cell(name)}

A LoRA (rank {adapter["rank"]}, alpha {adapter["alpha"]:g}) of **{base}** ({source}; content {digest[:12]}), fitted to
{sum(counts.values())} images of {len(counts)} classes{", one LoRA per class" if per_class else ""}, with SynthStudio
by the DataDream method (Kim et al. 2024, arXiv:2407.10910).

Licence of the base model: {licence}. It binds this adapter too, and so do the rights in the images it was fitted to.

```python
from diffusers import StableDiffusionPipeline

pipe = StableDiffusionPipeline.from_pretrained("path or name of {base}")
pipe.load_lora_weights({folder})
```

| class | prompt | images it was fitted to |
|---|---|---|
{rows}

Trained for {" / ".join(str(n) for n in sorted(set(training["steps"].values())))} steps of {training["batch_size"]},
learning rate {training["learning_rate"]:g}, layers: {adapter["targets"]}, text encoder
{"adapted too" if training["train_text_encoder"] else "frozen"}. Few images are easily memorised: compare your samples
with the images above before you publish it.
"""


def _cell(text: str) -> str:
    """Any text as plain text inside a Markdown table."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + c if c in "\\`*_[]|#" else c for c in escaped)
