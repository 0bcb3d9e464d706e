"""The home of somebody who worked with an earlier version: today's code finds everything in it."""

import json
import zipfile
from pathlib import Path

import pytest

from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.review import Query
from synthstudio.jobs import Studio
from synthstudio.step import from_json
from synthstudio.workspace import file_digest
from tests.catalog.make_home import known
from tests.jobs.inline import InlineLauncher

HOMES = sorted(Path(__file__).parent.glob("home_*.zip"))
MOST_BYTES = 300_000


@pytest.fixture(params=HOMES, ids=[path.stem for path in HOMES])
def before(request, tmp_path):
    """A home, and what was in it."""
    assert request.param.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(request.param) as stored:
        stored.extractall(tmp_path)
    return tmp_path, json.loads((tmp_path / "known.json").read_text(encoding="utf-8"))


def opened(home):
    return Studio(home, "default", launcher=InlineLauncher())


def test_it_opens_with_everything_in_it(before):
    home, then = before
    with opened(home) as studio:
        found = known(studio)
        said = studio.catalog.said
    assert {name: found[name] for name in then} == then
    assert said == ()


def test_its_catalog_is_made_again_from_journal_and_logs(before):
    home, then = before
    (home / "projects/default/catalog.duckdb").unlink()
    with opened(home) as studio:
        found = known(studio)
    assert {name: found[name] for name in then} == then


def test_its_pictures_weights_and_documents_are_what_their_names_say(before):
    home, then = before
    with opened(home) as studio:
        for image, *_ in then["images"]:
            assert studio.workspace.get(image).startswith(b"\x89PNG")
        (made,) = [one["classifier"] for one in then["outputs"].values() if "classifier" in one]
        weights = studio.workspace.weight_path(studio.workspace.document(made)["weights"])
        assert file_digest(weights) == weights.stem


def test_its_steps_are_reused_and_its_stopped_run_goes_on(before):
    home, then = before
    with opened(home) as studio:
        for run, kind, state in then["runs"]:
            step = from_json(json.dumps(then["steps"][run]))
            same = json.loads(step.to_json()) == then["steps"][run]  # else its version rose, and it is made anew
            assert studio.submit(step) == (run, state == "done") or not same, kind
        assert {studio.wait(run, 0).state for run, *_ in then["runs"]} == {"done"}


def test_work_goes_on_in_it(before):
    home, then = before
    (image,) = [one for one, verdict, *_ in then["decisions"] if verdict == "reject"]
    with opened(home) as studio:
        studio.catalog.review.settle(Query())
        studio.catalog.decisions.decide([Act("new", "tab", Chosen.images([image]), "keep")], "me")
    with opened(home) as studio:
        found = {one: verdict for one, verdict, *_ in known(studio)["decisions"]}
    assert found == {**{one: verdict for one, verdict, *_ in then["decisions"]}, image: "keep"}
