"""Settings are proposed by what earlier ones have shown, and chosen by what their images teach about photos."""

import sys
from statistics import median

import pytest
from pydantic import TypeAdapter, ValidationError

from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput
from synthstudio.step import build
from synthstudio.steps.sweep.ranges import Ranges, first_of, how_many
from tests.examples import ENCODER, SET
from tests.steps.kit import LABELS, encoder_ref, outputs, stored

READ = TypeAdapter(Ranges)


def shown(work, settings, teaches, distance=0.1, width=0.02):
    """Documents of a trial: what it was asked with, and what its images taught."""
    ends = {name: [value, value - width, value + width] for name, value in
            (("teaches", teaches), ("kernel_distance", distance))}  # fmt: skip
    return (
        work.workspace.put_document("settings", {"number": 1, "settings": settings}),
        work.workspace.put_document("report", {"all": ends}),
    )


def proposed(work, ranges, trials=(), **fields):
    """The settings of the next trial after these (settings, teaches, distance)."""
    known = [shown(work, *one) for one in trials]
    asked = {"ranges": ranges, "validation": SET, "asked": [a for a, _ in known], "scored": [s for _, s in known]}
    made, _ = outputs(build("sweep.next", asked | fields), work)
    return {name: value for name, value in made.items() if name != "settings"}


def test_ranges_are_read_as_they_are_typed():
    guidance, steps = READ.validate_python(["guidance_scale=1:6 from 2", "inference_steps=10, 20,50"])
    assert (guidance.low, guidance.high, guidance.start, len(guidance.every)) == (1, 6, 2, 501)
    assert (steps.every, steps.start) == ((10, 20, 50), 10) and isinstance(steps.start, int)
    assert first_of((guidance, steps)) == {"guidance_scale": 2.0, "inference_steps": 10}
    assert how_many((steps,)) == 3
    assert how_many(READ.validate_python(["inference_steps=10,20 from 15"])) == 3  # the first lies beside them


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("guidance_scale=", "names no values"), ("guidance_scale", "names no values"),
        ("guidance_scale=6:1", "is empty"), ("guidance_scale=2:2", "is empty"), ("guidance_scale=,", "needs values"),
        ("guidance_scale=a,b", "no number"), ("guidance_scale=1:", "no number"), ("seed=1,2", "cannot be swept"),
        ("guidance_scale=0.5,2", "0.5 cannot be guidance_scale"), ("strength=0.2:3", "3 cannot be strength"),
        ("inference_steps=1.5,2", "whole numbers"), ("guidance_scale=2,2", "twice"),
        ("guidance_scale=1:nan", "finite"), ("guidance_scale=1,1e400", "finite"),
    ],
)  # fmt: skip
def test_a_range_that_holds_nothing_to_try_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ValidationError, match=sentence):
        READ.validate_python([text])


def test_the_first_trial_has_the_settings_to_compare_with_and_no_later_one_has_them_again(work):
    ranges = ["guidance_scale=4,1,2", "inference_steps=15,30"]
    trials = []
    for number in range(6):
        found = proposed(work, ranges, trials)
        trials.append((found, 0.5 + 0.01 * number))
    assert trials[0][0] == {"guidance_scale": 4.0, "inference_steps": 15}
    assert len({tuple(sorted(settings.items())) for settings, _ in trials}) == 6  # all there are, each once
    with pytest.raises(BadInput, match="All 6 settings of these ranges were tried"):
        proposed(work, ranges, trials)


def test_what_is_proposed_follows_from_what_was_shown_and_nears_the_best(work):
    trials = []
    for _ in range(16):
        found = proposed(work, ["guidance_scale=1:10"], trials)
        trials.append((found, 1 - abs(found["guidance_scale"] - 2.5) / 10))
    assert proposed(work, ["guidance_scale=1:10"], trials[:9]) == trials[9][0]  # asked again, the same
    values = [found["guidance_scale"] for found, _ in trials]
    assert median(abs(one - 2.5) for one in values[8:]) < median(abs(one - 2.5) for one in values[:5]) / 2
    assert all(one == round(one, 2) for one in values)


def test_settings_the_guard_refuses_are_not_followed(work):
    near = [({"guidance_scale": 2.0 + n / 10}, 0.6, 0.1) for n in range(8)]
    far = [
        ({"guidance_scale": 8.0 + n / 10}, 0.9, 0.9) for n in range(8)
    ]  # they teach more, and are no photos any more
    asked = proposed(work, ["guidance_scale=1:10"], [*near, *far])
    assert asked["guidance_scale"] < 6
    assert proposed(work, ["guidance_scale=1:10"], [*near, *far], guard=1.0)["guidance_scale"] > 6


def test_without_validation_photos_nothing_is_tried(work):
    with pytest.raises(BadInput, match="There are no validation photos"):
        proposed(work, ["guidance_scale=1,2"], validation=None)


def test_without_optuna_the_sentence_says_how_to_get_it(work, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(BadInput, match="Install it with: pip install optuna"):
        proposed(work, ["guidance_scale=1,2"])


def chosen(work, clip, trials, images=None, **fields):
    """What is chosen of these (settings, teaches, distance), whose images are these sets."""
    known = [shown(work, *one) for one in trials]
    ranges = [{"field": "guidance_scale", "low": 1, "high": 10}]
    photos = stored(work, "set", LABELS, range(50, 60))
    asked = {
        "ranges": ranges, "trials": len(known), "validation": photos, "encoder": encoder_ref(work, clip),
        "asked": [a for a, _ in known], "scored": [s for _, s in known],
        "images": images or [stored(work, "set", LABELS, range(4))] * len(known),
    }  # fmt: skip
    made, _ = outputs(build("sweep.best", asked | fields), work)
    return made, work.workspace.document(made["choice"])


def test_the_best_that_is_like_the_photos_is_chosen_and_told_from_the_first_where_it_can_be(work, clip):
    good, turned = stored(work, "set", LABELS, range(8)), dict(zip(LABELS, LABELS[1:] + LABELS[:1], strict=True))
    members = [Member(turned[one.label], one.image) for one in work.workspace.image_set(good)]
    bad = work.workspace.put_set(ImageSet.of("set", members))
    trials = [({"guidance_scale": g}, t, d) for g, t, d in ((4.0, 0.6, 0.1), (2.0, 0.9, 0.1), (9.0, 0.95, 0.5))]
    made, body = chosen(work, clip, trials, [bad, good, good])
    assert (made["guidance_scale"], made["images"], body["best"]) == (2.0, good, 1)
    assert [one["passes"] for one in body["trials"]] == [True, True, False]
    assert body["difference"][1] > 0 and "corrected for 2 comparisons. The guard refused 1 of 3" in body["sentence"]


def test_a_best_that_chance_may_have_made_is_called_so(work, clip):
    _, body = chosen(work, clip, [({"guidance_scale": 4.0}, 0.6), ({"guidance_scale": 2.0}, 0.61)])
    assert body["best"] == 1 and body["difference"][1] < 0 < body["difference"][2]
    assert "within chance" in body["sentence"]


def test_where_nothing_is_better_than_the_first_it_stays(work, clip):
    made, body = chosen(work, clip, [({"guidance_scale": 4.0}, 0.6), ({"guidance_scale": 2.0}, 0.6)])
    assert made["guidance_scale"] == 4.0 and body["sentence"].startswith("No settings did better than")


def test_where_the_guard_lets_none_pass_the_sentence_says_how_near_the_nearest_is(work, clip):
    with pytest.raises(BadInput, match=r"None of 2 trials passes the guard: the nearest has .* 0.1 .*Raise the guard"):
        chosen(work, clip, [({"guidance_scale": 4.0}, 0.6), ({"guidance_scale": 2.0}, 0.6)], guard=0.05)


def test_trials_are_asked_for_with_the_sweep():
    with pytest.raises(BadInput, match="ask for them with: sweep"):
        build("sweep.best", {"ranges": ["guidance_scale=1,2"], "asked": [], "scored": [], "images": [],
                             "encoder": ENCODER, "validation": SET})  # fmt: skip
    with pytest.raises(BadInput, match="at least 1"):
        build("sweep.best", {"ranges": ["guidance_scale=1,2"], "trials": 0, "asked": [], "scored": [], "images": [],
                             "encoder": ENCODER, "validation": SET})  # fmt: skip
