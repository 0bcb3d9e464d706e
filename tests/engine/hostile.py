"""Model folders that try to run code. The payload is harmless: it writes a file that a test looks for."""

import json
import shutil
from pathlib import Path

from tests.engine.tiny_clip import make_clip

_PAYLOAD = """
from pathlib import Path

from transformers import PreTrainedTokenizerFast

Path({marker!r}).write_text("code of the folder was run")


class Evil(PreTrainedTokenizerFast):
    pass
"""


def clip_that_runs_code(folder: Path, marker: Path) -> Path:
    """An open_clip folder of safetensors whose tokenizer is a module beside them."""
    make_clip(folder, "vit")
    changed(folder / "open_clip_config.json", lambda body: body["model_cfg"]["text_cfg"].update(
        hf_tokenizer_name="mine", tokenizer_kwargs={"trust_remote_code": True}))  # fmt: skip
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}})
    )
    (folder / "config.json").write_text(json.dumps({"model_type": "clip"}))
    (folder / "evil.py").write_text(_PAYLOAD.format(marker=str(marker)))
    return folder


def changed(file: Path, change) -> None:
    """Rewrite a JSON file by a function of its body."""
    body = json.loads(file.read_text())
    change(body)
    file.write_text(json.dumps(body))


def copy_of(folder: Path, target: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(folder, target))
