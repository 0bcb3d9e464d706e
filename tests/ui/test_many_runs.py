"""A project that is used for months: what is offered does not depend on how much was done since."""

import shutil

import pytest
from fastapi.testclient import TestClient

from synthstudio.jobs.asking.asked import Asked, placeholders, planned
from synthstudio.jobs.asking.recipes import load_recipe
from synthstudio.jobs.curating import accepted
from synthstudio.jobs.knowing.estimates import estimate
from synthstudio.jobs.knowing.shots import photos_of
from synthstudio.ui.api import exports, routes, views_routes
from synthstudio.ui.api.live import Live
from synthstudio.ui.session import choices
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.tabs import by_hand
from synthstudio.ui.tabs.filter_form import scores_of
from tests.jobs.inline import InlineLauncher
from tests.ui.test_by_hand import ended, form_of, made, values_of


@pytest.fixture
def session(colours, tmp_path):
    """A finished recipe, a score by hand and an export of each kind."""
    opened = StudioSession(shutil.copytree(colours, tmp_path / "home"))
    opened.studio.launcher = InlineLauncher()
    form = form_of(opened, by_hand.SCORE)
    (run,) = by_hand.submit(opened, form.steps(values_of(form, kind=["score.sharpness"], images=made(opened))))
    assert ended(opened, run) == "done"
    exports.begin(opened, accepted.pipeline(opened.studio).id, 0, "mine", "real_only")
    yield opened
    opened.close()


def offered(session):
    client = TestClient(routes.api(session, Live(session), [views_routes.router(session)]))
    return {
        "shots": choices.shots(session),
        "labels": choices.labels(session),
        "exports": [one["run"] for one in exports.overview(session)["exports"]],
        "reports": [one["run"] for one in client.get("/reports").json()],
        "scores": scores_of(session, made(session)),
        "split": client.get("/data").json()["split"],
        "estimate": estimated(load_recipe("datadream"), Asked(data="digits"), session.studio),
    }


def estimated(recipe, asked, studio):
    cost = estimate(studio.catalog, planned(recipe, asked), placeholders(asked), 1797, 10)
    return cost if "earlier runs" in cost.basis else None


def test_nothing_vanishes_from_a_list_after_three_thousand_runs(session):
    before = offered(session)
    assert all(before.values()), before
    with session.studio.catalog.database.transaction() as cursor:
        cursor.execute(
            "insert into runs (id, step_id, kind, state, resources, created, position)"
            " select 'later' || n, (select min(step_id) from runs), 'test.draw', 'done', '{}', 0, 100000 + n"
            " from range(3000) t(n)"
        )
    assert offered(session) == before


# Every finished run of a Step that ships sixty times more, with what it made and measured, and so every recipe run.
MORE = (
    "insert into outputs by name"
    " select * exclude (nth) replace (run_id || '-' || nth as run_id) from outputs, range(60) t(nth)",
    "insert into metrics by name"
    " select * exclude (nth) replace (run_id || '-' || nth as run_id) from metrics, range(60) t(nth)",
    "insert into runs by name select * exclude (nth) replace (id || '-' || nth as id) from runs, range(60) t(nth)"
    " where kind not like 'test.%'",
    "insert into pipelines by name"
    " select * exclude (nth) replace (id || '-' || nth as id) from pipelines, range(60) t(nth)",
)


def test_a_list_asks_as_few_questions_of_many_rows_as_of_one(session, questions):
    client = TestClient(routes.api(session, Live(session), [views_routes.router(session)]))
    lists = {
        "reports": lambda: len(client.get("/reports").json()),
        "shots": lambda: len(choices.shots(session)),
        "labels": lambda: len(choices.labels(session)),
        "scores": lambda: len(scores_of(session, made(session))),
        "photos": lambda: len(photos_of(session.studio, "/nowhere")),
    }
    few = {name: questions(ask) for name, ask in lists.items()}
    with session.studio.catalog.database.transaction() as cursor:
        for statement in MORE:
            cursor.execute(statement)
    many = {name: questions(ask) for name, ask in lists.items()}
    assert many["reports"][0] == 61 * few["reports"][0]
    assert {name: asked for name, (_, asked) in many.items()} == {name: asked for name, (_, asked) in few.items()}
