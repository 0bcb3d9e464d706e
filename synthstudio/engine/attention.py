"""Cross-attention over few distinct prompts.

In a batch most rows share a prompt, and in sampling the prompts stay the same from step to step. The projections of 77
text tokens are then the same numbers again and again: here they are computed once per distinct prompt, and, while
sampling, once per batch of images instead of once per step.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F


class PromptRows:
    """Which prompt each row of the batch follows; shared by all cross-attentions of a UNet."""

    def __init__(self, unet: nn.Module) -> None:
        self.rows: Tensor | None = None
        self.memory: dict[int, tuple[Tensor, Tensor]] | None = None
        for name, layer in unet.named_modules():
            if isinstance(layer, Attention) and name.endswith("attn2"):
                layer.set_processor(_RowAttention(self))

    @contextmanager
    def of(self, rows: Tensor) -> Iterator[None]:
        """Within, row i of the batch follows prompt rows[i]."""
        before, self.rows = self.rows, rows
        try:
            yield
        finally:
            self.rows = before

    @contextmanager
    def remembered(self) -> Iterator[None]:
        """Within, keys and values are kept from the first call on."""
        self.memory = {}
        try:
            yield
        finally:
            self.memory = None


class _RowAttention:
    """Scaled dot-product attention as diffusers does it, with keys and values per prompt instead of per row."""

    def __init__(self, shared: PromptRows) -> None:
        self.shared = shared

    def __call__(self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor, **_: Any) -> Tensor:
        batch, length, _width = hidden_states.shape
        query = _heads(attn.to_q(hidden_states), attn.heads)
        key, value = self._keys_and_values(attn, encoder_hidden_states)
        mixed = F.scaled_dot_product_attention(query, key, value, scale=attn.scale)
        return attn.to_out[0](mixed.transpose(1, 2).reshape(batch, length, -1)) / attn.rescale_output_factor

    def _keys_and_values(self, attn: Attention, prompts: Tensor) -> tuple[Tensor, Tensor]:
        memory = self.shared.memory
        if memory is not None and id(attn) in memory:
            return memory[id(attn)]
        key, value = _heads(attn.to_k(prompts), attn.heads), _heads(attn.to_v(prompts), attn.heads)
        if self.shared.rows is not None:
            key, value = (torch.index_select(one, 0, self.shared.rows) for one in (key, value))
        if memory is not None:
            memory[id(attn)] = (key, value)
        return key, value


def _heads(tokens: Tensor, heads: int) -> Tensor:
    """(N, L, H·d) to (N, H, L, d)."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)
