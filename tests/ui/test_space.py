"""`python app.py` as a public Hugging Face Space: strangers look, who signs in works in a house of their own."""

import os
import re
import sys
from pathlib import Path

import pytest

from synthstudio.errors import BadInput
from synthstudio.jobs import Studio
from synthstudio.jobs.public import zerogpu
from synthstudio.jobs.public.quotas import BoundedStudio, Quota
from synthstudio.step import build
from synthstudio.ui import notices
from synthstudio.ui.access.visitors import folder_name
from synthstudio.ui.serve import rules_for
from synthstudio.ui.session.place import place
from tests.examples import EXAMPLES
from tests.jobs.counting import Paint
from tests.ui.pictures import png
from tests.ui.served import ORIGIN, SPACE, STANDIN, Page, cookie

ADA, BOB = cookie("Ada"), cookie("Bob")


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    environment = {**SPACE, "PYTHONPATH": f"{STANDIN}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
                   "SYNTHSTUDIO_QUOTA_MB": "24", "SYNTHSTUDIO_QUOTA_JOBS": "1"}  # fmt: skip
    page = Page(tmp_path_factory.mktemp("space") / "home", environment)
    yield page
    page.stop()


def wrote(page, name):
    return page.home / "visitors" / folder_name(name)


def test_a_stranger_sees_the_demo_and_can_change_nothing(space):
    assert space.client.get("/", follow_redirects=True).status_code == 200
    assert space.get("/studio/state").json()["project"] == "default"
    for path in ("/studio/uploads/new", "/studio/review/target", "/studio/exports", "/studio/runs/x/stop",
                 "/studio/queue", "/studio/runs-named", "/studio/review/map",
                 "/studio/review/views", "/studio/review/views/rename", "/studio/review/views/delete"):  # fmt: skip
        answer = space.post(path, **ORIGIN)
        assert answer.status_code == 403
        assert "sign in" in answer.json()["detail"]
    said = space.event("run_recipe", ["prompts-only", "digits", 1, 1, "quick", "pico", 0, "", ""])
    assert "event: error" in said
    assert "Sign in with Hugging Face" in said
    assert not (space.home / "visitors").exists()


def test_who_signs_in_works_in_a_house_of_their_own_that_others_do_not_see(space):
    token = space.post("/studio/uploads/new", **ORIGIN, **ADA).json()["token"]
    assert (wrote(space, "Ada") / "tmp" / "uploads" / token).is_dir()
    assert space.get(f"/studio/uploads/{token}", **ADA).status_code == 200
    assert space.get(f"/studio/uploads/{token}", **BOB).status_code == 404
    assert space.get(f"/studio/uploads/{token}").status_code == 404


def test_a_recipe_runs_for_its_owner_only_and_a_second_one_waits(space):
    said = space.event("run_recipe", ["prompts-only", "digits", 1, 1, "quick", "pico", 0, "", ""], **BOB)
    pipeline = said.rpartition("data: ")[2].strip().strip('[]"')
    assert pipeline.startswith("p"), said
    assert pipeline in space.get("/studio/state", **BOB).text
    assert pipeline not in space.get("/studio/state", **ADA).text
    assert pipeline not in space.get("/studio/state").text
    again = space.event("run_recipe", ["prompts-only", "digits", 1, 1, "quick", "pico", 7, "", ""], **BOB)
    assert "1 at most per person" in again
    assert space.post(f"/studio/pipelines/{pipeline}/stop", **ORIGIN, **ADA).status_code == 404
    assert space.post(f"/studio/pipelines/{pipeline}/stop", **ORIGIN, **BOB).status_code == 200


def test_a_visitor_reaches_no_project_of_another_and_a_stranger_only_the_demo(space):
    said = space.event("result", ["p", "default"], **ADA)
    assert "event: error" in said  # there is no such recipe run, but now she has a project
    for text in ("default/../../../projects/default", "..", folder_name("Ada"), "visitors"):
        for who in (ADA, BOB, {}):
            assert space.get("/", **who).status_code == 302
            assert space.client.get("/", params={"project": text}, headers=who).status_code == 404
            assert space.client.get(f"/studio/@{text}/state", headers=who).status_code == 404
            assert "event: error" in space.event("result", ["p", text], **who)
    assert space.get("/studio/@default/state", **ADA).status_code == 200
    page = space.get("/?project=of-ada")
    assert page.status_code == 404
    assert "/login/huggingface?_target_url=" in page.text
    assert "/login/huggingface" not in space.get("/?project=of-ada", **ADA).text


def test_a_visitor_names_no_path_of_the_server(space):
    for data, backbone in (("/etc", "pico"), (str(space.home), "pico"), ("digits", "/etc"), ("digits", "a/model")):
        said = space.event("run_recipe", ["prompts-only", data, 1, 1, "quick", backbone, 0, "", ""], **ADA)
        assert "Choose photos that you brought in" in said or "does not run on this Space" in said
    assert str(space.home) not in space.get("/studio/state", **ADA).text


def test_more_than_the_quota_is_refused_and_nothing_stays(space):
    token = space.post("/studio/uploads/new", **ORIGIN, **ADA).json()["token"]
    answer = space.client.post(f"/studio/uploads/{token}/files?name=cats/1.png", content=png(1) + bytes(24 << 20),
                               headers={**ORIGIN, **ADA})  # fmt: skip
    assert answer.status_code in (413, 422)
    assert [path for path in wrote(space, "Ada").rglob("*") if path.suffix == ".png"] == []


@pytest.mark.parametrize("forged", [cookie("Ada", secret=""), cookie("Ada", secret="guessed"), {"cookie": "session=x"}])
def test_a_forged_sign_in_is_no_sign_in(space, forged):
    assert space.post("/studio/uploads/new", **ORIGIN, **forged).status_code == 403


def test_a_sign_in_ends(space):
    answer = space.post("/studio/uploads/new", **ORIGIN, **cookie("Ada", lasts=-1))
    assert answer.status_code == 401
    assert "Sign in again" in answer.json()["detail"]
    assert space.get("/studio/state", **cookie("Ada", lasts=-1)).status_code == 200


def test_another_site_cannot_use_the_sign_in(space):
    answer = space.post("/studio/uploads/new", origin="https://evil.example", **ADA)
    assert answer.status_code == 403


def test_the_page_says_that_it_forgets_and_shows_no_secret(space):
    config = space.get("/config").text
    assert "forgets everything" in config
    assert "Sign in with Hugging Face" in config
    shown = (
        space.client.get("/", follow_redirects=True).text
        + config
        + space.get("/gradio_api/info").text
        + space.log.read_text()
    )
    for secret in (SPACE["OAUTH_CLIENT_SECRET"], "hf_token_of_the_visitor"):
        assert secret not in shown


def test_without_a_sign_in_of_its_own_a_space_is_for_looking_and_says_so():
    where = place({"SPACE_ID": "a/b", "SYSTEM": "spaces"}, Path("home"))
    assert (where.public, where.sign_in, where.forgets) == (True, False, True)
    assert "duplicate it" in notices.banner(where, None)
    known_key = {**SPACE, "OAUTH_CLIENT_SECRET": ""}
    assert not place(known_key, Path("home")).sign_in


def test_with_a_password_a_space_has_one_owner():
    assert not place({**SPACE, "SYNTHSTUDIO_PASSWORD": "x"}, Path("home")).public
    assert rules_for("0.0.0.0", {**SPACE, "SYNTHSTUDIO_PASSWORD": "x"}).password == "x"  # noqa: S104


def test_where_a_gpu_is_lent_by_the_minute_nothing_promises_training():
    where = place({**SPACE, "SPACES_ZERO_GPU": "true"}, Path("home"))
    assert "cannot train" in notices.banner(where, "Ada")
    usable = {button: notices.allowed(where, "Ada", button) for button in ("ss-run", "ss-adapt-go", "ss-sample-go")}
    assert usable == {"ss-run": False, "ss-adapt-go": False, "ss-sample-go": True}
    assert not notices.allowed(where, None, "ss-sample-go")


def test_where_nothing_can_be_trained_asking_for_it_is_refused(tmp_path):
    where = place({**SPACE, "SPACES_ZERO_GPU": "true"}, tmp_path)
    with BoundedStudio(tmp_path, "default", Quota(), where.no_training, lambda: False) as studio:
        with pytest.raises(BadInput, match="cannot train"):
            studio.submit(build("adapt.lora", EXAMPLES["adapt.lora"]))
        assert studio.submit(build("collect.import_images", {"source": "source:digits"}))
        studio.tick()
        assert studio.working() == 1


def test_a_run_that_uses_more_than_allowed_is_stopped_and_can_be_resumed(tmp_path):
    studio = BoundedStudio(tmp_path, "default", Quota(bytes=24 << 20), "", lambda: False)
    with studio:
        run_id, _ = studio.submit(build("collect.import_images", {"source": "source:digits"}))
        (tmp_path / "large").write_bytes(bytes(24 << 20))
        studio.tick()
        assert studio.catalog.runs.get(run_id).state == "stopped"
        with pytest.raises(BadInput, match="may hold 24 MB"):
            studio.resume(run_id)


HOSTILE = ["../../etc", "", ".", "..", "/", "a" * 300, "ada\0", "Ada", "ada", "ADA", "a-b", "a b", "ąda", "con", "-rf"]


def test_every_name_has_a_folder_of_its_own_that_is_one_plain_part():
    folders = [folder_name(name) for name in HOSTILE]
    assert len(set(folders)) == len(HOSTILE)
    assert all(re.fullmatch(r"[a-z0-9-]{1,64}", one) and not one.startswith(("-", ".")) for one in folders)
    assert folder_name(folder_name("Ada")) != folder_name("Ada")


def test_quotas_are_read_from_the_environment():
    assert Quota.read({"SYNTHSTUDIO_QUOTA_MB": "3", "SYNTHSTUDIO_QUOTA_JOBS": "4"}) == Quota(bytes=3 << 20, jobs=4)
    with pytest.raises(BadInput, match="SYNTHSTUDIO_QUOTA_IMAGES"):
        Quota.read({"SYNTHSTUDIO_QUOTA_IMAGES": "many"})


def test_a_gpu_is_borrowed_only_where_the_spaces_package_is(tmp_path, monkeypatch):
    assert zerogpu.borrowing(len) is len
    monkeypatch.syspath_prepend(str(STANDIN))
    monkeypatch.setenv("SYNTHSTUDIO_STEPS", "tests.jobs.counting")
    launcher = zerogpu.ZeroLauncher()
    assert sys.modules["spaces"].DECORATED == [("_work", 60)]
    with Studio(tmp_path, launcher=launcher) as studio:
        run_id, _ = studio.submit(Paint(images=3))
        assert studio.wait(run_id).state == "done"
        assert studio.catalog.images.count(run_id) == 3
        assert studio.catalog.runs.get(run_id).pid != os.getpid()


def test_a_gpu_that_is_not_lent_is_a_sentence(tmp_path):
    def refuse(folder):
        raise RuntimeError("the quota of today is used up")

    with Studio(tmp_path, launcher=zerogpu.ZeroLauncher(refuse)) as studio:
        run_id, _ = studio.submit(Paint(images=3))
        ended = studio.wait(run_id)
        assert ended.state == "failed"
        assert "the quota of today is used up" in ended.error
