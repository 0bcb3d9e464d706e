"""The form and the numbers of "until enough are accepted"."""

import pytest

from synthstudio.artifacts import Image
from synthstudio.errors import BadInput
from synthstudio.events import Made, Scored
from synthstudio.step import build
from synthstudio.ui.api import until_views
from synthstudio.ui.tabs.sample_until import until_of
from tests.examples import BACKBONE, SET

TYPED = {
    "accepted": 8, "budget": 40, "references": SET, "label_agreement_at_least": "", "label_agreement_above_chance": "1",
    "nearest_real_at_most": "0,995", "sharpness_at_least": "", "density_at_least": "", "margin_at_least": "",
}  # fmt: skip


@pytest.fixture
def step():
    return build("sample.text", {"backbone": BACKBONE, "labels": ["cat", "dog"], "prompt": "a sketch of {label}"})


def test_the_form_draws_what_the_sample_form_says_within_a_budget(session, step):
    asked = until_of(session, step, TYPED)
    assert (asked.accepted, asked.images_per_class, asked.prompt) == (8, 40, "a sketch of {label}")
    assert [(one.rule, one.scorer) for one in asked.filters] == [
        ("above_chance", "label_agreement"), ("at_most", "nearest_real"),
    ]  # fmt: skip
    assert asked.filters[1].value == 0.995 and asked.encoder.startswith("pico-clip@")
    assert asked.plain == build("sample.text", {**step.fields, "images_per_class": 40})


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"label_agreement_at_least": "much"}, "label_agreement_at_least", "give a number"),
        ({"sharpness_at_least": "nan"}, "sharpness_at_least", "give a number"),
        ({"nearest_real_at_most": "1e300"}, "nearest_real_at_most", "give a number"),
        ({"label_agreement_above_chance": "", "nearest_real_at_most": " "}, "label_agreement_at_least", "every image"),
        ({"accepted": 1.5}, "accepted", "must be a whole number"),
        ({"budget": 0}, "budget", "must be at least 1"),
        ({"accepted": 50}, "", "50 accepted of at most 40"),
        ({"references": None}, "", "earest_real needs references"),
    ],
)
def test_what_the_form_cannot_take_is_said_beside_its_field(session, step, typed, field, sentence):
    with pytest.raises(BadInput, match=sentence) as error:
        until_of(session, step, TYPED | typed)
    assert list(error.value.fields) == [field]


def test_the_page_hears_of_every_class_what_was_made_and_what_passes_while_it_is_drawn(session, step):
    assert until_views.newest(session) is None
    asked = until_of(session, step, TYPED | {"label_agreement_at_least": "0.4", "label_agreement_above_chance": ""})
    run, _ = session.studio.submit(asked)
    images = [Image(str(n), "cat" if n < 3 else "dog", "synthetic", 8, 8) for n in range(4)]
    lines = [(float(n), Made(index=n, image=image)) for n, image in enumerate(images)]
    agreed = Scored(scorer="label_agreement", values=(("0", 0.9), ("1", 0.3), ("3", 0.5)))
    near = Scored(scorer="nearest_real", values=(("0", 0.9), ("1", 0.9), ("3", 1.0)))
    session.studio.catalog.ingest(run, [*lines, (5.0, agreed), (6.0, near)], 700)
    found = until_views.newest(session)
    assert found["classes"] == [{"id": "cat", "made": 3, "passed": 1}, {"id": "dog", "made": 1, "passed": 0}]
    assert (found["run"], found["made"], found["accepted"], found["budget"]) == (run, 4, 1, 40)
    session.studio.submit(build("sample.until", {**asked.fields, "only": 3}))
    assert until_views.newest(session)["run"] == run  # an image that is made again draws no class
