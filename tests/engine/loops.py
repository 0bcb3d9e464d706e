"""The loops that train classifiers and small networks, each as tensors by name: what the tests of updates compare."""

from dataclasses import replace

import torch

from synthstudio.engine import classifier, encoders, finetune
from synthstudio.engine.batches import Part
from synthstudio.engine.distil import judge, trajectories
from tests.engine.distil.kit import real_images
from tests.engine.drawing import CPU

LABELS = ("cat", "dog")
CLIP = classifier.Settings(training_steps=5, batch_size=5, seed=1, rank=4, learning_rate=1e-3)
TIMM = finetune.Settings(training_steps=5, batch_size=5, seed=1, scope="all", learning_rate=1e-4, mix="cutmix")
SCHOOLING = trajectories.Schooling("convnet", 4, epochs=2, batch_size=16, operations=("crop", "color"))


def parts(encoder, count=6):
    """Real and synthetic images of two classes: noise, the same every time."""
    found = {}
    for seed, name in enumerate(("real", "synthetic")):
        chance = torch.Generator().manual_seed(seed)
        size = (count, 3, encoder.size, encoder.size)
        pixels = torch.randint(256, size, generator=chance, dtype=torch.uint8)
        found[name] = Part.of(tuple(f"{name}{n}" for n in range(count)), pixels, [n % 2 for n in range(count)])
    return found


def of_clip(folder, at_once=0, device=CPU, **changes):
    """A training of a CLIP model, ready to begin."""
    encoder = encoders.load(folder / "clip", device)
    return classifier.Training(encoder, parts(encoder), LABELS, replace(CLIP, **changes), at_once)


def of_timm(folder, at_once=0, device=CPU, dtype=None, **changes):
    """A training of a timm network, ready to begin."""
    encoder = encoders.load(folder / "timm", device)
    width = encoder.embed_images(parts(encoder, 1)["real"].pixels).shape[1]
    head = {"weight": torch.zeros(2, width), "bias": torch.zeros(2)}
    return finetune.Training(encoder, parts(encoder), head, replace(TIMM, **changes), at_once, dtype)


def tensors(training):
    """What a training has learned, on the CPU."""
    found = training.update.tensors() if isinstance(training, classifier.Training) else training.tensors()
    return {name: one.detach().cpu() for name, one in found.items()}


def finished(training):
    """Its weights at the end."""
    while training.step < training.settings.training_steps:
        training.advance()
    return tensors(training)


def of_judge(at_once=0):
    """Weights of a network of the judge, without biases: under a norm their gradients are rounding and nothing else."""
    real = real_images()
    teacher = judge.train("convnet", real.pixels, real.places, 3, judge.Training(2, 8, 4), real.normalisation, 0)
    how = judge.Training(6, 7, 4, 1e-3, judge.operations(True, True), 0.5, teacher, CPU, at_once)
    network = judge.train("convnet", real.pixels, real.places, 3, how, real.normalisation, 1)
    return {name: one for name, one in network.state_dict().items() if one.ndim > 1}


def of_expert(at_once=0):
    """Weights of an expert after its last epoch."""
    *_, last = trajectories.school(real_images(), SCHOOLING, 0, CPU, at_once)
    return last.parameters


def everything(folder, at_once=0):
    """All of them, by name of the loop and of the tensor."""
    found = {
        "clip": finished(of_clip(folder, at_once)), "timm": finished(of_timm(folder, at_once)),
        "judge": of_judge(at_once), "expert": of_expert(at_once),
    }  # fmt: skip
    return {f"{loop}.{name}": one.contiguous() for loop, own in found.items() for name, one in own.items()}
