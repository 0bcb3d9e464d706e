"""An exported classifier works without SynthStudio and says what it said here."""

import json
import subprocess
import sys

import numpy as np
import pytest

from synthstudio.step import build
from tests.engine.tiny_timm import make_timm
from tests.matrix import first_of
from tests.steps.kit import LABELS, encoder_ref, outputs, stored

ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
import importlib
classify = importlib.import_module(sys.argv[2])
assert "synthstudio" not in sys.modules
print(json.dumps([classify.classify(path) for path in sys.argv[3:]]))
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return make_timm(tmp_path_factory.mktemp("eye") / "network", "test_efficientnet")


def trained(work, clip, kind):
    fields = {"encoder": encoder_ref(work, clip), "real": stored(work, "set", LABELS, range(6))}
    if kind == "train.classifier":
        fields |= {"training_steps": 20, "batch_size": 9, "learning_rate": 0.01, "rank": 4, "alpha": 8,
                   "warmup_steps": 2, "targets": "all", "augmentation": "none"}  # fmt: skip
    if kind == "train.finetune":
        fields |= {"training_steps": 3, "batch_size": 6, "learning_rate": 1e-5, "augmentation": "none"}
    return outputs(build(kind, fields), work)[0]["classifier"]


@pytest.mark.parametrize(
    ("eye", "kind"),
    first_of(
        [
            ("clip", "train.classifier"),
            ("network", "train.finetune"),
            ("clip", "train.linear_probe"),
            ("network", "train.linear_probe"),
        ],
        kept=2,
    ),
)
def test_both_programs_in_the_folder_give_the_probabilities_we_give(work, request, tmp_path, eye, kind):
    from synthstudio.engine import classifier
    from synthstudio.steps import encoding

    made = trained(work, request.getfixturevalue(eye), kind)
    folder = work.workspace.root / outputs(build("export.classifier", {"classifier": made}), work)[0]["folder"]
    document = work.workspace.document(made)
    model = encoding.encoder(work, document["encoder"])
    digests = [member.image for member in work.workspace.image_set(stored(work, "set", LABELS, range(30, 33)))]
    fitted = classifier.Fitted.read(document, work.workspace.get_weights(document["weights"]))
    ours = classifier.probabilities(fitted, classifier.Images(model, encoding.pixels(work, model, digests)))

    photos = [tmp_path / f"{number}.png" for number in range(len(digests))]
    for photo, digest in zip(photos, digests, strict=True):
        photo.write_bytes(work.workspace.get(digest))
    for program in ("classify", "classify_onnx"):
        said = subprocess.run(
            [sys.executable, "-I", "-c", ASK, folder, program, *photos], capture_output=True, check=True
        )
        theirs = [[answer[label] for label in fitted.labels] for answer in json.loads(said.stdout)]
        np.testing.assert_allclose(theirs, ours, atol=2e-3)  # our pixels are rounded to bytes before the tower
        assert len({max(answer, key=answer.get) for answer in json.loads(said.stdout)}) > 1


def test_the_card_says_what_it_was_trained_on_how_to_ask_it_and_whose_terms_bind_it(work, clip):
    exported = build("export.classifier", {"classifier": trained(work, clip, "train.linear_probe"), "name": "a|b <i>"})
    folder = work.workspace.root / outputs(exported, work)[0]["folder"]
    card = (folder / "README.md").read_text()
    assert "# a\\|b &lt;i&gt;" in card
    assert "3 classes, trained on real images" in card
    assert "python classify.py photo.jpg" in card
    assert "Licence of the encoder" in card
    assert "Nothing was measured with this card." in card
    assert json.loads((folder / "classes.json").read_text()) == list(LABELS)
