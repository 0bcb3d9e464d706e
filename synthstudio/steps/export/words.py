"""Learned words as files that diffusers loads, with a card that says what to write in a prompt."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthstudio.modelfolder import STABLE_DIFFUSION
from synthstudio.models import MODELS
from synthstudio.terms import fill
from synthstudio.workspace import Workspace, slug, storage_errors, write_atomically

_TWO = (
    'read = load_file("{file}")  # from safetensors.torch',
    'pipe.load_textual_inversion(read["clip_l"], token="{word}")',
    'pipe.load_textual_inversion(read["clip_g"], token="{word}", text_encoder=pipe.text_encoder_2,',
    "                            tokenizer=pipe.tokenizer_2)",
)


def write_words(workspace: Workspace, folder: Path, name: str, words: Mapping[str, Any]) -> None:
    """A file for the word of every class, and a README."""
    folder.mkdir(parents=True, exist_ok=True)
    with storage_errors(folder):
        for label, weights in words["weights"].items():
            shutil.copyfile(workspace.get_weights(weights), folder / _file(label))
    write_atomically(folder / "README.md", _card(name, words).encode())


def source_and_licence(base: str) -> tuple[str, str]:
    """Where a base model comes from, and under which licence."""
    model = MODELS.get(base)
    if model is None:
        return "a local folder", "that of the base model; look there"
    return model.hub or "bundled with SynthStudio", model.licence


def cell(text: str) -> str:
    """Any text as plain text inside a Markdown table."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join("\\" + c if c in "\\`*_[]|#" else c for c in escaped)


def _file(label: str) -> str:
    return f"{slug(label)}.safetensors"


def _card(name: str, words: Mapping[str, Any]) -> str:
    base, _, digest = words["backbone"].partition("@")
    source, licence = source_and_licence(base)
    rows = "\n".join(
        f"| {cell(label)} | {cell(fill(words['prompt'], words['names'][label]))} | {count} | {_file(label)} |"
        for label, count in words["images_per_label"].items()
    )
    first = next(iter(words["weights"]))
    pipeline = words.get("pipeline", STABLE_DIFFUSION)
    file, word = f"this-folder/{_file(first)}", f"<{slug(first)}>"
    loading = [line.format(file=file, word=word) for line in _TWO]
    if pipeline == STABLE_DIFFUSION:
        loading = [f'pipe.load_textual_inversion("{file}")']
    lines = "\n".join([f"from diffusers import {pipeline}", "",
                       f'pipe = {pipeline}.from_pretrained("path or name of {base}")', *loading])  # fmt: skip
    training = words["training"]
    return f"""# {cell(name)}

Words that **{base}** ({source}; content {digest[:12]}) has learned, one per class, with {words["vectors"]} vectors
each, by textual inversion (Gal et al. 2022, arXiv:2208.01618) with SynthStudio. The model itself is unchanged.

Licence of the base model: {licence}. It binds these words too, and so do the rights in the images behind them.

```python
{lines}
```

| class | prompt | images it was learned from | file |
|---|---|---|---|
{rows}

Learned in {" / ".join(str(n) for n in sorted(set(training["steps"].values())))} steps of {training["batch_size"]},
learning rate {training["learning_rate"]:g}, beginning as {cell(words["initial_word"])}. Few images are easily
memorised: compare your samples with the images above before you publish it.
"""
