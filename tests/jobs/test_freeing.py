"""Throwing things away: what goes, what stays, what is protected, and how it comes back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import tests.jobs.counting  # noqa: F401
from synthstudio.artifacts import Image as Picture
from synthstudio.artifacts import ImageSet, Member
from synthstudio.errors import BadInput, UnknownName
from synthstudio.events import Event, Made, Output, Progress
from synthstudio.intake.sources import register
from synthstudio.jobs import Studio
from synthstudio.jobs.keeping import freeing, things, wholeness
from synthstudio.step import Step, build
from synthstudio.steps import Work
from synthstudio.terms import AdapterId, ImageSetId
from tests.catalog.projects import tables
from tests.jobs.counting import Count, Learn, Paint
from tests.jobs.inline import InlineLauncher
from tests.steps.kit import coloured


class Half(Step):
    """Every second image of a set."""

    kind: ClassVar[str] = "test.half"
    computes: ClassVar[bool] = False

    images: ImageSetId

    def run(self, work: Work) -> Iterator[Event]:
        """Read every image, as a filter that scores does."""
        found = list(work.workspace.image_set(self.images))
        for member in found:
            work.workspace.get(member.image)
        half = [Member(member.label, member.image) for member in found[::2]]
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", half)))


class Ask(Step):
    """Needs the weights of an adapter."""

    kind: ClassVar[str] = "test.ask"
    computes: ClassVar[bool] = False

    adapter: AdapterId
    number: int = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Read the weights."""
        work.workspace.get_weights(work.workspace.document(self.adapter)["weights"]["*"])
        yield Output(name="document", value=work.workspace.put_document("report", {"asked": self.number}))


class Deliver(Step):
    """Writes a folder."""

    kind: ClassVar[str] = "test.deliver"
    computes: ClassVar[bool] = False

    name: str = "mine"
    number: int = 0

    def run(self, work: Work) -> Iterator[Event]:
        """A file in a folder of the exports."""
        folder = work.workspace.exports / self.name
        folder.mkdir(exist_ok=True)
        (folder / "a.txt").write_text("a")
        yield Progress(done=1, total=1, unit="files")
        yield Output(name="folder", value=f"exports/{self.name}")


class Moody(Step):
    """Never paints the same twice."""

    kind: ClassVar[str] = "test.moody"

    def run(self, work: Work) -> Iterator[Event]:
        """One picture of chance."""
        digest = work.workspace.put(os.urandom(100))
        yield Made(index=0, image=Picture(digest, "cat", "synthetic", 8, 8))
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", [Member("cat", digest)])))


class Waiting:
    """Starts nothing, so that runs stay queued."""

    def launch(self, folder, computes):
        return None

    def alive(self, pid, started):
        return False


@pytest.fixture
def studio(tmp_path):
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as opened:
        yield opened


def made(studio, step, output="images"):
    """(run, artifact) of a step that has ended well."""
    run_id, _ = studio.submit(step)
    ended = studio.wait(run_id, 0)
    assert ended.state == "done", ended.error
    return run_id, studio.catalog.runs.outputs(run_id).get(output, run_id)


def settled(studio):
    """Tick until nothing works any more."""
    for _ in range(100):
        studio.tick()
        if not studio.catalog.runs.in_state("queued", "running", "stopping"):
            return
    raise AssertionError("it does not end")


def blobs(studio):
    return {path.name for path in studio.workspace.blobs.glob("??/*")}


def images(studio, set_id):
    return {member.image for member in studio.workspace.image_set(set_id)}


def state(studio, thing):
    return things.one(studio, thing).state


def free(studio, *chosen, **options):
    return freeing.free(studio, chosen, "me", **options)


def nobody(*_):
    return None


def test_a_set_that_is_thrown_away_takes_its_images_and_leaves_its_log_its_rows_and_its_list(studio):
    run_id, painted = made(studio, Paint(images=4))
    before, log = blobs(studio), (studio.workspace.run_folder(run_id) / "events.jsonl").read_bytes()
    planned = freeing.plan(studio, [painted])
    assert blobs(studio) == before
    done = free(studio, painted)
    assert (planned.bytes, planned.files) == (done.bytes, 4) == (4 * 4096, 4)
    assert before - blobs(studio) == images(studio, painted)
    assert (studio.workspace.run_folder(run_id) / "events.jsonl").read_bytes() == log
    assert studio.catalog.images.count(run_id) == 4
    one = things.one(studio, painted)
    assert (one.state, one.bytes, one.images) == ("freed", 0, 4)


def test_images_that_another_set_needs_stay_and_the_plan_names_it(studio):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    studio.catalog.names.give(half, "the good half")
    planned = freeing.plan(studio, [painted])
    assert (planned.files, planned.things[0].shared, planned.kept_by) == (2, 2, ("the good half",))
    assert planned.dependants == ("the good half",)
    free(studio, painted)
    assert images(studio, half) <= blobs(studio)
    assert state(studio, painted) == "partly"
    assert state(studio, half) == "here"


def test_what_only_two_things_hold_goes_with_the_second_of_them(studio):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    free(studio, half)
    assert images(studio, half) <= blobs(studio)
    assert state(studio, half) == "here"  # all of it is in the other
    free(studio, painted)
    assert not images(studio, painted) & blobs(studio)
    assert (state(studio, painted), state(studio, half)) == ("freed", "freed")


def test_throwing_both_away_at_once_frees_what_they_share(studio):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    planned = freeing.plan(studio, [painted, half])
    assert (planned.files, planned.kept_by) == (4, ())
    assert all(one.shared == 0 for one in planned.things)


def test_the_doctor_does_not_call_it_damage_and_still_finds_what_is(studio):
    _, painted = made(studio, Paint(images=4))
    _, learned = made(studio, Learn(), "adapter")
    free(studio, painted, learned)
    assert wholeness.examine(studio, nobody) == []
    _, third = made(studio, Learn(size=700), "adapter")
    path = studio.workspace.weight_path(studio.workspace.document(third)["weights"]["*"])
    path.unlink()
    assert [one.part.digest for one in wholeness.examine(studio, nobody)] == [path.stem]


def test_asking_for_the_step_again_makes_the_very_same_again(studio):
    run_id, painted = made(studio, Paint(images=4))
    whole = {digest: studio.workspace.get(digest) for digest in images(studio, painted)}
    free(studio, painted)
    assert studio.submit(Paint(images=4)) == (run_id, False)
    settled(studio)
    assert {digest: studio.workspace.get(digest) for digest in whole} == whole
    assert (state(studio, painted), studio.catalog.freed.all()) == ("here", {})


def test_weights_come_back_for_a_step_that_needs_them_and_the_step_waits_for_them(studio):
    learned_by, adapter = made(studio, Learn(), "adapter")
    free(studio, adapter)
    assert not list(studio.workspace.weights.iterdir())
    asked, _ = studio.submit(Ask(adapter=adapter))
    assert studio.catalog.runs.get(learned_by).state == "queued"
    settled(studio)
    assert studio.catalog.runs.get(asked).error is None
    assert studio.catalog.runs.get(asked).state == "done"
    assert state(studio, adapter) == "here"


def test_a_set_chosen_from_another_comes_back_through_the_run_that_made_the_images(studio):
    painted_by, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    free(studio, painted, half)
    assert studio.bring_back([half]) == [painted_by]
    settled(studio)
    assert (state(studio, half), state(studio, painted)) == ("here", "here")
    assert studio.catalog.freed.all() == {}


def test_a_chain_comes_back_in_its_order(studio):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    _, quarter = made(studio, Half(images=half))
    free(studio, painted, half, quarter)
    asked, _ = studio.submit(Half(images=quarter))
    settled(studio)
    assert studio.catalog.runs.get(asked).state == "done"


def photos(tmp_path, studio):
    folder = tmp_path / "photos" / "cat"
    folder.mkdir(parents=True)
    for number in range(4):
        (folder / f"{number}.png").write_bytes(coloured("red", number))
    step = build("collect.import_images", {"source": register(str(tmp_path / "photos"), studio.workspace)})
    return step, folder


def test_photos_whose_source_is_gone_go_only_for_good_and_the_plan_says_why(studio, tmp_path):
    step, folder = photos(tmp_path, studio)
    _, pool = made(studio, step)
    assert freeing.plan(studio, [pool]).things[0].again == "same"
    folder.parent.rename(tmp_path / "elsewhere")
    (one,) = freeing.plan(studio, [pool]).lost
    assert "not there any more" in one.why
    before = blobs(studio)
    with pytest.raises(BadInput, match="cannot be made again"):
        free(studio, pool)
    assert blobs(studio) == before
    free(studio, pool, for_good=True)
    with pytest.raises(BadInput, match="cannot be made again"):
        studio.bring_back([pool])


def test_what_is_made_from_lost_photos_is_lost_with_them(studio, tmp_path):
    step, folder = photos(tmp_path, studio)
    _, pool = made(studio, step)
    _, split = made(studio, build("collect.split", {"images": pool, "shots": 1}), "shots")
    folder.parent.rename(tmp_path / "elsewhere")
    assert freeing.plan(studio, [pool, split]).lost


def test_other_versions_of_the_software_promise_something_alike_only(studio, monkeypatch):
    _, painted = made(studio, Paint(images=2))
    assert freeing.plan(studio, [painted]).things[0].again == "same"
    monkeypatch.setattr(freeing, "environment", lambda: {"torch": "another"})
    (one,) = freeing.plan(studio, [painted]).things
    assert one.again == "alike"
    assert "other versions" in one.why


@pytest.mark.parametrize("moment", ["queued", "running", "stopping"])
def test_what_a_run_in_progress_reads_is_protected_with_the_reason(studio, moment):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    studio.launcher = Waiting()
    run_id, _ = studio.submit(Half(images=half))
    studio.catalog.runs.set_state(run_id, moment)
    before = blobs(studio)
    for chosen in ([half], [half, painted]):
        with pytest.raises(BadInput, match=f"is needed: .* which is {moment}, reads it"):
            free(studio, *chosen)
    assert blobs(studio) == before
    assert studio.catalog.freed.all() == {}


def test_what_a_running_recipe_has_made_so_far_is_protected(studio):
    from synthstudio.catalog.pipelines import Node

    nodes = [Node(0, "paint", None, "test.paint", {"images": 3}), Node(1, "count", None, "test.count", {"to": 9})]
    studio.start("r", {"data": "digits"}, nodes)
    studio.tick()
    studio.tick()
    (run,) = [run for run in studio.catalog.runs.all() if run.kind == "test.paint"]
    painted = studio.catalog.runs.outputs(run.id)["images"]
    assert studio.catalog.pipelines.running()
    with pytest.raises(BadInput, match="recipe .* may still read it"):
        free(studio, painted)


def test_what_is_being_made_again_is_protected(studio):
    run_id, painted = made(studio, Paint(images=4))
    free(studio, painted)
    studio.launcher = Waiting()
    studio.bring_back([painted])
    with pytest.raises(BadInput, match="is making it"):
        free(studio, painted)
    studio.stop(run_id)
    assert state(studio, painted) == "freed"


def test_an_unfinished_run_is_thrown_away_with_what_it_made_and_can_be_resumed(studio):
    run_id, _ = studio.submit(Paint(images=5, fail_at=3))
    assert studio.wait(run_id, 0).state == "failed"
    assert len(blobs(studio)) == 3
    assert things.one(studio, run_id).bytes >= 3 * 4096
    free(studio, run_id)
    assert blobs(studio) == set()
    assert state(studio, run_id) == "freed"
    assert wholeness.examine(studio, nobody) == []
    studio.resume(run_id)
    assert studio.wait(run_id, 0).state == "failed"
    assert len(blobs(studio)) == 3


def test_a_working_run_cannot_be_thrown_away(studio):
    studio.launcher = Waiting()
    run_id, _ = studio.submit(Count())
    with pytest.raises(BadInput, match="it is queued"):
        free(studio, run_id)


def test_an_export_is_thrown_away_and_written_again_when_asked(studio):
    run_id, _ = made(studio, Deliver())
    folder = studio.workspace.exports / "mine"
    free(studio, run_id)
    assert not folder.exists()
    assert state(studio, run_id) == "freed"
    assert studio.submit(Deliver()) == (run_id, False)
    settled(studio)
    assert (folder / "a.txt").read_text() == "a"
    assert state(studio, run_id) == "here"


def test_a_folder_that_two_exports_wrote_stays_for_the_other(studio):
    first, second = made(studio, Deliver())[0], made(studio, Deliver(number=1))[0]
    free(studio, first)
    assert (studio.workspace.exports / "mine").is_dir()
    free(studio, second)
    assert not (studio.workspace.exports / "mine").exists()


@pytest.mark.parametrize("place", ["exports/../blobs", "exports", "../../..", "/etc", "exports/link"])
def test_an_export_that_names_another_place_deletes_nothing_there(studio, place, tmp_path):
    """A log is a file of a worker that has read a stranger's data."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("keep me")
    os.symlink(tmp_path / "precious", studio.workspace.exports / "link")
    run_id, _ = made(studio, Deliver())
    with studio.catalog.database.transaction() as cursor:
        cursor.execute("update outputs set value = ? where run_id = ?", [json.dumps(place), run_id])
    free(studio, run_id)
    assert (tmp_path / "precious" / "file").read_text() == "keep me"
    assert studio.workspace.blobs.is_dir() and studio.workspace.exports.is_dir()


@pytest.mark.parametrize("name", ["../../../../precious", "/etc/passwd", "..", "", "x" * 64, "0" * 63 + "/"])
def test_a_set_whose_images_are_called_like_paths_deletes_nothing_else(studio, tmp_path, name):
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    run_id, painted = made(studio, Paint(images=2))
    with studio.catalog.database.transaction() as cursor:
        cursor.execute("insert into members values (?, ?, 'cat', '')", [painted, name])
    before = sorted(path for path in studio.workspace.root.rglob("*") if path.is_dir())
    free(studio, painted)
    assert precious.read_text() == "keep me"
    assert sorted(path for path in studio.workspace.root.rglob("*") if path.is_dir()) == before


@pytest.mark.parametrize("thing", ["set:" + "0" * 64, "../x", "", "run", "pool:../../x", "source:" + "1" * 64])
def test_what_this_project_does_not_hold_is_refused_and_nothing_is_written(studio, thing):
    made(studio, Paint(images=2))
    before = blobs(studio)
    for chosen in ([thing], [*(one.id for one in things.every(studio)), thing]):
        with pytest.raises(UnknownName, match="no such thing"):
            free(studio, *chosen)
    assert blobs(studio) == before
    assert studio.catalog.freed.all() == {}


def test_a_report_stays(studio):
    _, report = made(studio, Count(), "document")
    with pytest.raises(BadInput, match="It stays"):
        free(studio, report)
    assert things.one(studio, report).state == "here"


def test_what_has_changed_since_it_was_looked_at_is_not_thrown_away(studio):
    _, painted = made(studio, Paint(images=4))
    looked = freeing.plan(studio, [painted])
    made(studio, Half(images=painted))
    with pytest.raises(BadInput, match="has changed"):
        free(studio, painted, digest=looked.digest)
    free(studio, painted, digest=freeing.plan(studio, [painted]).digest)


def test_working_files_go_and_the_pictures_of_a_training_stay(studio):
    run_id, counted = made(studio, Learn(), "adapter")
    scratch = studio.workspace.run_folder(run_id) / "scratch"
    (scratch / "checkpoint").write_bytes(bytes(9000))
    (scratch / "_previews").mkdir()
    (scratch / "_previews" / "index.json").write_text("[]")
    free(studio, counted)
    assert [path.name for path in scratch.iterdir()] == ["_previews"]


def test_small_pictures_kept_as_a_cache_go_too(studio):
    _, painted = made(studio, Paint(images=2))
    digest = min(images(studio, painted))
    small = studio.workspace.root / "cache" / "thumbs-160" / digest[:2] / f"{digest}.webp"
    small.parent.mkdir(parents=True)
    small.write_bytes(b"small")
    free(studio, painted)
    assert not small.exists()


def test_a_kill_after_the_journal_and_before_the_files_is_finished_by_the_next_owner(studio, tmp_path, monkeypatch):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    with monkeypatch.context() as killed:
        killed.setattr(freeing, "_sweep", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            free(studio, painted)
    assert images(studio, painted) <= blobs(studio)
    studio.close()
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as after:
        assert images(after, painted) & blobs(after) == images(after, half)
        assert all(mark.swept for mark in after.catalog.freed.all().values())
        assert state(after, half) == "here"


def test_a_kill_among_the_files_loses_nothing_else_and_is_finished(studio, tmp_path, monkeypatch):
    _, painted = made(studio, Paint(images=6))
    _, other = made(studio, Paint(images=300, seconds_each=0.0))
    going = iter(range(3))

    def dying(self, **_):
        if next(going, None) is None:
            raise KeyboardInterrupt
        os.unlink(self)

    with monkeypatch.context() as killed:
        killed.setattr("pathlib.Path.unlink", dying)
        with pytest.raises(KeyboardInterrupt):
            free(studio, other)
    studio.close()
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as after:
        assert images(after, painted) <= blobs(after)
        assert blobs(after) & images(after, other) == images(after, painted)
        assert wholeness.examine(after, nobody) == []


_DIES = """
import os, sys
from pathlib import Path
import tests.jobs.test_freeing
from synthstudio.jobs import Studio
from synthstudio.jobs.keeping import freeing
left = int(sys.argv[3])
unlink = Path.unlink
def dying(self, **options):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    unlink(self, **options)
with Studio(Path(sys.argv[1])) as studio:
    Path.unlink = dying
    freeing.free(studio, [sys.argv[2]], "me")
"""


@pytest.mark.parametrize("left", [0, 2])
def test_a_process_that_is_killed_among_the_files_leaves_a_project_that_finishes_by_itself(studio, tmp_path, left):
    _, painted = made(studio, Paint(images=6))
    _, half = made(studio, Half(images=painted))
    studio.close()
    root = Path(__file__).parents[2]
    died = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path / "home"), painted, str(left)], cwd=root)
    assert died.returncode == 9
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as after:
        assert images(after, painted) & blobs(after) == images(after, half)
        assert wholeness.examine(after, nobody) == []
        before = tables(after.catalog)
        after.close()
    (tmp_path / "home" / "projects" / "default" / "catalog.duckdb").unlink()
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as rebuilt:
        assert tables(rebuilt.catalog) == before
        assert state(rebuilt, painted) == "partly"
        rebuilt.bring_back([painted])
        settled(rebuilt)
        assert state(rebuilt, painted) == "here"


def test_what_is_made_again_while_files_were_left_is_not_taken_by_the_next_owner(studio, tmp_path):
    run_id, painted = made(studio, Paint(images=4))
    studio.catalog.freed.throw_away([painted], "me")
    studio.launcher = Waiting()
    studio.make_again(run_id)
    studio.close()
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as after:
        assert images(after, painted) <= blobs(after)
        settled(after)
        assert after.catalog.freed.all() == {}
        assert state(after, painted) == "here"


def test_a_set_that_nobody_can_read_any_more_stops_every_throwing_away(studio):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    with studio.catalog.database.transaction() as cursor:
        cursor.execute("delete from image_sets where id = ?", [half])
        cursor.execute("delete from members where set_id = ?", [half])
    with pytest.raises(BadInput, match="doctor --repair"):
        free(studio, painted)
    assert images(studio, half) <= blobs(studio)


def test_what_came_out_different_is_said_and_not_made_for_ever(studio):
    run_id, first = made(studio, Moody())
    free(studio, first)
    assert made(studio, Moody())[0] == run_id
    with pytest.raises(BadInput, match="not the very same"):
        studio.bring_back([first])
    with pytest.raises(BadInput, match="Use what was made again"):
        studio.submit(Half(images=first))


def test_decisions_of_people_stay_and_the_plan_counts_them(studio):
    from synthstudio.catalog.decisions import Act, Chosen

    _, painted = made(studio, Paint(images=4))
    studio.catalog.review.newest()
    decided = sorted(images(studio, painted))[:3]
    studio.catalog.decisions.decide([Act("a1", "tab", Chosen.images(decided), "reject")], "me")
    assert freeing.plan(studio, [painted]).things[0].decided == 3
    free(studio, painted)
    assert [row["verdict"] for row in studio.catalog.decisions.states(decided)] == ["reject"] * 3


def test_images_thrown_away_do_not_count_as_kept(studio):
    _, painted = made(studio, Paint(images=4))
    _, half = made(studio, Half(images=painted))
    free(studio, painted)
    assert studio.catalog.images.kept() == 2


def test_things_say_what_they_were_made_from_and_what_reads_them(studio):
    _, painted = made(studio, Paint(images=4))
    reader, half = made(studio, Half(images=painted))
    assert things.one(studio, painted).used_by == (reader,)
    assert things.one(studio, half).made_from == (painted,)
    assert [one.id for one in things.every(studio)] == [half, painted]
