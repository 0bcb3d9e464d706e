"""What was made and is gone or damaged: noticed, named, and made again; nothing else is."""

import os

import pytest

from synthstudio import weightfile
from synthstudio.errors import BadInput, Damaged
from synthstudio.jobs.keeping import wholeness
from tests.jobs.counting import Learn, Paint


def finished(studio, step):
    run_id, _ = studio.submit(step)
    assert studio.wait(run_id).state == "done"
    return run_id


def images_of(studio, run_id):
    return [row["digest"] for row in studio.catalog.images.made_by(run_id)]


def weights_of(studio, run_id):
    document = studio.workspace.document(studio.catalog.runs.outputs(run_id)["adapter"])
    return studio.workspace.weight_path(document["weights"]["*"])


def flip(path, size=4000):
    data = bytearray(path.read_bytes())
    data[-size:] = bytes(255 - byte for byte in data[-size:])
    path.write_bytes(data)


def nobody(*_):
    return None


def test_one_deleted_image_is_made_again_alone_and_equal(studio):
    run_id = finished(studio, Paint(images=5))
    before, outputs = images_of(studio, run_id), studio.catalog.runs.outputs(run_id)
    files = {digest: studio.workspace.path(digest).stat().st_mtime_ns for digest in before}
    studio.workspace.path(before[2]).unlink()
    assert studio.submit(Paint(images=5)) == (run_id, False)
    assert studio.wait(run_id).state == "done"
    assert (images_of(studio, run_id), studio.catalog.runs.outputs(run_id)) == (before, outputs)
    changed = [d for d in before if studio.workspace.path(d).stat().st_mtime_ns != files[d]]
    assert changed == [before[2]]
    assert studio.submit(Paint(images=5)) == (run_id, True)


def test_a_whole_result_cannot_be_resumed(studio):
    run_id = finished(studio, Paint(images=2))
    with pytest.raises(BadInput, match="outputs are not all there"):
        studio.resume(run_id)


@pytest.mark.parametrize("harm", ["deleted", "shortened"])
def test_weights_that_are_gone_or_too_short_make_their_step_undone(studio, harm):
    run_id = finished(studio, Learn())
    file = weights_of(studio, run_id)
    whole = file.read_bytes()
    file.unlink() if harm == "deleted" else file.write_bytes(whole[:-1])
    assert not studio.complete(run_id)
    studio.resume(run_id)
    assert studio.wait(run_id).state == "done"
    assert file.read_bytes() == whole


def test_flipped_weights_are_noticed_on_use_kept_aside_and_made_again(studio):
    run_id = finished(studio, Learn())
    file = weights_of(studio, run_id)
    whole, digest = file.read_bytes(), file.stem
    flip(file)
    with pytest.raises(Damaged, match="Make again"):
        studio.workspace.get_weights(digest)
    (aside,) = studio.workspace.damaged.iterdir()
    assert len(aside.read_bytes()) == len(whole)
    studio.resume(run_id)
    assert studio.wait(run_id).state == "done"
    assert studio.workspace.get_weights(digest).read_bytes() == whole


def test_a_full_look_names_every_missing_and_damaged_file_with_its_run(studio):
    painted, learned = finished(studio, Paint(images=4)), finished(studio, Learn())
    first, second = images_of(studio, painted)[:2]
    studio.workspace.path(first).unlink()
    flip(studio.workspace.path(second), 9)
    flip(weights_of(studio, learned))
    said = wholeness.examine(studio, nobody)
    assert {(one.part.digest, one.state, one.run, one.why_not) for one in said} == {
        (first, "missing", painted, ""),
        (second, "damaged", painted, ""),
        (weights_of(studio, learned).stem, "damaged", learned, ""),
    }


def test_repair_makes_everything_again_that_steps_can_and_keeps_the_damaged_files(studio):
    painted, learned = finished(studio, Paint(images=4)), finished(studio, Learn())
    files = [studio.workspace.path(digest) for digest in images_of(studio, painted)]
    files += [weights_of(studio, learned)]
    whole = [file.read_bytes() for file in files]
    files[0].unlink()
    flip(files[1], 9)
    flip(files[-1])
    wholeness.repair(studio, wholeness.examine(studio, nobody), nobody)
    assert [file.read_bytes() for file in files] == whole
    assert wholeness.examine(studio, nobody) == []
    assert len(list(studio.workspace.damaged.iterdir())) == 2


def test_photos_whose_source_is_gone_are_said_to_be_beyond_making(studio, tmp_path):
    from PIL import Image

    from synthstudio.intake.sources import register
    from synthstudio.step import build

    photo = tmp_path / "photos" / "cat" / "a.png"
    photo.parent.mkdir(parents=True)
    Image.new("RGB", (20, 20), "red").save(photo)
    source = register(str(tmp_path / "photos"), studio.workspace)
    run_id = finished(studio, build("collect.import_images", {"source": source}))
    (digest,) = images_of(studio, run_id)
    studio.workspace.path(digest).unlink()
    photo.unlink()
    photo.parent.rmdir()
    (tmp_path / "photos").rmdir()
    (one,) = wholeness.examine(studio, nobody)
    assert "not there any more" in one.why_not
    with pytest.raises(BadInput, match="Put them back"):
        studio.resume(run_id)
    assert studio.catalog.runs.get(run_id).state == "done"


def test_a_page_that_asks_every_second_looks_at_the_disk_once(studio, monkeypatch):
    run_id = finished(studio, Paint(images=3))
    outputs = studio.catalog.runs.outputs(run_id)
    assert studio.wholeness.glance(run_id, outputs) == 0
    studio.workspace.path(images_of(studio, run_id)[0]).unlink()
    monkeypatch.setattr(studio.wholeness, "absent", lambda _: pytest.fail("looked again"))
    assert studio.wholeness.glance(run_id, outputs) == 0
    monkeypatch.undo()
    studio.wholeness.forget(run_id)
    assert studio.wholeness.glance(run_id, outputs) == 1


def test_storing_the_right_bytes_mends_a_damaged_blob_and_damaged_weights(studio, tmp_path):
    digest = studio.workspace.put(b"a picture")
    studio.workspace.path(digest).write_bytes(b"another")
    studio.workspace.put(b"a picture")
    assert studio.workspace.get(digest) == b"a picture"
    for number in range(2):
        file = tmp_path / f"{number}.safetensors"
        weightfile.write(file, {"w": ("U8", (5000,), bytes(5000))}, {})
        weights = studio.workspace.put_weights(file)
        if number == 0:
            flip(studio.workspace.weight_path(weights))
    assert studio.workspace.get_weights(weights).exists()
    assert os.listdir(studio.workspace.weights) == [f"{weights}.safetensors"]
