"""A classifier as one ONNX graph: pixels in [0, 1] go in, the probabilities of the classes come out."""

import copy
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from synthstudio.engine.encoders import Encoder


class _Answering(nn.Module):
    """softmax(weight · unit vector + bias), with the encoder's normalisation inside."""

    def __init__(self, encoder: Encoder, state: dict[str, Tensor], weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self._encoder = copy.copy(encoder)
        self._encoder.model = copy.deepcopy(encoder.model).cpu()
        self._encoder.model.load_state_dict({name: value.cpu() for name, value in state.items()})
        self.model = self._encoder.model
        mean, std = encoder.statistics
        self.register_buffer("mean", mean.cpu())
        self.register_buffer("std", std.cpu())
        self.register_buffer("weight", weight.cpu().float())
        self.register_buffer("bias", bias.cpu().float())

    def forward(self, pixels: Tensor) -> Tensor:
        inputs = (pixels - self.mean) / self.std  # type: ignore[operator]
        vectors = F.normalize(self._encoder.features(inputs).float(), dim=-1)
        return F.linear(vectors, self.weight, self.bias).softmax(-1)  # type: ignore[arg-type]


@torch.no_grad()
def to_onnx(path: Path, encoder: Encoder, state: dict[str, Tensor], weight: Tensor, bias: Tensor) -> None:
    """Write the graph; its input `pixels` is (n, 3, size, size), its output `probabilities` (n, classes)."""
    asked = _Answering(encoder, state, weight, bias).eval()
    aside = path.with_name(f".{path.name}.part")
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no ONNX counterpart
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter that needs no onnxscript is called the old one
            torch.onnx.export(
                asked, (torch.zeros(1, 3, encoder.size, encoder.size),), str(aside), dynamo=False,
                input_names=["pixels"], output_names=["probabilities"],
                dynamic_axes={"pixels": {0: "n"}, "probabilities": {0: "n"}},
            )  # fmt: skip
        aside.replace(path)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        aside.unlink(missing_ok=True)
