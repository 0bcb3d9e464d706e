"""Started by torchrun once per process: trains on a folder's models, every loop, and writes the weights that result."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from synthstudio.engine import lora
from tests.engine import loops
from tests.engine.drawing import QUICK, loaded, photos


def main(model: str, eyes: str, folder: str) -> None:
    backbone = loaded(Path(model))
    recipe = replace(QUICK, batch_size=5)
    training = lora.Training(backbone, photos(backbone), recipe, Path(folder))
    losses = [tick.loss for tick in training.run(2)]
    others = loops.everything(Path(eyes))
    stopped = loops.of_clip(Path(eyes))
    stopped.advance()
    stopped.save(Path(folder) / "stopped")
    torch.distributed.barrier()
    assert stopped.resume(Path(folder) / "stopped")
    if training.updates.leads:
        training.write(Path(folder) / "weights.safetensors")
        save_file(others, Path(folder) / "others.safetensors")
        (Path(folder) / "losses.txt").write_text("\n".join(map(str, losses)))
        (Path(folder) / "processes.txt").write_text(str(training.updates.accelerator.num_processes))
    training.updates.accelerator.end_training()


if __name__ == "__main__":
    main(*sys.argv[1:])
