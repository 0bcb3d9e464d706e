"""A trained classifier as a folder that works without SynthStudio: `python classify.py photo.jpg`."""

import json
import shutil
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field

from synthstudio import models
from synthstudio.artifacts import split_id
from synthstudio.events import Event, Output
from synthstudio.models import MODELS
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.steps.export import card
from synthstudio.terms import ClassifierId, ReportId
from synthstudio.workspace import slug, storage_errors, write_atomically

PROGRAM = "classify.py"


class ExportClassifier(Step):
    """An open_clip folder with the LoRA added into its weights, a linear head, the classes, and a program that asks it.

    The folder needs open_clip_torch and nothing of ours: the text tower's answer for every class is the head.
    """

    kind: ClassVar[str] = "export.classifier"

    classifier: ClassifierId
    report: ReportId | None = None
    name: Annotated[str, Field(min_length=1, max_length=120, description="What to call the export.")] = "classifier"

    def run(self, work: Work) -> Iterator[Event]:
        """Write the folder and say where it is, relative to the workspace."""
        from synthstudio.engine import classifier

        document = work.workspace.document(self.classifier)
        report = work.workspace.document(self.report) if self.report else None
        fitted = classifier.Fitted.read(document, work.workspace.get_weights(document["weights"]))
        state, weight, bias = classifier.standalone(fitted, encoding.encoder(work, document["encoder"]))
        folder = work.workspace.exports / "classifiers" / f"{slug(self.name)}-{split_id(self.classifier)[1][:8]}"
        encoder = folder / "encoder"
        with storage_errors(folder):
            encoder.mkdir(parents=True, exist_ok=True)
            source = models.folder_of(document["encoder"], work.workspace)
            shutil.copyfile(source / "open_clip_config.json", encoder / "open_clip_config.json")
            classifier.write_tensors(encoder / "open_clip_model.safetensors", state)
            classifier.write_tensors(folder / "head.safetensors", {"weight": weight, "bias": bias})
        labels = json.dumps(list(fitted.labels), ensure_ascii=False, indent=1)
        write_atomically(folder / "classes.json", labels.encode())
        write_atomically(folder / PROGRAM, (models.ASSETS / "export" / PROGRAM).read_bytes())
        write_atomically(folder / "README.md", _card(self.name, document, report).encode())
        yield Output(name="folder", value=str(folder.relative_to(work.workspace.root)))


def _card(name: str, document: dict[str, Any], report: dict[str, Any] | None) -> str:
    base = document["encoder"].partition("@")[0]
    model = MODELS.get(base)
    licence = model.licence if model else "that of the encoder; look there"
    real, synthetic = document["real"], document["synthetic"]
    taught = " and ".join(word for word, one in (("real", real), ("synthetic", synthetic)) if one)
    how = "a linear probe on the frozen encoder" if document["kind"] == "linear_probe" else "LoRA on both towers"
    numbers = card.numbers(report) if report else "Nothing was measured with this card."
    return f"""# {card.plain(name)}

A classifier of {len(document["labels"])} classes, trained on {taught} images with SynthStudio ({how}; encoder:
{card.plain(base)}). The LoRA is added into the weights and the classes' text vectors are the head, so it is an ordinary
open_clip model with a linear layer.

```
pip install open_clip_torch pillow safetensors
python {PROGRAM} photo.jpg another.png
```

Licence of the encoder: {card.plain(licence)}. It binds this classifier too, and so do the rights in the images it was
trained on.

{numbers}
"""
