"""An exported PNG fills the form it was made with; what a stranger writes into one does not."""

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from synthstudio.errors import BadInput
from synthstudio.provenance import Origin
from synthstudio.step import build
from synthstudio.steps.export.marks import how, marked
from synthstudio.steps.sample.text import Text
from synthstudio.ui.api import image_settings, routes, upload_routes
from synthstudio.ui.api.uploads import Uploads
from synthstudio.ui.tabs import sample
from tests.intake.nasty import photo, saved
from tests.intake.test_png_text import chunk, noted

_FIELDS = {
    "backbone": f"pico@{'a' * 64}", "labels": ["cat", "dog"], "prompt": "a {domain} of a {label}",
    "domains": ["sketch", "photo"], "negative_prompt": "blur", "guidance_scale": 3.5, "inference_steps": 12,
    "seed": 77, "sampler": "ddim", "images_per_class": 9,
}  # fmt: skip
_ROW = {"width": 40, "height": 30, "prompt": "a sketch of a cat", "seed": 5}


def exported(kind="sample.text", weights=None, **changes) -> bytes:
    step = build(kind, _FIELDS | changes)
    request = {"kind": step.kind, "step": step.id, "fields": step.fields}
    origin = Origin({"prompt": "a sketch of a cat"}, 0.0, {}, request=request, index=3)
    return marked(saved(photo()), _ROW, "cat", how(origin, "cat", weights))


def carrying(note: object) -> bytes:
    text = note if isinstance(note, str) else json.dumps(note)
    return noted(chunk(b"tEXt", b"synthstudio\0" + text.encode()))


def test_an_exported_image_gives_its_step_back(session):
    found = image_settings.of_file(session, exported())
    assert found.step == build("sample.text", _FIELDS) and found.said == []


def test_the_form_is_filled_with_everything_the_step_said(session):
    values = sample.shown(session, image_settings.of_file(session, exported()).step)
    plain = [one["value"] if isinstance(one, dict) else one for one in values]
    for wanted in ("Words alone", "pico", ["cat", "dog"], "a {domain} of a {label}", "sketch\nphoto", 3.5, 9, 77, 12,
                   "ddim", "blur"):  # fmt: skip
        assert wanted in plain


def test_settings_without_a_control_are_lines_of_text_that_give_the_same_step(session):
    more = {"guidance_to": 5.0, "guidance_end": 0.8, "templates": ["a {label}, in the {domain}", "{label} {domain}"],
            "strengths": [0.3, 0.5]}  # fmt: skip
    step = image_settings.of_file(session, exported("sample.variation", sources=f"set:{'c' * 64}", **more)).step
    text = sample.shown(session, step)[-1]
    assert set(text.splitlines()) == {f"{name}={json.dumps(value)}" for name, value in more.items()}
    assert sample._read_settings(type(step), text) == more
    assert sample.shown(session, build("sample.text", _FIELDS))[-1] == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("guidance_too=3", "Did you mean guidance_to"),
        ("seed=3", "seed has a control of its own"),
        ("guidance_to", "Write field=value"),
        ("strengths=0.3", "no setting here called 'strengths'"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_words(text, says):
    with pytest.raises(BadInput, match=says):
        sample._read_settings(Text, text)


def test_a_classifier_among_the_settings_is_called_by_name(session):
    named = f"classifier:{'a' * 64}"
    assert sample._found(session, Text, f"lack={named}\nlack_strength=3") == {"lack": named, "lack_strength": 3}
    with pytest.raises(BadInput, match="no classifier called 'mine'"):
        sample._found(session, Text, "lack=mine")


def test_one_text_is_a_list_of_one():
    assert sample._read_settings(Text, "templates = a drawing, of a {label}") == {
        "templates": ["a drawing, of a {label}"]
    }


def test_what_the_project_does_not_have_is_said_and_left_as_it_is(session):
    adapter = {"backbone": f"pico@{'a' * 64}", "training": {"steps": {"": 300}}}
    png = exported("sample.variation", adapter, adapter=f"adapter:{'b' * 64}", sources=f"set:{'c' * 64}", strength=0.3)
    found = image_settings.of_file(session, png)
    assert "The adapter “LoRA on pico, 300 steps” is not in this project" in found.said[0]
    assert "The shots it was made from are not in this project" in found.said[1]
    values = sample.shown(session, found.step)
    assert values[0] == "My shots" and values[1]["value"] is None and values[2] == 0.3
    unknown = image_settings.of_file(session, exported(backbone=f"theirs@{'d' * 64}"))
    assert "“theirs” is not known here" in unknown.said[0]


@pytest.mark.parametrize(
    ("png", "says"),
    [
        (saved(photo()), "carries no settings"),
        (saved(photo(), "JPEG"), "carries no settings"),
        (b"GIF89a", "This is no PNG, JPEG or WebP"),
        (b"", "This is no PNG"),
        (carrying("[" * 50_000), "cannot be read"),
        (carrying("{nonsense"), "cannot be read"),
        (carrying([1, 2]), "no table"),
        (carrying({"request": {"kind": "export.image_folder", "fields": {}}}), "fit no form here"),
        (carrying({"request": {"kind": "__import__('os')", "fields": {}}}), "fit no form here"),
        (carrying({"request": {"kind": "sample.text", "fields": {}}}), "cannot be used: "),
        (carrying({"request": {"kind": "sample.text", "fields": _FIELDS | {"images_per_class": 10**12}}}), "at most"),
        (
            carrying({"request": {"kind": "sample.text", "fields": _FIELDS | {"prompt": "{label.__class__}"}}}),
            "a prompt needs",
        ),
        (carrying({"request": {"kind": "sample.text", "fields": {str(n): n for n in range(500)}}}), "no settings"),
    ],
)
def test_everything_else_is_answered_in_a_sentence(session, png, says):
    with pytest.raises(BadInput, match=says):
        image_settings.of_file(session, png)


def test_another_tools_image_fills_what_the_form_has_and_says_the_rest(session, monkeypatch):
    monkeypatch.setattr(image_settings.choices, "labels", lambda _: ["cat", "black cat"])
    text = (
        "a Black Cat, (best)\nNegative prompt: blur\nSteps: 9, Sampler: Restart, CFG scale: 4, Seed: 8, Model: theirs"
    )
    found = image_settings.of_file(session, noted(chunk(b"tEXt", b"parameters\0" + text.encode())))
    wanted = {
        "prompt": "a {label}, (best)",
        "negative_prompt": "blur",
        "inference_steps": 9,
        "guidance_scale": 4.0,
        "seed": 8,
    }
    assert found.step is None and found.form == wanted
    assert any("became {label}" in one for one in found.said) and any(
        "“Restart” is not known" in one for one in found.said
    )
    names = ["start", "prompt", "seed", "sampler"]
    assert sample.used(session, names, {"form": found.form, "only": ["seed"]})[2] == 8
    used = sample.used(session, names, image_settings.as_document(session, found))
    assert used[1:3] == ["a {label}, (best)", 8] and isinstance(used[0], dict)


def test_of_an_image_of_ours_the_seed_alone_can_be_used(session):
    found = image_settings.as_document(session, image_settings.of_file(session, exported()))
    assert found["index"] == 3 and found["tool"] == "SynthStudio"
    form = ["start", "sources", "strength", "adapter", "backbone", "labels", *sample._FIRST, *sample._MORE, "settings"]
    used = sample.used(session, form, found | {"only": ["seed"]})
    assert used[form.index("seed")] == 77 and sum(isinstance(one, dict) for one in used) == len(form) - 1


def test_what_is_missing_to_make_an_image_again_is_said_before_it_is_asked_for(session):
    png = exported("sample.variation", sources=f"set:{'c' * 64}", adapter=f"adapter:{'b' * 64}")
    found = image_settings.of_file(session, png)
    assert len(found.lacking) == 2
    with pytest.raises(BadInput, match="The shots it was made from are not in this project"):
        image_settings.make_again(session, found.step.kind, found.step.fields, 3)


def test_fields_that_no_step_has_are_passed_over_with_a_sentence(session):
    fields = _FIELDS | {"cmd": "rm -rf /", "lora": 1}
    found = image_settings.of_file(session, carrying({"request": {"kind": "sample.text", "fields": fields}, "x": [1]}))
    assert found.said == ["Settings that are not known here were passed over: cmd, lora."]
    assert found.step == build("sample.text", _FIELDS)


def test_the_route_answers_with_the_settings_and_keeps_nothing(session):
    app = FastAPI()
    app.add_exception_handler(BadInput, routes._in_words)
    app.include_router(upload_routes.router(Uploads(session), session))
    client = TestClient(app)
    before = set(session.home.rglob("*"))
    answer = client.post("/uploads/settings", content=exported())
    assert answer.json()["fields"]["seed"] == 77 and answer.json()["said"] == [] and answer.json()["rows"]
    refused = client.post("/uploads/settings", content=b"hello")
    assert refused.status_code == 422 and refused.json()["detail"].startswith("This is no PNG")
    assert set(session.home.rglob("*")) == before
