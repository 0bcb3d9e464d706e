"""A trained classifier as a folder that works without SynthStudio: `python classify.py photo.jpg`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from synthstudio import modelfolder, models
from synthstudio.artifacts import split_id
from synthstudio.events import Event, Note, Output
from synthstudio.models import MODELS
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.export import card
from synthstudio.terms import ClassifierId, ReportId
from synthstudio.workspace import slug, storage_errors, write_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from synthstudio.engine.encoders import Encoder

PROGRAM, TIMM_PROGRAM, ONNX_PROGRAM = "classify.py", "classify_timm.py", "classify_onnx.py"
_HOW = {
    "linear_probe": "a linear probe on the frozen encoder",
    "finetuned": "fine-tuning of the network",
    "lora": "LoRA on both towers, added into the weights",
}


class ExportClassifier(Step):
    """The encoder with what was trained in it, a linear head, the classes, and two programs that ask it.

    `classify.py` needs open_clip or timm and nothing of ours: the text tower's answer for every class is the head.
    `classify_onnx.py` needs onnxruntime only; it asks the same classifier as one ONNX graph.
    """

    kind: ClassVar[str] = "export.classifier"
    title: ClassVar[str] = "Export the classifier"
    travels: ClassVar[bool] = False

    classifier: ClassifierId
    report: ReportId | None = None
    name: Annotated[str, Field(min_length=1, max_length=120, description="What to call the export.")] = "classifier"

    def run(self, work: Work) -> Iterator[Event]:
        """Write the folder and say where it is, relative to the workspace."""
        from synthstudio.engine import classifier
        from synthstudio.engine.tensors import write_tensors

        document = work.workspace.document(self.classifier)
        report = work.workspace.document(self.report) if self.report else None
        fitted = classifier.Fitted.read(document, work.workspace.get_weights(document["weights"]))
        model = encoding.encoder(work, document["encoder"])
        parts = classifier.standalone(fitted, model)
        folder = work.workspace.exports / "classifiers" / f"{slug(self.name)}-{split_id(self.classifier)[1][:8]}"
        source = models.folder_of(document["encoder"], "encoder", work.workspace)
        self._encoder(folder / "encoder", source, parts[0])
        write_tensors(folder / "head.safetensors", {"weight": parts[1], "bias": parts[2]})
        labels = json.dumps(list(fitted.labels), ensure_ascii=False, indent=1)
        write_atomically(folder / "classes.json", labels.encode())
        program = PROGRAM if model.reads_words else TIMM_PROGRAM
        write_atomically(folder / PROGRAM, (models.ASSETS / "export" / program).read_bytes())
        yield from _onnx(folder, model, *parts)
        write_atomically(folder / "README.md", _card(self.name, document, report).encode())
        yield Output(name="folder", value=str(folder.relative_to(work.workspace.root)))

    def _encoder(self, folder: Path, source: Path, state: "dict[str, Tensor]") -> None:
        """An open_clip or timm folder, with a configuration that holds what our schema knows: others will read it."""
        from synthstudio.engine.tensors import write_tensors

        timm = modelfolder.is_timm(source)
        config = modelfolder.encoder_config(source).written()
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        name = modelfolder.TIMM if timm else modelfolder.OPEN_CLIP
        write_atomically(folder / name, json.dumps(config, indent=1).encode())
        write_tensors(folder / ("model.safetensors" if timm else "open_clip_model.safetensors"), state)


def _onnx(
    folder: Path, model: "Encoder", state: "dict[str, Tensor]", weight: "Tensor", bias: "Tensor"
) -> Iterator[Event]:
    """The graph, its program, and how pictures are prepared for both programs."""
    from synthstudio.engine import exporting

    pictures = model.pictures
    if pictures is None:
        yield Note(text=f"No {ONNX_PROGRAM}: this encoder prepares pictures in a way that only open_clip knows.")
        return
    write_atomically(folder / "pictures.json", json.dumps(pictures, indent=1).encode())
    with storage_errors(folder):
        exporting.to_onnx(folder / "model.onnx", model, state, weight, bias)
    write_atomically(folder / ONNX_PROGRAM, (models.ASSETS / "export" / ONNX_PROGRAM).read_bytes())


def _card(name: str, document: dict[str, Any], report: dict[str, Any] | None) -> str:
    base = document["encoder"].partition("@")[0]
    model = MODELS.get(base)
    licence = model.licence if model else "that of the encoder; look there"
    real, synthetic = document["real"], document["synthetic"]
    taught = " and ".join(word for word, one in (("real", real), ("synthetic", synthetic)) if one)
    how = _HOW[document["kind"]]
    numbers = card.numbers(report) if report else "Nothing was measured with this card."
    return f"""# {card.plain(name)}

A classifier of {len(document["labels"])} classes, trained on {taught} images with SynthStudio ({how}; encoder:
{card.plain(base)}). It is an ordinary open_clip or timm model with a linear layer, and the same as one ONNX graph.

```
pip install open_clip_torch timm pillow safetensors
python {PROGRAM} photo.jpg another.png
pip install onnxruntime pillow numpy
python {ONNX_PROGRAM} photo.jpg another.png
```

Licence of the encoder: {card.plain(licence)}. It binds this classifier too, and so do the rights in the images it was
trained on.

{numbers}
"""
