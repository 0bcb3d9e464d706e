import asyncio
import time

import pytest

from synthstudio.errors import BadInput, Missing
from synthstudio.ui.uploads import Uploads, clean_parts
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
