"""The parts of a model folder: networks, from safetensors and known settings only, and tokenizers.

diffusers and transformers never see the folder itself. Its configurations can name code (`auto_map`), kernels of the
Hub (`attn_implementation`), adapters elsewhere (`adapter_config.json`) and more with each version; they read a
temporary folder with links to the weights and the few settings that are known here.
"""

import inspect
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPTokenizer, PreTrainedModel

from synthstudio import modelfolder
from synthstudio.errors import Damaged, Missing, UnsafeInput

# What is read of a text encoder's and of a tokenizer's configuration; of the others what their constructors name.
_TEXT_SETTINGS = frozenset(
    {
        *("vocab_size", "hidden_size", "intermediate_size", "projection_dim", "num_hidden_layers"),
        *("num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps", "attention_dropout"),
        *("initializer_range", "initializer_factor", "pad_token_id", "bos_token_id", "eos_token_id"),
    }
)
_TOKENIZER_SETTINGS = frozenset(
    {
        *("model_max_length", "unk_token", "bos_token", "eos_token", "pad_token", "additional_special_tokens"),
        *("added_tokens_decoder", "add_prefix_space", "do_lower_case", "errors", "clean_up_tokenization_spaces"),
    }
)


def part(cls: Any, folder: Path, name: str, dtype: torch.dtype, config: Mapping[str, Any] | None = None) -> Any:
    """One network, from safetensors only, without gradients; `config` where a family reads the settings itself."""
    here = folder / name
    files = sorted(file.name for file in here.glob("*.safetensors"))
    if not files:
        if any(here.glob("*.bin")):
            raise UnsafeInput(f"{here} holds pickled weights only, which can run code. Convert them to safetensors.")
        raise Missing(f"{here} holds no weights. Fetch or copy the model again.")
    variant = None if any(".fp16." not in file and "non_ema" not in file for file in files) else "fp16"
    words = issubclass(cls, PreTrainedModel)
    how = {"dtype": dtype} if words else {"torch_dtype": dtype, "low_cpu_mem_usage": True}
    known = _TEXT_SETTINGS if words else frozenset(inspect.signature(cls).parameters)
    settings = _of(modelfolder.read_config(folder, f"{name}/config.json"), known) if config is None else config
    weights = [*files, *(file.name for file in here.glob("*.safetensors.index*.json"))]
    with _quiet(), _cleaned(here, weights, {"config.json": settings}) as clean:
        loaded, told = cls.from_pretrained(
            clean, use_safetensors=True, local_files_only=True, variant=variant, output_loading_info=True, **how
        )
    if absent := sorted(told["missing_keys"]):  # the libraries would make them up
        raise Damaged(
            f"{here} lacks {len(absent)} of its weights, {absent[0]} among them. Fetch or copy the model again."
        )
    return loaded.eval().requires_grad_(False)


class Tokenizer:
    """CLIP's tokenizer with the vocabulary in a folder, for a text encoder that has so many positions.

    `learned` holds the token ids of words that are no words of the vocabulary, like '<cat>': they stand in a prompt as
    they are written, in whatever case.
    """

    def __init__(self, folder: Path, name: str, positions: int) -> None:
        self.inside = tokenizer(CLIPTokenizer, folder, name)
        self.words = min(int(self.inside.model_max_length), positions)
        self.learned: Mapping[str, Sequence[int]] = {}

    def tokens(self, prompts: Sequence[str], device: torch.device) -> Tensor:
        """Token ids (N, words), padded or cut to what the text encoder takes."""
        if self.learned:
            return torch.tensor([self._filled(self._ids(prompt)) for prompt in prompts]).to(device)
        found = self.inside(
            list(prompts), padding="max_length", max_length=self.words, truncation=True, return_tensors="pt"
        )
        return found.input_ids.to(device)

    def too_long(self, prompt: str) -> bool:
        """Whether the end of this prompt would be cut off."""
        if self.learned:
            return len(self._ids(prompt)) + 2 > self.words
        return len(self.inside(prompt).input_ids) > self.words

    def plain_ids(self, text: str) -> list[int]:
        """The tokens of a text alone, without those that begin and end a prompt."""
        return list(self.inside(text, add_special_tokens=False).input_ids)

    def _ids(self, prompt: str) -> list[int]:
        """The tokens of a prompt with learned words in it, without its ends."""
        words = "|".join(re.escape(word) for word in sorted(self.learned, key=len, reverse=True))
        ids: list[int] = []
        for piece in re.split(f"({words})", prompt, flags=re.IGNORECASE):
            learned = self.learned.get(piece.lower())
            ids += self.plain_ids(piece) if learned is None else learned
        return ids

    def _filled(self, ids: list[int]) -> list[int]:
        ends = [self.inside.bos_token_id, *ids[: self.words - 2], self.inside.eos_token_id]
        return ends + [self.inside.pad_token_id] * (self.words - len(ends))


def tokenizer(cls: Any, folder: Path, part: str) -> Any:
    """A tokenizer of this class with the vocabulary in a folder, and its known settings."""
    settings = {
        name: _of(modelfolder.read_config(folder, f"{part}/{name}"), _TOKENIZER_SETTINGS)
        for name in ("tokenizer_config.json", "special_tokens_map.json")
        if (folder / part / name).is_file()
    }
    words = ("vocab.json", "merges.txt", "tokenizer.json", "added_tokens.json")
    with _cleaned(folder / part, words, settings) as clean:
        return cls.from_pretrained(clean, local_files_only=True)


def _of(config: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name in known}


@contextmanager
def _cleaned(here: Path, files: Sequence[str], configs: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
    """A temporary folder with links to these files of `here`, as far as they exist, and these configurations."""
    with tempfile.TemporaryDirectory(prefix="synthstudio-") as made:
        for name in files:
            if (here / name).is_file():
                (Path(made) / name).symlink_to((here / name).resolve())
        for name, config in configs.items():
            (Path(made) / name).write_text(json.dumps(config), encoding="utf-8")
        yield Path(made)


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar for a load of a second."""
    from transformers.utils import logging  # noqa: PLC0415 - a name too general for the top of a module

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()
