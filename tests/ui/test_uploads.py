import asyncio
import io
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from synthstudio.errors import BadInput, Missing
from synthstudio.step import from_json
from synthstudio.steps.collect import dry_run
from synthstudio.ui.api import drops
from synthstudio.ui.api.uploads import Uploads, _Look, clean_parts
from tests.ui.pictures import hostile_zip, png


async def _chunks(data, fail_after=None):
    for place in range(0, len(data), 1000):
        if fail_after is not None and place >= fail_after:
            raise ConnectionError("the browser is gone")
        yield data[place : place + 1000]


@pytest.fixture
def uploads(session):
    opened = Uploads(session)
    yield opened
    opened.close()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def large(dot):
    """A picture of 900 pixels with a dot that is lost where it is made small."""
    pixels = np.full((900, 900, 3), 200, np.uint8)
    pixels[450, 450] = 200 - dot
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def send(uploads, token, name, data, **kwargs):
    return asyncio.run(uploads.receive(token, name, _chunks(data, **kwargs)))


def looked_at(uploads, token, label=""):
    uploads.check(token, label)
    deadline = time.monotonic() + 300
    while (found := uploads.status(token))["state"] != "checked":
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return found["report"]


def test_a_hostile_zip_is_read_without_keeping_or_running_anything(session, uploads):
    token = uploads.begin()
    send(uploads, token, "photos.zip", hostile_zip())
    report = looked_at(uploads, token)
    assert {one["label"]: one["images"] for one in report["classes"]}["cats"] == 3
    assert report["repeats"] == 1
    reasons = {one["name"]: one["reason"] for one in report["refused"]}
    assert "not a picture" in reasons["cats/page.png"]
    assert any("evil" in name for name in reasons)
    assert not list(session.home.parent.rglob("evil.png"))
    assert session.studio.catalog.runs.all() == []


def test_confirming_keeps_the_files_and_imports_them_once(session, uploads):
    token = uploads.begin()
    for n in range(4):
        send(uploads, token, f"{'cats' if n % 2 else 'dogs'}/{n}.png", png(n))
    assert looked_at(uploads, token)["images"] == 4
    done = uploads.confirm(token, "My <b>cats</b>")
    assert session.studio.catalog.runs.get(done["run"]).kind == "collect.import_images"
    with pytest.raises(Missing):
        uploads.confirm(token, "again")


def test_loose_files_get_the_class_that_is_named(uploads):
    token = uploads.begin()
    for n in range(3):
        send(uploads, token, f"{n}.png", png(n))
    assert looked_at(uploads, token)["images"] == 0
    assert [one["label"] for one in looked_at(uploads, token, "daisy")["classes"]] == ["daisy"]


def test_an_upload_that_is_cut_off_leaves_no_file(session, uploads):
    token = uploads.begin()
    with pytest.raises(ConnectionError):
        send(uploads, token, "cats/1.png", png(1, 64), fail_after=2000)
    assert [path for path in session.home.rglob("*") if path.suffix in (".png", ".part")] == []


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "..\\x.png", "", "/", "a/\0.png", "/".join("abcdefghijklmn")]
)
def test_a_file_name_cannot_lead_out_of_its_upload(name):
    with pytest.raises(BadInput):
        clean_parts(name)


def test_an_absolute_name_stays_inside():
    assert clean_parts("/etc/passwd") == ["etc", "passwd"]
    assert clean_parts("C:\\photos\\a.png") == ["C:", "photos", "a.png"]


def test_a_made_up_token_is_refused(uploads):
    for token in ("../projects", "a" * 32, ""):
        with pytest.raises(Missing):
            uploads.status(token)


def test_files_that_changed_after_the_look_are_not_imported(session, uploads):
    token = uploads.begin()
    for n in range(2):
        send(uploads, token, f"cats/{n}.png", png(n))
    assert looked_at(uploads, token)["images"] == 2
    swapped = uploads._folder(token) / dry_run.FILES / "cats" / "1.png"
    swapped.write_bytes(png(7))
    with pytest.raises(BadInput, match="have changed since they were looked at"):
        uploads.confirm(token, "cats")
    swapped.write_bytes(png(1))
    send(uploads, token, "cats/2.png", png(2))
    assert uploads.status(token) == {"state": "receiving"}
    with pytest.raises(BadInput, match="No usable photos"):
        uploads.confirm(token, "cats")
    assert session.studio.catalog.runs.all() == []


def test_a_ninth_upload_is_refused_and_no_other_is_lost(uploads):
    tokens = [uploads.begin() for _ in range(8)]
    for n, token in enumerate(tokens):
        send(uploads, token, "cats/1.png", png(n))
    with pytest.raises(BadInput, match="8 uploads wait to be imported or thrown away"):
        uploads.begin()
    assert [uploads.status(token)["state"] for token in tokens] == ["receiving"] * 8
    uploads.discard(tokens[3])
    assert uploads.begin()


def test_a_name_cannot_be_a_file_and_a_folder_in_one_drop_and_nothing_is_lost(session, uploads):
    token = uploads.begin()
    send(uploads, token, "a", png(1))
    send(uploads, token, "b/c.png", png(2))
    with pytest.raises(BadInput, match="'a' is a file in this upload already"):
        send(uploads, token, "a/b.png", png(3))
    with pytest.raises(BadInput, match="'b' is a folder in this upload already"):
        send(uploads, token, "b", png(4))
    files = uploads._folder(token) / drops.INCOMING
    assert {path.relative_to(files).as_posix() for path in files.rglob("*") if path.is_file()} == {"a", "b/c.png"}
    assert (files / "a").read_bytes() == png(1)


def test_loose_pictures_of_several_classes_become_one_source_drop_by_drop(session, uploads):
    token = uploads.begin()
    for n, label in enumerate(("cat", "dog", "cat")):
        for k in range(2):
            send(uploads, token, f"IMG_{k}.png", png(10 * n + k))  # every camera begins with IMG_0
        report = looked_at(uploads, token, label)
    assert {one["label"]: one["images"] for one in report["classes"]} == {"cat": 4, "dog": 2}
    assert all(one["loose"] for one in report["classes"])
    assert not any(one["level"] == "block" for one in report["badges"])
    uploads.confirm(token, "pets")
    assert len(session.studio.catalog.runs.all()) == 1


def test_a_second_drop_meets_the_classes_of_the_first_and_same_names_are_both_kept(uploads):
    token = uploads.begin()
    for n, name in enumerate(("photos/cat/1.png", "photos/cat/2.png", "photos/dog/1.png")):
        send(uploads, token, name, png(n))
    looked_at(uploads, token)
    for n, name in enumerate(("more/dog/1.png", "more/cow/1.png")):
        send(uploads, token, name, png(10 + n))
    report = looked_at(uploads, token)
    assert {one["label"]: one["images"] for one in report["classes"]} == {"cat": 2, "dog": 2, "cow": 1}
    assert report["repeats"] == 0


def test_a_file_that_has_the_name_of_a_class_makes_room(uploads):
    token = uploads.begin()
    send(uploads, token, "cat", png(1))
    send(uploads, token, "2.png", png(2))
    assert looked_at(uploads, token, "cat")["classes"][0]["images"] == 2
    send(uploads, token, "cat", png(3))
    assert looked_at(uploads, token, "cat")["classes"][0]["images"] == 3


def test_zips_and_pictures_of_several_drops_are_one_source(uploads):
    token = uploads.begin()
    send(uploads, token, "cat.zip", zipped({"1.png": png(1), "2.png": png(2)}))
    assert [one["label"] for one in looked_at(uploads, token)["classes"]] == ["cat"]
    send(uploads, token, "more.zip", zipped({"dog/1.png": png(3), "cat/3.png": png(4)}))
    send(uploads, token, "broken.zip", zipped({"dog/9.png": png(3)})[:-30] + b"PK\5\6" + bytes(18))
    send(uploads, token, "1.png", png(5))
    report = looked_at(uploads, token, "cow")
    assert {one["label"]: one["images"] for one in report["classes"]} == {"cat": 3, "cow": 1, "dog": 1}
    assert {one["label"]: one["loose"] for one in report["classes"]} == {"cat": False, "cow": True, "dog": False}
    assert {"cat.zip", "more.zip"} <= set(report["archives"])
    uploads.remove(token, name="more.zip")
    assert {one["label"]: one["images"] for one in looked_at(uploads, token)["classes"]} == {"cat": 2, "cow": 1}


def test_the_look_promises_what_the_import_keeps_and_names_what_it_does_not(session, uploads):
    token = uploads.begin()
    files = {f"cat/{n}.png": png(n) for n in range(5)} | {f"dog/{n}.png": png(20 + n) for n in range(5)}
    files |= {"dog/wrong.png": png(0), "cat/again.png": png(1), "dog/torn.png": png(40)[:60], "dog/page.png": b"<p>"}
    # Alike once they are small, different as they are kept.
    files |= {f"cat/large{n}.png": large(n) for n in range(2)}
    for name, data in files.items():
        send(uploads, token, name, data)
    report = looked_at(uploads, token)
    done = uploads.confirm(token, "pets")
    step = from_json(session.studio.catalog.runs.step_body(session.studio.catalog.runs.get(done["run"]).step_id))
    events = list(step.run(SimpleNamespace(workspace=session.studio.workspace, done={})))
    counts = next(event.value for event in events if event.event == "output" and event.name == "counts")
    assert {one["label"]: one["images"] for one in report["classes"]} == counts == {"cat": 6, "dog": 5}
    refused = {event.name: event.reason for event in events if event.event == "refused"}
    assert {one["name"]: one["reason"] for one in report["refused"]} == refused
    said = " ".join(one["text"] for one in report["badges"])
    assert "(cat/again.png is cat/1.png" in said or "(cat/1.png is cat/again.png" in said
    assert "cat/0.png = dog/wrong.png" in said
    notes = [event.text for event in events if event.event == "note" and event.level == "warning"]
    assert set(notes) <= {one["text"] for one in report["badges"]}
    assert report["copies"].startswith("Copies were looked for by fingerprint alone; the split looks again with an eye")


def test_a_file_or_a_class_can_be_taken_out_and_nothing_else_goes(session, uploads):
    token = uploads.begin()
    for n in range(3):
        send(uploads, token, f"cat/{n}.png", png(n))
        send(uploads, token, f"dog/{n}.png", png(10 + n))
    looked_at(uploads, token)
    assert uploads.remove(token, name="dog/1.png") == 5
    assert uploads.status(token) == {"state": "receiving"}
    assert {one["label"]: one["images"] for one in looked_at(uploads, token)["classes"]} == {"cat": 3, "dog": 2}
    assert uploads.remove(token, label="cat") == 2
    report = looked_at(uploads, token)
    assert [one["label"] for one in report["classes"]] == ["dog"]
    assert not any("“cat”" in one["text"] for one in report["badges"])
    for name in ("cat/0.png", "../../project.json", "/etc/passwd", ""):
        with pytest.raises(Missing, match="no such file in this upload"):
            uploads.remove(token, name=name)
    assert uploads._held[token].files == 2


def test_a_person_has_one_look_at_a_time_and_others_wait_for_their_turn(session, uploads):
    tokens = [uploads.begin() for _ in range(2)]
    for token in tokens:
        send(uploads, token, "cats/1.png", png(1))
    uploads.check(tokens[0], "")
    with pytest.raises(BadInput, match="Other files of yours are being looked at"):
        uploads.check(tokens[1], "")
    uploads.check(tokens[0], "")  # the same files again: the new look replaces the old one
    uploads.discard(tokens[0])
    uploads.check(tokens[1], "")
    assert uploads.looking(session.home) == 1


def test_more_looks_than_the_machine_has_room_for_wait(session, uploads, tmp_path):
    token = uploads.begin()
    send(uploads, token, "cats/1.png", png(1))
    for other in "xyz":  # of other houses
        uploads._looks[other] = _Look(tmp_path / other, tmp_path)
    uploads.check(token, "")
    looks = uploads._looks
    assert [look.process is not None for look in looks.values()] == [True, True, False, False]
    uploads._end_look("x")
    uploads._end_look("y")
    assert uploads.status(token)["state"] in ("checking", "checked")
    assert looks[token].process is not None
