"""Textual inversion: words that a frozen model learns (Gal et al. 2022, arXiv:2208.01618).

A learned word is one or several vectors in the place of token embeddings; nothing else of the model changes. Its file
is what `load_textual_inversion` of diffusers reads: the word and its vectors; of a model with two text encoders
`clip_l` and `clip_g`, as such files are passed around.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from synthstudio import weightfile
from synthstudio.engine.backbones import Backbone
from synthstudio.engine.tensors import plain
from synthstudio.errors import BadInput

_WORD = "learned_word"
_NAMES = {"text_encoder": "clip_l", "text_encoder_2": "clip_g"}  # where a file holds the vectors of two encoders


@dataclass(frozen=True)
class LearnedWord:
    """A word as it stands in prompts, '<cat>', and its vectors (V, D) for each text encoder."""

    word: str
    vectors: Mapping[str, Tensor]


class Words:
    """One word in training; the trainer sees one flat vector, as of every adapter."""

    def __init__(self, backbone: Backbone, word: str, count: int, initial: str) -> None:
        self.backbone, self.word = backbone, word
        starts = {part: _start(backbone, part, count, initial) for part in _parts(backbone)}
        self.shapes = {part: start.shape for part, start in starts.items()}
        flat = torch.cat([start.flatten() for start in starts.values()])
        self.flat = nn.Parameter(flat.to(backbone.device))
        self.flat.grad = torch.zeros_like(self.flat)
        _put(backbone, {part: self._rows(part) for part in starts}, {word: range(count)})
        backbone.learned = self

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint needs beside the flat vector: nothing."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take `tensors()` of a checkpoint back."""

    def write(self, path: Path) -> None:
        """Write the word as diffusers reads it."""
        vectors = {part: plain(self._rows(part)()) for part in self.shapes}
        named = (
            {self.word: vectors["text_encoder"]} if len(vectors) == 1 else {_NAMES[p]: v for p, v in vectors.items()}
        )
        weightfile.write(path, named, {"format": "pt", _WORD: self.word})

    def remove(self) -> None:
        """Give the model back unchanged."""
        use_words(self.backbone, None, ())

    def _rows(self, part: str) -> Callable[[], Tensor]:
        """The vectors of a part, read off the flat vector whenever they are wanted, so that gradients reach it."""
        at = sum(shape.numel() for name, shape in self.shapes.items() if name < part)
        shape = self.shapes[part]
        return lambda: self.flat[at : at + shape.numel()].view(shape)


class _Embedding(nn.Module):
    """The token embedding of a text encoder, with learned rows behind its own."""

    def __init__(self, frozen: nn.Embedding, rows: Callable[[], Tensor]) -> None:
        super().__init__()
        self.frozen, self.rows = frozen, rows

    def forward(self, ids: Tensor) -> Tensor:
        """(N, L, D) of token ids (N, L)."""
        known = self.frozen.num_embeddings
        found = self.frozen(ids.clamp(max=known - 1))
        learned = F.embedding((ids - known).clamp(min=0), self.rows().to(found.dtype))
        return torch.where((ids < known).unsqueeze(-1), found, learned)


def read_word(path: Path) -> LearnedWord:
    """The word in a file written here. BadInput if it is none."""
    word = weightfile.read_header(path).metadata.get(_WORD)
    if word is None:
        raise BadInput(f"{path.name} holds no learned word; it was not made by this program.")
    tensors = load_file(path)
    if word in tensors:
        return LearnedWord(word, {"text_encoder": tensors[word]})
    return LearnedWord(word, {part: tensors[name] for part, name in _NAMES.items()})


def use_words(backbone: Backbone, key: object, words: Sequence[LearnedWord]) -> None:
    """Have the backbone read exactly these learned words; `key` names them: the same key again costs nothing.

    BadInput if they were learned by a model whose text encoders are others; then it reads none.
    """
    if backbone.learned is key or (key is not None and backbone.learned == key):
        return
    _take_out(backbone)
    if not words:
        return
    places, first = {}, 0
    for one in words:
        count = len(next(iter(one.vectors.values())))
        places[one.word], first = range(first, first + count), first + count
    rows = {}
    for part in _parts(backbone):
        given = [one.vectors.get(part) for one in words]
        width = backbone.readers[part][0].get_input_embeddings().embedding_dim
        fitting = [one for one in given if one is not None and one.shape[-1] == width]
        if len(fitting) < len(given):
            raise BadInput(
                "These words were learned by another model. Choose the backbone they were learned with, or learn them "
                "for this one."
            )
        rows[part] = _constant(torch.cat(fitting).to(backbone.device))
    _put(backbone, rows, places)
    backbone.learned = key


def _constant(rows: Tensor) -> Callable[[], Tensor]:
    return lambda: rows


def _put(backbone: Backbone, rows: Mapping[str, Callable[[], Tensor]], places: Mapping[str, range]) -> None:
    for part, (encoder, tokenizer) in backbone.readers.items():
        frozen = encoder.get_input_embeddings()
        encoder.set_input_embeddings(_Embedding(frozen, rows[part]))
        tokenizer.learned = {word: [frozen.num_embeddings + n for n in place] for word, place in places.items()}
    backbone.forget_prompts()


def _take_out(backbone: Backbone) -> None:
    for encoder, tokenizer in backbone.readers.values():
        known = encoder.get_input_embeddings()
        if isinstance(known, _Embedding):
            encoder.set_input_embeddings(known.frozen)
        tokenizer.learned = {}
    backbone.learned = None
    backbone.forget_prompts()


def _parts(backbone: Backbone) -> list[str]:
    """The parts that read learned words, in order of name. BadInput if the family has none."""
    if not backbone.readers:
        raise BadInput(
            f"{backbone.name} cannot learn words: its text encoder is no CLIP. Train a LoRA instead (adapt.lora)."
        )
    return sorted(backbone.readers)


def _start(backbone: Backbone, part: str, count: int, initial: str) -> Tensor:
    """(V, D) where training starts: the tokens of the initial word in turn."""
    encoder, tokenizer = backbone.readers[part]
    ids = tokenizer.plain_ids(initial)
    if not ids:
        raise BadInput(f"The initial word {initial!r} has no token in this model. Choose a plain word, such as the.")
    chosen = torch.tensor([ids[n % len(ids)] for n in range(count)]).to(backbone.device)
    return encoder.get_input_embeddings()(chosen).detach().float().cpu()
