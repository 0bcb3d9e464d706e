"""On a public copy every model that any Step names is looked at: by form, by setting, by the shrink slider."""

import json
import shutil

import pytest

import synthstudio.steps  # noqa: F401 - fills the table of kinds
from synthstudio.catalog.pipelines import Node
from synthstudio.errors import BadInput
from synthstudio.intake import sources
from synthstudio.jobs.asking.asked import Asked
from synthstudio.jobs.public.quotas import Quota
from synthstudio.models import reference
from synthstudio.step import STEPS, build, fields_naming, is_list
from synthstudio.ui.access import visitors
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.api import distil_shrink
from synthstudio.ui.session.place import Place
from synthstudio.ui.tabs import asking
from tests.engine.hostile import clip_that_runs_code
from tests.examples import EXAMPLES
from tests.ui.conftest import NoLauncher
from tests.ui.test_distil import made  # noqa: F401 - a fixture

HERE = "does not run on this Space. Here you can use: pico, pico-clip, lite0"


@pytest.fixture
def session(tmp_path):
    opened = SpaceSession(tmp_path / "home", "default", Place(public=True, sign_in=True), Quota(jobs=50))
    opened.launcher = NoLauncher()
    entered = visitors.enter("Ada")
    for name, purpose in (("pico", "backbone"), ("pico-clip", "encoder")):
        reference(name, purpose, opened.studio.workspace)
    yield opened
    visitors.leave(entered)
    opened.close()


@pytest.fixture
def digest(session, tmp_path):
    """A model folder that a visitor brought in as photos."""
    folder = clip_that_runs_code(session.studio.workspace.root / "sources" / "evil", tmp_path / "marker")
    return sources.register(str(folder), session.studio.workspace).removeprefix("source:")


def schemas(value):
    """Every schema below a JSON schema."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for one in value if isinstance(value, list) else ():
        yield from schemas(one)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_every_field_that_takes_a_model_is_found_by_its_type(kind):
    properties = STEPS[kind].model_json_schema().get("properties", {})
    takes = {name for name, body in properties.items() if any("@" in str(s.get("pattern")) for s in schemas(body))}
    assert set(fields_naming(STEPS[kind], "model")) == takes
    named = {name for name, value in EXAMPLES[kind].items() if "@" in json.dumps(value)}
    assert named <= takes


@pytest.mark.parametrize("setting", ["agreement.encoder", "sample.backbone", "score.label_agreement.encoder"])
def test_a_setting_names_no_model_that_the_form_could_not(session, digest, setting):
    with pytest.raises(BadInput, match=f"The model evil {HERE}"):
        asking.start(session, "prompts-only", Asked(data="digits", settings=[f"{setting}=evil@{digest}"]))
    assert session.studio.catalog.pipelines.all() == []


def test_a_known_name_before_another_digest_is_refused_too(session, digest):
    with pytest.raises(BadInput, match="pico-clip has another digest on this Space"):
        asking.start(session, "prompts-only", Asked(data="digits", settings=[f"agreement.encoder=pico-clip@{digest}"]))


def test_a_recipe_without_a_model_of_ones_own_starts(session):
    known = reference("pico-clip", "encoder", session.studio.workspace)
    assert asking.start(session, "prompts-only", Asked(data="digits", settings=[f"agreement.encoder={known}"]))


@pytest.mark.parametrize("line", ["backbone=evil@{}", "shrink.backbone=evil@{}"])
def test_the_shrink_slider_names_no_other_model(session, made, digest, line):  # noqa: F811
    asked = distil_shrink.Asked(images=made["real"], settings=line.format(digest))
    before = len(session.studio.catalog.runs.all(limit=100))
    with pytest.raises(BadInput, match=f"The model evil {HERE}"):
        distil_shrink.begin(session, asked)
    assert len(session.studio.catalog.runs.all(limit=100)) == before


@pytest.mark.parametrize("kind", [kind for kind in sorted(EXAMPLES) if "@" in json.dumps(EXAMPLES[kind])])
def test_no_step_is_submitted_with_an_unknown_model(session, digest, kind):
    for field in fields_naming(STEPS[kind], "model"):
        if field not in EXAMPLES[kind]:
            continue
        evil = [f"evil@{digest}"] if is_list(STEPS[kind], field) else f"evil@{digest}"
        with pytest.raises(BadInput, match="this Space"):
            session.studio.submit(build(kind, {**EXAMPLES[kind], field: evil}))


def test_what_a_pipeline_submits_later_is_looked_at_as_well(session, digest):
    node = Node(0, "a", None, "score.sharpness", EXAMPLES["score.sharpness"])
    evil = Node(
        1, "b", None, "score.label_agreement", {**EXAMPLES["score.label_agreement"], "encoder": f"evil@{digest}"}
    )
    session.studio.catalog.pipelines.add("p1", "of an earlier version", {}, [node, evil])
    session.studio.tick()
    ended = session.studio.catalog.pipelines.get("p1")
    assert ended.state == "failed" and "b: The model evil" in ended.error
    assert [run.kind for run in session.studio.catalog.runs.all(limit=100)] == ["score.sharpness"]


def test_a_hub_model_is_admitted_only_where_there_is_a_gpu(tmp_path):
    entered = visitors.enter("Ada")
    try:
        for accelerated, says in ((True, "another digest"), (False, "does not run on this Space")):
            where = Place(public=True, sign_in=True, accelerated=accelerated)
            opened = SpaceSession(tmp_path / str(accelerated), "default", where, Quota())
            step = build("sample.text", {**EXAMPLES["sample.text"], "backbone": f"sd15@{'c' * 40}"})
            with pytest.raises(BadInput, match=says):
                opened.studio.submit(step)
            opened.close()
    finally:
        visitors.leave(entered)
        shutil.rmtree(tmp_path, ignore_errors=True)
