"""The judge of small sets, and the shrink curve."""

import json

import pytest

from synthstudio import models
from synthstudio.artifacts import ImageSet, Member
from synthstudio.engine.distil import judge
from synthstudio.errors import BadInput, Leak
from synthstudio.events import Made, Output, Progress
from synthstudio.step import build
from synthstudio.steps.evaluate.arms import Arm
from synthstudio.steps.evaluate.exam import Cell, Exam
from synthstudio.steps.evaluate.small_report import Result
from synthstudio.steps.evaluate.small_report import build as report_of
from tests.engine.tiny_clip import make_clip
from tests.steps.kit import coloured, encoder_ref, outputs, stored, work_in

LABELS = ("blue", "green", "red")
TINY = {"training_steps": 2, "batch_size": 6, "width": 4, "image_size": 8, "learning_rate": 0.01}
ARCHITECTURES = ["convnet", "alexnet", "vgg11"]
BASELINES = {"random", "herding", "k_center", "k_means", "class_mean", "mean_latent"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "vit", "vit")


def step(work, tiny_sd, **fields):
    given = {
        "images": stored(work, "set", LABELS, range(2), size=32),
        "real": stored(work, "set", LABELS, range(6), size=32),
        "test": stored(work, "test", LABELS, range(50, 54), size=32),
        "backbone": models.reference(str(tiny_sd), "backbone", work.workspace),
        "architectures": ARCHITECTURES, **TINY, **fields,
    }  # fmt: skip
    return build("evaluate.small_set", given)


def log(work, run, kind, made=(), said=None, **fields):
    """The log of a run, as a worker leaves it."""
    folder = work.workspace.runs / run
    folder.mkdir()
    body = {"kind": kind, "version": 1, "fields": fields}
    (folder / "request.json").write_text(json.dumps({"run_id": run, "step": json.dumps(body)}))
    events = [*made, *([Output(name="images", value=said)] if said else [])]
    lines = [json.dumps({"t": 0, **event.model_dump(mode="json")}) for event in events]
    (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))


def test_the_table_holds_every_baseline_on_every_network(work, tiny_sd, clip):
    asked = step(work, tiny_sd, encoder=encoder_ref(work, clip),
                 synthetic=stored(work, "set", LABELS, range(70, 75), size=32))  # fmt: skip
    made, events = outputs(asked, work)
    report = work.workspace.document(made["report"])
    rows = {row["arm"]: row for row in report["arms"]}
    assert set(rows) == {"method", *BASELINES, "random_synthetic", "all_real"}
    assert all(row["images"] == 6 for name, row in rows.items() if name != "all_real")
    assert rows["random"]["trainings"] == len(rows["random"]["sets"]) == 5 and rows["k_means"]["trainings"] == 3
    for row in rows.values():
        cells = {(cell["architecture"], cell["augmented"]) for cell in row["cells"]}
        assert cells == {(name, augmented) for name in ARCHITECTURES for augmented in (False, True)}
        assert all(cell["low"] <= cell["value"] <= cell["high"] and cell["n"] == 12 for cell in row["cells"])
        assert 0 <= row["probe"]["value"] <= 1
    against = {(one["against"], one["augmented"]) for one in report["differences"]}
    assert against == {(name, augmented) for name in (*BASELINES, "random_synthetic") for augmented in (False, True)}
    assert report["sentence"].startswith("On networks it never saw (convnet, alexnet, vgg11), this set with 2 images")
    assert [one["arm"] for one in made["cost"]] == list(rows)
    assert [event.done for event in events if isinstance(event, Progress) and event.unit == "trainings"][-1] == 186


def test_a_synthetic_pool_of_the_size_of_the_set_is_one_set_and_not_five_equal_draws(work, tiny_sd):
    pool = stored(work, "set", LABELS, range(70, 72), size=32)
    made, _ = outputs(step(work, tiny_sd, synthetic=pool), work)
    rows = {row["arm"]: row for row in work.workspace.document(made["report"])["arms"]}
    assert len(rows["random_synthetic"]["sets"]) == 1
    assert rows["random_synthetic"]["trainings"] == 3


def test_the_same_judgement_twice_is_the_same_report(work, tiny_sd, tmp_path):
    other = work_in(tmp_path / "other")
    reports = [outputs(step(w, tiny_sd, seed=3), w)[0]["report"] for w in (work, other)]
    assert reports[0] == reports[1]


@pytest.fixture
def trained(monkeypatch):
    """The cells that are really trained, as they come."""
    cells, right = [], Exam._right
    monkeypatch.setattr(Exam, "_right", lambda self, *cell: cells.append((cell[0].id, *cell[1:])) or right(self, *cell))
    return cells


def test_a_stopped_judgement_trains_only_what_is_missing(work, tiny_sd, trained):
    asked = step(work, tiny_sd)
    running = asked.run(work)
    for event in running:
        if isinstance(event, Progress) and event.unit == "trainings" and event.done == 10:
            break
    running.close()
    before = list(trained)
    made, _ = outputs(asked, work)
    assert len(before) == 10 and trained[:10] == before and len(set(trained)) == len(trained) > 100
    assert outputs(asked, work)[0]["report"] == made["report"] and len(set(trained)) == len(trained)


def test_baselines_that_were_measured_are_not_trained_again_for_another_set(work, tiny_sd, trained):
    outputs(step(work, tiny_sd), work)
    trained.clear()
    outputs(step(work, tiny_sd, images=stored(work, "set", LABELS, range(2, 4), size=32)), work)
    assert len(trained) == 3 * 3 * 2


def test_soft_labels_are_those_of_one_teacher_for_every_arm(work, tiny_sd, monkeypatch):
    teachers = []
    train = judge.train
    monkeypatch.setattr(judge, "train", lambda *args: teachers.append(args[4].teacher) or train(*args))
    hard = outputs(step(work, tiny_sd), work)[0]["report"]
    assert set(teachers) == {None}
    teachers.clear()
    soft = outputs(step(work, tiny_sd, labels="soft"), work)[0]["report"]
    assert soft != hard and teachers[0] is None and len({id(one) for one in teachers[1:]}) == 1
    assert teachers[1] is not None and len(teachers) > 100  # no cell of the hard labels was taken for a soft one


def test_networks_that_made_the_set_are_shown_apart(work, tiny_sd):
    pool = stored(work, "set", LABELS, range(8), size=32)
    mosaic = build("distil.mosaic", {"images": pool, "images_per_class": 2, "image_size": 16, "observer_steps": 15,
                                     "width": 8, "observer": "alexnet", "believed": 0.1})  # fmt: skip
    made, events = outputs(mosaic, work)
    log(work, "made-it", "distil.mosaic", [e for e in events if isinstance(e, Made)], made["images"])
    report = work.workspace.document(outputs(step(work, tiny_sd, images=made["images"]), work)[0]["report"])
    assert report["seen"] == ["alexnet"] and report["unseen"] == ["convnet", "vgg11"]
    assert report["arms"][0]["title"] == "mosaic"
    alexnet = [c for c in report["arms"][0]["cells"] if c["architecture"] == "alexnet" and not c["augmented"]]
    assert report["arms"][0]["seen"]["plain"]["each"] == alexnet[0]["each"]
    assert {one["networks"] for one in report["differences"]} == {"seen", "unseen"}


def test_a_judge_that_shares_its_encoder_with_the_method_is_refused(work, tiny_sd, clip):
    images, encoder = stored(work, "set", LABELS, range(2), size=32), encoder_ref(work, clip)
    log(work, "looked", "distil.match", said=images, encoder=encoder, method="dm")
    with pytest.raises(BadInput, match="would also be the judge. Name another encoder, or none"):
        outputs(step(work, tiny_sd, images=images, encoder=encoder), work)


def test_arms_that_cannot_be_compared_are_refused(work, tiny_sd):
    with pytest.raises(BadInput, match="sets differ in images per class"):
        outputs(step(work, tiny_sd, others=[stored(work, "set", LABELS, range(3), size=32)]), work)
    with pytest.raises(BadInput, match="The set shows no 'red'"):
        outputs(step(work, tiny_sd, images=stored(work, "set", LABELS[:2], range(2), size=32)), work)
    with pytest.raises(BadInput, match="7 images per class were asked for, but 'blue' has 6"):
        outputs(step(work, tiny_sd, images=stored(work, "set", LABELS, range(7), size=32)), work)
    uneven = [*work.workspace.image_set(stored(work, "set", LABELS, range(2), size=32)),
              Member("red", work.workspace.put(coloured("red", 4, 32)))]  # fmt: skip
    with pytest.raises(BadInput, match="2 images of 'blue' but 3 of another class"):
        outputs(step(work, tiny_sd, images=work.workspace.put_set(ImageSet.of("set", uneven))), work)


def test_a_test_image_in_a_training_arm_is_refused(work, tiny_sd):
    for leaking in ({"images": stored(work, "set", LABELS, [0, 50], size=32)},
                    {"real": stored(work, "set", LABELS, [*range(6), 51], size=32)},
                    {"synthetic": stored(work, "set", LABELS, [70, 71, 52], size=32)}):  # fmt: skip
        with pytest.raises(Leak, match="also among the training images"):
            outputs(step(work, tiny_sd, **leaking), work)


def test_the_judge_asks_three_networks_and_three_trainings_at_least(work, tiny_sd):
    for fields, problem in (
        ({"architectures": ["convnet", "vgg11"]}, "at least 3"),
        ({"seeds": 2}, "be at least 3"),
        ({"draws": 4}, "be at least 5"),
        ({"architectures": ["vit"] * 3}, "named twice"),
    ):
        with pytest.raises(BadInput, match=problem):
            step(work, tiny_sd, **fields)


def arm(name, role, shares, sets=1, questions=40):
    """An arm whose trainings have these shares of the questions right, on two networks."""
    empty = tuple(ImageSet.of("set", [Member(name, str(n))]) for n in range(sets))
    cells = [Cell(tuple(n < share * questions for n in range(questions)), 0.0) for share in shares]
    keys = [(architecture, augmented) for architecture in ("convnet", "vgg11") for augmented in (False, True)]
    return Result(Arm(name, name, role, empty, per_class=1), dict.fromkeys(keys, cells))


def judged(method, *rivals, seen=()):
    results = [arm("method", "method", method), *(arm(name, "baseline", shares, len(shares) if name == "random" else 1)
                                                  for name, shares in rivals)]  # fmt: skip
    return report_of(results, [str(n) for n in range(40)], seen)


@pytest.mark.parametrize(
    ("method", "verdict", "of_class_mean"),
    [
        ((0.9, 0.9, 0.875), "better", "It beats the plain class mean"),
        ((0.6, 0.6, 0.625), "no measurable difference", "does as well within the interval"),
        ((0.2, 0.2, 0.225), "worse", "does better"),
    ],
)
def test_the_sentence_says_only_what_the_interval_says(method, verdict, of_class_mean):
    body = judged(method, ("class_mean", (0.575, 0.6, 0.6)), ("random", (0.6, 0.625, 0.6, 0.65, 0.6)))
    assert body["best_baseline"] == "random"
    assert f": {verdict} (" in body["sentence"] and of_class_mean in body["sentence"]


def test_a_gain_in_one_training_of_three_is_no_gain():
    found = judged((0.95, 0.6, 0.6), ("class_mean", (0.6, 0.6, 0.6)))["differences"][0]
    assert found["value"] == pytest.approx(0.35 / 3) and found["low"] < 0


def test_pairs_differ_by_training_and_draws_by_the_mean():
    body = judged((0.5, 0.6, 0.7), ("class_mean", (0.4, 0.5, 0.6)), ("random", (0.5, 0.5, 0.5, 0.5, 0.5)))
    paired, drawn = (one for one in body["differences"] if one["augmented"])
    assert [paired["value"], drawn["value"]] == pytest.approx([0.1, 0.1])
    assert paired["low"] > -0.1 and drawn["low"] < paired["low"]  # the trainings of the method vary by themselves


def test_the_trainings_of_a_method_vary_in_its_difference_to_random_draws():
    """Draws of the rival that never vary once hid that of three trainings one was far better."""
    body = judged((0.95, 0.6, 0.6), ("class_mean", (0.6, 0.6, 0.6)), ("random", (0.6, 0.6, 0.6, 0.6, 0.6)))
    drawn = next(one for one in body["differences"] if one["against"] == "random")
    assert drawn["low"] < 0


SHRINK = {"sizes": [1, 3, 50], "training_steps": 4, "batch_size": 6, "width": 8, "image_size": 8}


def test_the_shrink_curve_holds_a_point_per_size(work, tiny_sd):
    whole, validation = (stored(work, "set", LABELS, numbers, size=32) for numbers in (range(6), range(50, 54)))
    backbone = models.reference(str(tiny_sd), "backbone", work.workspace)
    asked = build("evaluate.shrink", {"images": whole, "validation": validation, "backbone": backbone, **SHRINK})
    made, _ = outputs(asked, work)
    report = work.workspace.document(made["report"])
    assert [point["images_per_class"] for point in report["points"]] == [1, 3] and report["n"] == 12
    for point in report["points"]:
        assert len(work.workspace.image_set(made[f"set_{point['images_per_class']}"])) == point["images"]
        difference = report["full"]["accuracy"]["value"] - point["accuracy"]["value"]
        assert point["lost"]["value"] == pytest.approx(difference)
        assert point["lost"]["low"] <= point["lost"]["value"] <= point["lost"]["high"]
    assert report["full"]["lost"]["value"] == 0 and report["sentence"].startswith("With 3 images per class (9 of 18)")
    assert outputs(asked, work)[0]["report"] == made["report"]


def test_shrinking_asks_only_images_outside_the_set(work, tiny_sd):
    whole = stored(work, "set", LABELS, range(6), size=32)
    fields = {"images": whole, "backbone": models.reference(str(tiny_sd), "backbone", work.workspace), **SHRINK}
    with pytest.raises(BadInput, match="are among the images to shrink"):
        outputs(build("evaluate.shrink", {**fields, "validation": whole}), work)
    with pytest.raises(BadInput, match="no more than the smallest size"):
        validation = stored(work, "set", LABELS, range(50, 54), size=32)
        outputs(build("evaluate.shrink", {**fields, "validation": validation, "sizes": [6]}), work)
    with pytest.raises(BadInput, match="validation"):
        build("evaluate.shrink", {**fields, "validation": f"test:{'0' * 64}"})
