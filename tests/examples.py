"""One valid request of every kind, as a person might make it."""

_A, _B, _C = "a" * 64, "b" * 64, "c" * 64
SET, POOL, TEST = f"set:{_A}", f"pool:{_B}", f"test:{_C}"
BACKBONE, ENCODER = f"pico@{_A}", f"pico-clip@{_B}"
_FILTER = {"rule": "at_least", "scorer": "label_agreement", "value": 0.5}

EXAMPLES: dict[str, dict[str, object]] = {
    "collect.import_images": {"source": "source:digits"},
    "collect.model": {"repository": "somebody/model"},
    "collect.freeze": {"selection": f"selection:{_A}"},
    "collect.split": {"images": POOL, "shots": 4, "eye": f"lite0@{_C}"},
    "adapt.lora": {"backbone": BACKBONE, "images": SET, "seed": 1},
    "adapt.textual_inversion": {"backbone": BACKBONE, "images": SET, "seed": 1},
    "adapt.inverted_vectors": {"backbone": BACKBONE, "images": SET, "seed": 1},
    "sample.text": {"backbone": BACKBONE, "labels": ["cat", "dog"], "seed": 1},
    "sample.variation": {"backbone": BACKBONE, "labels": ["cat"], "sources": SET, "seed": 1},
    "sample.grid": {"backbone": BACKBONE, "labels": ["cat"], "sources": SET, "x_values": [0.2, 0.5, 0.8], "seed": 1},
    "sample.until": {
        "backbone": BACKBONE,
        "labels": ["cat", "dog"],
        "encoder": ENCODER,
        "filters": [_FILTER],
        "seed": 1,
    },
    "sample.vectors": {"backbone": BACKBONE, "adapter": f"adapter:{_A}", "labels": ["cat", "dog"], "seed": 1},
    "score.label_agreement": {"images": SET, "encoder": ENCODER},
    "score.nearest_real": {"images": SET, "references": SET, "encoder": ENCODER},
    "score.sharpness": {"images": SET},
    "measure.images": {"images": SET, "references": f"set:{_B}", "encoder": ENCODER},
    "select.eye": {"eyes": [ENCODER, f"lite0@{_C}"], "images": [SET]},
    "select.filter": {"images": SET, "scores": [f"scores:{_A}"], "filters": [_FILTER]},
    "select.random": {"images": SET, "like": f"set:{_B}", "seed": 1},
    "select.share": {"images": SET, "count": 20, "seed": 1},
    "train.classifier": {"encoder": ENCODER, "real": SET, "seed": 1},
    "train.finetune": {"encoder": f"lite0@{_C}", "real": SET, "seed": 1},
    "train.linear_probe": {"encoder": ENCODER, "real": SET},
    "evaluate.compare": {
        "encoder": ENCODER,
        "tests": [TEST],
        "real_only": [f"classifier:{_A}"],
        "synthetic_only": [f"classifier:{_B}"],
        "real_and_synthetic": [f"classifier:{_C}"],
    },
    "evaluate.classifiers": {
        "test": TEST,
        "classifiers": [f"classifier:{_A}", f"classifier:{_B}"],
        "baseline": f"classifier:{_B}",
    },
    "evaluate.review": {
        "encoder": ENCODER,
        "tests": [TEST],
        "everything": [f"classifier:{_A}"],
        "selection": [f"classifier:{_B}"],
        "random": [f"classifier:{_C}"],
        "kept": [SET],
        "chosen": [SET],
    },
    "evaluate.small_set": {"images": SET, "real": SET, "test": TEST, "backbone": BACKBONE, "encoder": ENCODER},
    "evaluate.shrink": {"images": SET, "validation": SET, "backbone": BACKBONE},
    "distil.select": {"images": SET, "backbone": BACKBONE, "rule": "herding"},
    "distil.mosaic": {"images": SET, "seed": 1},
    "distil.prototypes": {"backbone": BACKBONE, "images": SET, "seed": 1},
    "distil.match": {"images": SET, "method": "dc", "parameterisation": "latents", "backbone": BACKBONE, "seed": 1},
    "distil.experts": {"images": SET, "seed": 1},
    "export.image_folder": {"synthetic": SET, "test": TEST, "name": "my cats"},
    "export.classifier": {"classifier": f"classifier:{_A}", "name": "my cats"},
    "export.adapter": {"adapter": f"adapter:{_A}", "name": "my cats"},
}
