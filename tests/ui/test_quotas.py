"""What one visitor may use, asked for by many requests at once."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import os
import threading
import uuid

import pytest

from synthstudio.artifacts import Image
from synthstudio.catalog.review import Query
from synthstudio.errors import BadInput
from synthstudio.events import Made
from synthstudio.jobs.public.ledger import Ledger, Usage, used
from synthstudio.jobs.public.quotas import Quota
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.steps.collect import dry_run
from synthstudio.ui.access import visitors
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.api import review_routes
from synthstudio.ui.api.uploads import Uploads
from synthstudio.ui.session.place import Place
from tests.examples import EXAMPLES
from tests.jobs.counting import Paint
from tests.ui.conftest import NoLauncher
from tests.ui.pictures import png

MB = 1 << 20


@pytest.fixture
def space(tmp_path, request):
    """Ada's page, with the quota the test asks for."""
    session = SpaceSession(tmp_path / "home", "default", Place(public=True, sign_in=True), request.param)
    session.launcher = NoLauncher()
    token = visitors.enter("Ada")
    yield session
    visitors.leave(token)
    session.close()


def at_once(count, ask):
    """What so many requests got that were made at the same moment: a value, or the sentence of a refusal."""
    together = threading.Barrier(count)

    def one(number):
        together.wait()
        try:
            return ask(number)
        except BadInput as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(contextvars.copy_context().run, one, number) for number in range(count)]
        return [answer.result() for answer in asked]


def with_images(session, count):
    studio = session.studio
    studio.catalog.runs.add("r1", Paint(), Resources())
    digests = [studio.workspace.put(png(number)) for number in range(count)]
    made = [Made(index=n, image=Image(d, "cat", "synthetic", 8, 8, {"seed": n})) for n, d in enumerate(digests)]
    studio.catalog.ingest("r1", [(1.0, one) for one in made], 10)
    studio.catalog.runs.set_state("r1", "done")
    return digests


def decide(session, *acts):
    acts = [{"id": str(uuid.uuid4()), **act} for act in acts]
    body = review_routes.DecideBody(project=session.project, tab=str(uuid.uuid4()), acts=acts)
    review_routes._decide(session, body, "Ada")
    return acts


def fill(session, count):
    (session.home / "large").write_bytes(os.urandom(count))


@pytest.mark.parametrize("space", [Quota(jobs=1)], indirect=True)
def test_twenty_freezes_at_once_with_room_for_one_admit_one(space):
    with_images(space, 20)
    query = space.studio.catalog.review.settle(Query())
    before = used(space.studio.workspace.blobs).files
    bodies = [review_routes.FreezeBody(project="default", query=query, spans=((n, n),)) for n in range(20)]
    answers = at_once(20, lambda number: review_routes._freeze(space, bodies[number]))
    refused = [answer for answer in answers if isinstance(answer, str)]
    assert len(refused) == 19
    assert all("1 at most per person" in sentence for sentence in refused)
    assert len(space.studio.catalog.runs.in_state("queued")) == 1
    assert used(space.studio.workspace.blobs).files - before <= 4  # of the one that was admitted: no junk of the others


@pytest.mark.parametrize("space", [Quota(jobs=3)], indirect=True)
def test_as_many_runs_as_have_room_are_admitted_whoever_asks_at_once(space):
    def ask(number):
        with space.acting() as studio:
            return studio.submit(
                build("collect.import_images", {"source": "source:digits", "max_files": 2000 + number})
            )

    assert sum(isinstance(answer, tuple) for answer in at_once(12, ask)) == 3
    assert space.studio.working() == 3


@pytest.mark.parametrize("space", [Quota(images=100)], indirect=True)
def test_what_is_drawn_until_enough_are_accepted_counts_by_its_budget(space):
    fields = EXAMPLES["sample.until"] | {"accepted": 1}
    with pytest.raises(BadInput, match="more than 100 images"), space.acting() as studio:
        studio.submit(build("sample.until", fields | {"images_per_class": 51}))


@pytest.mark.parametrize("space", [Quota(projects=5)], indirect=True)
def test_twenty_projects_opened_at_once_make_as_many_as_the_limit(space):
    assert space.project == "default"
    answers = at_once(20, lambda number: space.open(f"project {number}"))
    refused = [answer for answer in answers if not answer.startswith("project-")]
    assert len(refused) == 16
    assert all("5 projects, the limit here" in sentence for sentence in refused)
    assert len(list((space.home / "projects").iterdir())) == 5


@pytest.mark.parametrize("announced", [16 * MB, 0])
@pytest.mark.parametrize("space", [Quota(bytes=64 * MB)], indirect=True)
def test_uploads_side_by_side_never_hold_more_than_the_quota(space, announced):
    uploads = Uploads(space)
    token = uploads.begin()

    async def body():
        for _ in range(32):
            yield bytes(MB // 2)

    async def send_all():
        every = [uploads.receive(token, f"cats/{number}.png", body(), announced) for number in range(8)]
        return await asyncio.gather(*every, return_exceptions=True)

    peak = 0
    admitting = uploads._session.ledger.admitting

    @contextlib.contextmanager
    def watched(*coming, **kept):
        nonlocal peak
        with admitting(*coming, **kept):
            yield
            peak = max(peak, _bytes_below(space.home))  # blocks would count what a file system takes in advance

    uploads._session.ledger.admitting = watched
    answers = asyncio.run(send_all())
    assert peak <= 64 * MB
    refused = sum(isinstance(answer, BadInput) for answer in answers)
    if announced:  # room is kept for the three that fit, so nobody is refused in the middle
        assert refused == 5
    assert refused > 0
    assert all(isinstance(answer, BadInput) or answer == 16 * MB for answer in answers)
    assert not list(space.home.rglob("*.part"))


def test_a_file_that_is_renamed_while_one_measures_hides_no_other(tmp_path):
    for number in range(100):
        (tmp_path / f"{number}.png").write_bytes(bytes(4096))
    over = threading.Event()

    def rename_on_and_on():
        place = 0
        while not over.is_set():
            (tmp_path / f"moving {place}").touch()
            (tmp_path / f"moving {place}").rename(tmp_path / f"moving {place + 1}")
            (tmp_path / f"moving {place + 1}").unlink()
            place += 2

    busy = threading.Thread(target=rename_on_and_on)
    busy.start()
    try:
        assert min(used(tmp_path).files for _ in range(300)) >= 101
    finally:
        over.set()
        busy.join()


def _bytes_below(folder):
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a part that was refused meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


@pytest.mark.parametrize("space", [Quota(files=400)], indirect=True)
def test_empty_files_and_folders_count(space):
    uploads = Uploads(space)
    token = uploads.begin()

    async def nothing():
        return
        yield b""

    async def send_all():
        for number in range(400):
            await uploads.receive(token, f"{number}/empty.png", nothing())

    with pytest.raises(BadInput, match="may hold 400 files and folders"):
        asyncio.run(send_all())
    assert used(space.home).files <= 400
    uploads.discard(token)
    assert uploads.begin()


@pytest.mark.parametrize("space", [Quota(bytes=24 * MB)], indirect=True)
def test_a_full_quota_refuses_decisions_and_lets_take_back(space):
    first, second = with_images(space, 2)
    (kept,) = decide(space, {"verdict": "keep", "images": [first]})
    fill(space, 24 * MB)
    space.ledger._measured = float("-inf")
    with pytest.raises(BadInput, match="may hold 24 MB"):
        decide(space, {"verdict": "keep", "images": [second]})
    with pytest.raises(BadInput, match="may hold 24 MB"):
        review_routes._set_target(space, review_routes.TargetBody(project="default", label="cat", wanted=3))
    decide(space, {"verdict": "clear", "undoes": kept["id"]})
    review_routes._set_target(space, review_routes.TargetBody(project="default", label="cat"))
    standing = [one["verdict"] for one in space.studio.catalog.decisions.states([first, second])]
    assert standing in ([], ["clear"])
    with pytest.raises(BadInput, match="may hold 24 MB"):
        space.open("another")
    (space.home / "large").unlink()
    decide(space, {"verdict": "keep", "images": [second]})


@pytest.mark.parametrize("space", [Quota(jobs=1)], indirect=True)
def test_a_look_at_files_is_one_of_the_jobs(space):
    uploads = Uploads(space)
    token = uploads.begin()
    (uploads._folder(token) / dry_run.FILES / "1.png").write_bytes(png(1))
    with space.acting() as studio:
        run_id, _ = studio.submit(build("collect.import_images", {"source": "source:digits"}))
    with pytest.raises(BadInput, match="1 at most per person"):
        uploads.check(token, "cats")
    assert (uploads._folder(token) / dry_run.FILES / "1.png").is_file()
    with space.acting() as studio:
        studio.stop(run_id)
    uploads.check(token, "cats")
    with space.acting() as studio, pytest.raises(BadInput, match="1 at most per person"):
        studio.submit(build("collect.import_images", {"source": "source:digits", "max_files": 2000}))
    uploads.close()


def test_every_file_and_folder_takes_a_block_at_least(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "empty").touch()
    (tmp_path / "a" / "large").write_bytes(bytes(10_000))
    found = used(tmp_path)
    assert found.files == 5
    assert found.bytes >= 4 * 4096 + 12288


def test_room_that_is_promised_to_one_is_not_given_to_another(tmp_path):
    ledger = Ledger(tmp_path, Usage(10 * 4096, 10))
    with ledger.promising(6 * 4096) as promise:
        with pytest.raises(BadInput), ledger.admitting(5 * 4096):
            pass
        with pytest.raises(BadInput), ledger.promising(5 * 4096):
            pass
        with ledger.admitting(6 * 4096, promise=promise):
            (tmp_path / "taken").write_bytes(bytes(6 * 4096))
        with pytest.raises(BadInput), ledger.admitting(4 * 4096, promise=promise):  # more than was promised
            pass
    (tmp_path / "taken").unlink()
    with ledger.admitting(9 * 4096):  # what was promised is over
        pass


def test_room_is_asked_for_before_it_is_taken(tmp_path):
    ledger = Ledger(tmp_path, Usage(10 * 4096, 10))
    written = []
    with pytest.raises(BadInput), ledger.admitting(10 * 4096):
        written.append("too much")
    with ledger.admitting(4096):
        written.append("room")
    assert written == ["room"]
