"""The Distil tab without a browser and without a worker: its form, its plan, its routes."""

import io
import re
import uuid

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image as Picture

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.pipelines import Node
from synthstudio.errors import BadInput
from synthstudio.events import Made, Output, Progress
from synthstudio.jobs.asking import distil_recipes
from synthstudio.jobs.asking.asked import Asked
from synthstudio.jobs.asking.recipes import load_recipe, recipe_names
from synthstudio.jobs.curating import distil_exports
from synthstudio.resources import Resources
from synthstudio.step import build, stated
from synthstudio.steps.evaluate.small_set import SmallSet
from synthstudio.ui.api import distil_shrink, routes
from synthstudio.ui.api.distil_routes import router
from synthstudio.ui.api.live import Live
from synthstudio.ui.tabs import distil, distil_plan
from tests.examples import BACKBONE, ENCODER, EXAMPLES

HOSTILE = '<img src=x onerror="alert(1)">'
FORM = {"data": "digits", "recipe": "dm", "per_class": 5.0, "preset": "quick", "every": True, "shots": 16.0, "folds": 1,
        "backbone": "pico", "encoder": "", "seed": 0, "settings": "", "device": "auto"}  # fmt: skip


def png(colour):
    out = io.BytesIO()
    Picture.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


def decide(studio, verdict, image, label=""):
    studio.catalog.review.newest()
    studio.catalog.decisions.decide([Act(str(uuid.uuid4()), "t", Chosen.images([image]), verdict, label)], "somebody")


def finish(studio, run_id, step, *events):
    """A run that said these things and ended well, without a worker."""
    studio.catalog.runs.add(run_id, step, Resources())
    studio.catalog.ingest(run_id, [(float(n), event) for n, event in enumerate(events, start=1)], 10)
    studio.catalog.runs.set_state(run_id, "done")


@pytest.fixture
def made(session):
    """A small set of two classes, two images each: one real, one distilled; split and distillation are done."""
    studio = session.studio
    names = {}
    for number, (label, origin) in enumerate((a, b) for a in ("cat", "dog") for b in ("real", "distilled")):
        digest = studio.workspace.put(png((number * 60, 10, 10)))
        names[label, origin] = digest
        image = Image(digest, label, origin, 8, 8, {})
        kind = "collect.import_images" if origin == "real" else "distil.mosaic"
        finish(studio, f"r{number}", build(kind, {**EXAMPLES[kind], **({"seed": number} if origin != "real" else {})}),
               Made(index=number, image=image))  # fmt: skip
    sets = {
        origin: studio.workspace.put_set(
            ImageSet.of("set", [Member(a, d) for (a, b), d in names.items() if b == origin])
        )
        for origin in ("real", "distilled")
    }
    sets["mixed"] = studio.workspace.put_set(ImageSet.of("set", [Member(a, d) for (a, _), d in names.items()]))
    validation = studio.workspace.put_set(ImageSet.of("set", [Member("cat", studio.workspace.put(png((9, 9, 9))))]))
    test = studio.workspace.put_set(ImageSet.of("test", [Member("cat", studio.workspace.put(png((8, 8, 8))))]))
    outputs = [Output(name="shots", value=sets["real"]), Output(name="validation", value=validation),
               Output(name="test", value=test)]  # fmt: skip
    finish(studio, "split", build("collect.split", EXAMPLES["collect.split"]), *outputs)
    match = build("distil.match", {"images": sets["real"], "images_per_class": 1, "iterations": 4})
    ticks = [Progress(done=n, total=4, unit="updates", values={"loss": 1.0 / n}) for n in (1, 2, 3, 4)]
    finish(studio, "match", match, *ticks, Output(name="images", value=sets["distilled"]))
    request = {**Asked(data="digits", settings=["small.images_per_class=1"]).model_dump(), "source": "source:digits",
               "backbone": BACKBONE, "encoder": ENCODER}  # fmt: skip
    nodes = [Node(0, "split", 0, "collect.split", {}), Node(1, "small", 0, "distil.match", {}),
             Node(2, "judge", 0, "evaluate.small_set", {})]  # fmt: skip
    pipeline = studio.start("dm", request, nodes)
    studio.catalog.pipelines.fill(pipeline, 0, "split", False)
    studio.catalog.pipelines.fill(pipeline, 1, "match", False)
    return {"pipeline": pipeline, "validation": validation, "test": test, **sets}


@pytest.fixture
def client(session):
    live = Live(session)
    return TestClient(routes.api(session, live, [router(session, live)]), raise_server_exceptions=False)


def test_every_recipe_with_a_judge_is_a_method_and_no_other_is():
    judged = {name for name in recipe_names() if any(s.kind == "evaluate.small_set" for s in load_recipe(name).steps)}
    assert set(distil_recipes.names()) == judged
    assert {"dm", "dc", "mtt", "glad-dm", "glad-dc", "mosaic", "prototypes"} <= judged
    assert distil_recipes.names()[0] == distil_recipes.FIRST
    assert not distil_recipes.is_distillation("datadream")
    assert not distil_recipes.is_distillation("gone")


@pytest.mark.parametrize("name", distil_recipes.names())
def test_the_chosen_size_reaches_the_step_that_makes_the_set(name, session):
    recipe, asked = distil.asked_of({**FORM, "recipe": name})
    text = distil_plan.preview(session, recipe, asked)
    assert "<dt>Images per class</dt><dd>5</dd>" in text
    assert re.search(r"Judge the small set against every baseline: \d+ trainings", text)


def test_lines_of_the_settings_box_win_over_the_slider(session):
    _, asked = distil.asked_of({**FORM, "settings": "small.images_per_class=7\n\njudge.encoder=null"})
    assert asked.settings == ["small.images_per_class=5", "small.images_per_class=7", "judge.encoder=null"]
    assert "<dd>7</dd>" in distil_plan.preview(session, "dm", asked)


@pytest.mark.parametrize("value", [None, 0, 2.5])
def test_an_empty_or_broken_number_is_a_sentence(value):
    with pytest.raises(BadInput, match="Images per class must be"):
        distil.asked_of({**FORM, "per_class": value})


def test_all_photos_or_so_many_shots():
    assert distil.asked_of(FORM)[1].shots is None
    assert distil.asked_of({**FORM, "every": False})[1].shots == 16


def test_the_plan_touches_nothing_and_names_of_strangers_are_text(session):
    text = distil_plan.preview(session, "dm", Asked(data=HOSTILE, shots=None, settings=["small.images_per_class=5"]))
    assert "<img src=x" not in text
    assert session.studio.catalog.runs.all() == []
    with pytest.raises(BadInput, match="iterations"):
        distil_plan.preview(session, "dm", Asked(data="digits", settings=["small.iterations=0"]))


def test_a_plan_counts_the_trainings_that_the_judge_does():
    asked = {"architectures": ["a", "b", "c"], "seeds": 3, "draws": 5}
    # the set, herding, k-center, k-means, class mean, mean latent and all real three times each, random five times
    assert SmallSet.trainings(stated(SmallSet.kind, asked)) == 2 * 3 * (7 * 3 + 5)
    assert SmallSet.trainings(stated(SmallSet.kind, asked | {"synthetic": "$synthetic"})) == 2 * 3 * (8 * 3 + 5)


def test_a_project_without_any_says_so(client):
    assert client.get("/distil").json() == {"runs": [], "shown": None}
    assert client.get("/distil/shrink").json() == {"sources": [], "runs": [], "shown": None}


def test_what_is_shown_of_a_distillation_whose_judge_still_works(client, made):
    found = client.get("/distil").json()
    assert [one["id"] for one in found["runs"]] == [made["pipeline"]]
    assert found["shown"]["per_class"] == 1
    assert found["shown"]["maker"]["labels"] == ["cat", "dog"]
    assert found["shown"]["maker"]["preview"] is None
    answer = client.get(f"/distil/{made['pipeline']}").json()
    (fold,) = answer["folds"]
    assert [row["label"] for row in fold["set"]["rows"]] == ["cat", "dog"]
    assert (fold["table"], answer["sentence"], fold["exports"]) == (None, "", [])


def test_a_preview_is_served_only_as_a_plain_file_of_its_run(client, session, made, tmp_path):
    scratch = session.studio.workspace.run_folder("match") / "scratch"
    scratch.mkdir(parents=True)
    assert client.get("/distil/previews/match").status_code == 404
    (scratch / "preview.png").write_bytes(png((1, 2, 3)))
    answer = client.get("/distil/previews/match")
    assert answer.content == png((1, 2, 3))
    again = client.get("/distil/previews/match", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    (scratch / "preview.png").unlink()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (scratch / "preview.png").symlink_to(tmp_path / "secret.png")
    assert client.get("/distil/previews/match").status_code == 404
    assert client.get("/distil/previews/..%2Fsplit").status_code == 404


def test_an_export_holds_the_set_and_the_photos_it_never_saw_and_is_found_again(client, session, made):
    run = client.post(f"/distil/{made['pipeline']}/export", json={"fold": 0, "name": "five"}).json()["run"]
    fields = session.studio.catalog.runs.step_body(session.studio.catalog.runs.get(run).step_id)
    assert made["distilled"] in fields
    assert made["validation"] in fields
    assert made["test"] in fields
    (fold,) = client.get(f"/distil/{made['pipeline']}").json()["folds"]
    assert fold["exports"] == [run]
    assert client.post(f"/distil/{made['pipeline']}/export", json={"fold": 3}).status_code == 422


def test_an_export_of_a_small_set_holds_what_people_accept_of_it(client, session, made):
    def export():
        return client.post(f"/distil/{made['pipeline']}/export", json={"fold": 0, "name": "five"})

    def exports():
        (fold,) = client.get(f"/distil/{made['pipeline']}").json()["folds"]
        return fold["exports"]

    studio = session.studio
    before = export().json()["run"]
    cat, dog = distilled = studio.workspace.image_set(made["distilled"])
    studio.catalog.images.add_set(distilled, "match")
    decide(studio, "reject", cat.image)
    decide(studio, "relabel", dog.image, "wolf")
    assert exports() == []  # what was written before is not what is accepted now
    run = export().json()["run"]
    fields = studio.catalog.runs.fields(run)
    assert run != before and exports() == [run]
    assert list(studio.workspace.image_set(fields["synthetic"])) == [Member("wolf", dog.image)]
    assert fields["chosen_from"] == made["distilled"]
    assert len(studio.workspace.document(fields["decisions"])["rows"]) == 2
    decide(studio, "reject", dog.image)
    assert exports() == [] and "Nothing is accepted" in export().json()["detail"]


def test_a_mixed_set_is_exported_as_its_real_and_its_other_images(session, made):
    parts = distil_exports._parts(session.studio, made["mixed"])
    assert parts == {"real": made["real"], "synthetic": made["distilled"]}
    assert distil_exports._parts(session.studio, made["real"]) == {"real": made["real"], "synthetic": None}


def shrunk(session, made):
    """A finished shrink of the real images to one per class."""
    step = build("evaluate.shrink", {"images": made["mixed"], "validation": made["validation"], "backbone": BACKBONE,
                                     "sizes": [1]})  # fmt: skip
    number = {"value": 0.5, "low": 0.4, "high": 0.6}
    point = {"images_per_class": 1, "images": 2, "set": made["real"], "each": [0.5], "accuracy": number, "lost": number}
    body = {"points": [point], "full": point | {"images_per_class": None}, "n": 1, "interval_over": "validation images",
            "sentence": "With 1.", "protocol": step.fields}  # fmt: skip
    report = session.studio.workspace.put_document("report", body)
    finish(
        session.studio, "shrink", step, Output(name="set_1", value=made["real"]), Output(name="report", value=report)
    )


def test_sets_to_shrink_come_with_validation_photos_of_their_own_split(session, made):
    found = distil_shrink.sources(session)
    assert [one["images"] for one in found] == [made["real"], made["distilled"]]
    assert {one["validation"] for one in found} == {made["validation"]}
    assert "2 distilled by dm" in found[1]["title"]


def test_asking_for_a_curve_queues_one_run_however_often(client, session, made):
    asked = {"images": made["real"], "rule": "herding", "sizes": [1, 2], "settings": "training_steps=7"}
    first = client.post("/distil/shrink", json=asked).json()["run"]
    assert client.post("/distil/shrink", json=asked).json()["run"] == first
    body = session.studio.catalog.runs.step_body(session.studio.catalog.runs.get(first).step_id)
    assert '"training_steps":7' in body
    assert '"rule":"herding"' in body


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": "set:" + "0" * 64}, "not there any more"),
        ({"settings": "nonsense"}, "is not a setting"),
        ({"settings": "step=3"}, "field"),
        ({"rule": "best"}, "rule"),
        ({"sizes": [0]}, "sizes"),
    ],
)
def test_a_curve_that_cannot_be_is_refused_in_words_and_queues_nothing(client, session, made, change, words):
    before = len(session.studio.catalog.runs.all())
    answer = client.post("/distil/shrink", json={"images": made["real"], **change})
    assert answer.status_code in (404, 422)
    assert words in answer.json()["detail"]
    assert len(session.studio.catalog.runs.all()) == before


def test_a_curve_shows_its_points_its_images_and_its_exports(client, session, made):
    shrunk(session, made)
    found = client.get("/distil/shrink").json()
    assert found["shown"]["report"]["n"] == 1
    assert found["shown"]["report"]["points"][0]["exports"] == []
    sheet = client.get("/distil/shrink/shrink/1").json()
    assert [row["images"] for row in sheet["rows"]] == [[one] for one in digests(session, made["real"])]
    run = client.post("/distil/shrink/shrink/1/export", json={"name": "one"}).json()["run"]
    body = session.studio.catalog.runs.step_body(session.studio.catalog.runs.get(run).step_id)
    assert made["test"] in body
    assert client.get("/distil/shrink").json()["shown"]["report"]["points"][0]["exports"] == [run]
    assert client.get("/distil/shrink/shrink/9").status_code == 422


def test_what_the_slider_asks_every_few_seconds_costs_as_few_queries_in_a_large_project(
    client, session, made, questions
):
    def asked():
        return questions(lambda: client.get("/distil/shrink").json())

    shrunk(session, made)
    client.post("/distil/shrink/shrink/1/export", json={"name": "one"})
    before, few = asked()
    with session.studio.catalog.database.transaction() as cursor:
        cursor.execute(
            "insert into runs (id, step_id, kind, state, resources, created, position)"
            " select 'later' || n, step_id, kind, 'done', '{}', created, 0 from runs, range(300) t(n)"
            " where kind = 'export.image_folder'"
        )
        cursor.execute(
            "insert into pipelines (id, recipe, state, request, created) select 'later' || n, recipe, state, request,"
            " created + n from pipelines, range(1, 300) t(n)"
        )
    after, as_few = asked()
    assert after["sources"] == before["sources"] and len(after["shown"]["report"]["points"][0]["exports"]) == 301
    assert few < 40 and as_few < few + 2 * 300 / 24 + 1  # two for every two dozen recipes that made nothing


def digests(session, set_id):
    return [member.image for member in session.studio.workspace.image_set(set_id)]


def test_building_the_routes_alone_is_enough(session):
    app = FastAPI()
    app.include_router(router(session, Live(session)))
    assert TestClient(app).get("/distil").status_code == 200
