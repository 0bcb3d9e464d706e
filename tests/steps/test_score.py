import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.events import Measured, Scored
from synthstudio.fingerprint import fingerprint, near_duplicates
from synthstudio.step import build
from tests.steps.kit import LABELS, coloured, encoder_ref, outputs, png, stored


def values(work, kind, **fields):
    made, events = outputs(build(kind, fields), work)
    document = work.workspace.document(made["scores"])
    said = sorted(list(row) for event in events if isinstance(event, Scored) for row in event.values)
    assert document["scorer"] == kind.removeprefix("score.") and said == document["values"]
    return dict(document["values"])


def test_agreement_is_a_probability_among_the_labels(work, clip):
    encoder, picture = encoder_ref(work, clip), work.workspace.put(coloured("red", 1))
    total = 0.0
    for label in LABELS:
        images = work.workspace.put_set(ImageSet.of("set", [Member(label, picture)]))
        total += values(work, "score.label_agreement", images=images, encoder=encoder, labels=LABELS)[picture]
    assert total == pytest.approx(1, abs=1e-4)


def test_agreement_prefers_the_label_that_matches(work, clip):
    encoder, shots = encoder_ref(work, clip), stored(work, "set", LABELS, range(4))
    right = stored(work, "set", LABELS, range(10, 14))
    members = list(work.workspace.image_set(right))
    other = {"blue": "green", "green": "red", "red": "blue"}
    wrong = work.workspace.put_set(ImageSet.of("set", [Member(other[m.label], m.image) for m in members]))
    fields = {"encoder": encoder, "references": shots}
    good = values(work, "score.label_agreement", images=right, **fields)
    bad = values(work, "score.label_agreement", images=wrong, **fields)
    assert all(good[image] > bad[image] for image in good)


def test_agreement_with_words_only_uses_every_prompt(work, clip):
    images = stored(work, "set", LABELS, range(2))
    encoder = encoder_ref(work, clip)
    one = values(work, "score.label_agreement", images=images, encoder=encoder)
    two = values(
        work, "score.label_agreement", images=images, encoder=encoder, prompts=["a drawing of a {label}", "{label} 1"]
    )
    assert one.keys() == two.keys() and one != two


def test_a_label_that_is_not_among_the_labels_is_refused(work, clip):
    images = stored(work, "set", LABELS, range(1))
    step = build(
        "score.label_agreement", {"images": images, "encoder": encoder_ref(work, clip), "labels": ["blue", "red"]}
    )
    with pytest.raises(BadInput, match="'green'"):
        outputs(step, work)


def test_an_image_is_embedded_once_whatever_asks(work, clip):
    encoder, images = encoder_ref(work, clip), stored(work, "set", LABELS, range(4))
    first = values(work, "score.label_agreement", images=images, encoder=encoder)
    shards = {path: path.stat().st_mtime_ns for path in (work.workspace.root / "embeddings").rglob("*.npy")}
    fresh = type(work)(work.workspace, work.scratch)
    assert values(fresh, "score.label_agreement", images=images, encoder=encoder) == first
    outputs(build("train.linear_probe", {"encoder": encoder, "real": images}), fresh)
    after = {path: path.stat().st_mtime_ns for path in (work.workspace.root / "embeddings").rglob("*.npy")}
    assert after == shards and len(shards) == 1


def test_only_new_images_are_embedded(work, clip):
    encoder = encoder_ref(work, clip)
    values(work, "score.label_agreement", images=stored(work, "set", LABELS, range(4)), encoder=encoder)
    values(work, "score.label_agreement", images=stored(work, "set", LABELS, range(5)), encoder=encoder)
    rows = [len(np.load(path)) for path in (work.workspace.root / "embeddings").rglob("*.npy")]
    assert sorted(rows) == [3, 12]


def test_a_damaged_shard_is_made_again(work, clip):
    encoder, images = encoder_ref(work, clip), stored(work, "set", LABELS, range(4))
    first = values(work, "score.label_agreement", images=images, encoder=encoder)
    (shard,) = (work.workspace.root / "embeddings").rglob("*.npy")
    good = shard.read_bytes()
    shard.write_bytes(good[:-100])
    fresh = type(work)(work.workspace, work.scratch)
    assert values(fresh, "score.label_agreement", images=images, encoder=encoder) == first
    assert shard.read_bytes() == good


def noisy(size=96):
    return np.random.default_rng(0).normal(128, 40, (size, size, 3))


def blurred(picture, times):
    for _ in range(times):
        picture = (picture + np.roll(picture, 1, 0) + np.roll(picture, 1, 1) + np.roll(picture, (1, 1), (0, 1))) / 4
    return picture


def sharpness_of(work, pictures, **fields):
    digests = [work.workspace.put(png(picture)) for picture in pictures]
    images = work.workspace.put_set(ImageSet.of("set", [Member("x", digest) for digest in digests]))
    found = values(work, "score.sharpness", images=images, **fields)
    return [found[digest] for digest in digests]


def test_blur_lowers_sharpness_and_a_flat_image_has_none(work):
    sharp, soft, softer, flat = sharpness_of(
        work, [noisy(), blurred(noisy(), 1), blurred(noisy(), 4), np.full((96, 96, 3), 90.0)]
    )
    assert sharp > soft > softer > flat == 0


def test_contrast_and_size_do_not_change_sharpness(work):
    picture = blurred(noisy(), 2)
    pale = 128 + (picture - 128) * 0.4
    large = np.kron(picture, np.ones((4, 4, 1)))
    one, two, three = sharpness_of(work, [picture, pale, large], size=96)
    assert two == pytest.approx(one, rel=0.1) and three == pytest.approx(one, rel=0.05)


def test_an_image_one_pixel_wide_is_measured(work):
    assert sharpness_of(work, [np.zeros((1, 40, 3))]) == [0.0]


def test_a_copy_of_a_real_image_scores_one(work, clip):
    """Also when it was resized and compressed; a picture of its own scores less."""
    shots = stored(work, "set", LABELS, range(4), size=96)
    with Image.open(io.BytesIO(coloured("red", 2, 96))) as picture:
        out = io.BytesIO()
        picture.resize((72, 72), Image.Resampling.BICUBIC).save(out, "JPEG", quality=80)
    same, changed, new = (
        work.workspace.put(one) for one in (coloured("red", 1, 96), out.getvalue(), coloured("red", 50, 96))
    )
    images = work.workspace.put_set(ImageSet.of("set", [Member("red", one) for one in (same, changed, new)]))
    fields = {"images": images, "references": shots, "encoder": encoder_ref(work, clip)}
    found = values(work, "score.nearest_real", **fields)
    assert found[same] == found[changed] == 1.0 and found[new] < 1
    _, events = outputs(build("score.nearest_real", fields), work)
    measured = {event.name: event for event in events if isinstance(event, Measured)}
    assert measured["copies"].value == pytest.approx(2 / 3) and measured["copies"].n == 3
    assert 0 < measured["nearest_real_mean"].value <= measured["nearest_real_quantile95"].value <= 1.0001


def test_a_cropped_copy_of_a_real_image_scores_one_though_its_fingerprint_differs(work, clip):
    photo, other = (Image.fromarray(one[:400, :400]) for one in load_sample_images().images)
    files = []
    for image in (photo, other, photo.crop((0, 40, 360, 400))):
        out = io.BytesIO()
        image.save(out, "PNG")
        files.append(out.getvalue())
    assert not near_duplicates([fingerprint(files[2])], [fingerprint(files[0])])
    first, second, cut = (work.workspace.put(one) for one in files)
    shots, images = (
        work.workspace.put_set(ImageSet.of("set", [Member("red", one) for one in some]))
        for some in ([first, second], [cut])
    )
    fields = {"images": images, "references": shots, "encoder": encoder_ref(work, clip)}
    assert values(work, "score.nearest_real", **fields) == {cut: 1.0}


def test_nearest_real_needs_real_images(work, clip):
    fields = {"images": stored(work, "set", LABELS, range(2)), "references": stored(work, "set", [], [])}
    with pytest.raises(BadInput, match="no real images"):
        outputs(build("score.nearest_real", {**fields, "encoder": encoder_ref(work, clip)}), work)
