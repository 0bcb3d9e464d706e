"""Throwing things away: what goes, what stays, and how it comes back."""

import pytest

from synthstudio.errors import BadInput
from synthstudio.intake.sources import register
from synthstudio.jobs.keeping import freeing, things, wholeness
from synthstudio.step import build
from tests.jobs.counting import Learn, Paint
from tests.jobs.keeping.throwing import Ask, Deliver, Half, Moody, blobs, free, images, made, nobody, settled, state
from tests.steps.kit import coloured


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
