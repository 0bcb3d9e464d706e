"""Who else hears what runs say: real files, read back with the readers of those who made the formats."""

import csv
import json
import shutil

import pytest

import synthstudio
from synthstudio.errors import Missing, UnknownName
from synthstudio.events import Failed, Finished, Measured, Output, Progress, Started, Stopped
from synthstudio.jobs import Studio, listeners
from synthstudio.jobs.public.quotas import Quota
from synthstudio.jobs.running.log import EventLog
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.session.place import Place
from tests.catalog.projects import NoWorkers, opened
from tests.jobs.counting import Count
from tests.jobs.inline import InlineLauncher

KINDS = ("csv", "tensorboard", "trackio")


@pytest.fixture(autouse=True)
def place_of_trackio(tmp_path, monkeypatch):
    """Its storage has one folder for all projects of a person, chosen when it is imported."""
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "trackio")


def of_csv(home, name):
    (file,) = (home / "projects/default/logs/csv").glob("test.count-*.csv")
    rows = list(csv.DictReader(file.read_text().splitlines()))
    return [(int(row["step"]), float(row["value"])) for row in rows if row["name"] == name]


def of_tensorboard(home, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (home / "projects/default/logs/tensorboard").glob("test.count-*")
    assert len(list(folder.iterdir())) == 1
    read = EventAccumulator(str(folder))
    read.Reload()
    return [(one.step, one.value) for one in read.Scalars(name)] if name in read.Tags()["scalars"] else []


def of_trackio(home, name):
    from trackio.sqlite_storage import SQLiteStorage

    (about,) = SQLiteStorage.get_run_records("synthstudio-default")
    rows = SQLiteStorage.get_logs("synthstudio-default", about["name"], run_id=about["id"])
    return [(row["step"], row[name]) for row in rows if name in row]


READ = {"csv": of_csv, "tensorboard": of_tensorboard, "trackio": of_trackio}


class Spoken:
    """A run that says what the test lets it say, heard by an owner who may be killed."""

    def __init__(self, home, log):
        self.home, self.log = home, log
        self.studio = opened(home, log=log)
        self.run_id, _ = self.studio.submit(Count(to=9))
        self.studio.tick()
        self.attempt = 0
        self.start()

    def start(self):
        self.attempt += 1
        self.say(Started(attempt=self.attempt, pid=1, environment={}))

    def say(self, *events):
        for event in events:
            EventLog(self.studio.workspace.run_folder(self.run_id)).append(event)
        self.studio.tick()

    def count(self, *steps):
        self.say(*(Progress(done=n, total=9, unit="steps", values={"loss": 1 / n}) for n in steps))

    def end(self):
        self.say(Output(name="document", value=self.studio.workspace.put_document("report", {})), Finished(seconds=2.0))

    def another_owner(self, log=None):
        self.studio.close()
        self.studio = opened(self.home, log=self.log if log is None else log)
        self.studio.tick()

    def cursor(self, name):
        return self.studio.workspace.run_folder(self.run_id) / "listeners" / f"{name}.json"

    def notes(self):
        return [note["text"] for note in self.studio.catalog.runs.notes(self.run_id)]


@pytest.fixture
def spoken(tmp_path):
    made = []

    def speak(*log):
        made.append(Spoken(tmp_path / "home", log))
        return made[-1]

    yield speak
    for one in made:
        one.studio.close()


def losses(*steps):
    return [(n, pytest.approx(1 / n)) for n in steps]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_a_run_are_read_back_with_their_steps(spoken, kind):
    run = spoken(kind)
    run.count(1, 2, 3)
    run.say(Measured(name="accuracy", value=0.75, low=0.5, high=1.0, n=8, split="test", arm="both", fold=0))
    run.end()
    read = READ[kind]
    assert read(run.home, "loss") == losses(1, 2, 3)
    assert read(run.home, "done") == [(1, 1), (2, 2), (3, 3)]
    assert read(run.home, "accuracy" if kind == "csv" else "accuracy/both/fold 1") == [(3, 0.75)]
    assert read(run.home, "seconds") == [(3, 2.0)]


def test_the_table_says_interval_n_split_and_when_in_utc(spoken):
    run = spoken("csv")
    said = {"low": 0.5, "high": 1.0, "n": 8, "split": "test", "arm": "both", "label": "é,\n", "fold": 1}
    run.say(Measured(name="accuracy", value=0.75, **said))
    (file,) = (run.home / "projects/default/logs/csv").iterdir()
    with file.open(newline="", encoding="utf-8") as lines:
        (row,) = csv.DictReader(lines)
    assert row["run"] == run.run_id and row["kind"] == "test.count" and row["time"].endswith("+00:00")
    assert {name: row[name] for name in said} == {name: str(value) for name, value in {**said, "fold": 2}.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_again_after_a_restart_is_not_written_twice(spoken, kind):
    run = spoken(kind)
    run.count(1, 2)
    run.another_owner()
    run.count(3)
    run.studio.catalog.ingest.again(run.run_id)  # its offset is lost, as with a catalog of yesterday
    run.another_owner()
    run.count(4)
    assert READ[kind](run.home, "loss") == losses(1, 2, 3, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_an_owner_that_is_killed_before_it_says_how_far_it_is_writes_nothing_twice(spoken, kind):
    run = spoken(kind)
    run.count(1)
    before = run.cursor(kind).read_bytes()
    run.count(2, 3)
    run.cursor(kind).write_bytes(before)
    run.another_owner()
    assert READ[kind](run.home, "loss") == losses(1, 2, 3)
    run.count(4)
    assert READ[kind](run.home, "loss") == losses(1, 2, 3, 4)


@pytest.mark.parametrize("kind", ["csv", "tensorboard"])
def test_half_a_row_that_a_kill_left_behind_is_cut_off(spoken, kind):
    run = spoken(kind)
    run.count(1, 2)
    (file,) = (path for path in (run.home / "projects/default/logs").rglob("*") if path.is_file())
    with file.open("ab") as torn:
        torn.write(file.read_bytes()[-20:-5])
    run.another_owner()
    run.count(3)
    assert READ[kind](run.home, "loss") == losses(1, 2, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_resumed_run_goes_on_in_the_same_file(spoken, kind):
    run = spoken(kind)
    run.count(1, 2, 3)
    run.say(Stopped(seconds=1.0))
    run.another_owner()
    run.studio.resume(run.run_id)
    run.studio.tick()
    run.start()
    run.count(3, 4)  # its checkpoint was older than what it had said
    run.end()
    twice = [] if kind == "tensorboard" else [3]  # which forgets what comes again
    assert READ[kind](run.home, "loss") == losses(1, 2, 3, *twice, 4)
    assert run.studio.catalog.runs.get(run.run_id).state == "done"


def test_a_file_that_was_deleted_is_written_again_whole(spoken):
    run = spoken(*KINDS)
    run.count(1, 2)
    shutil.rmtree(run.home / "projects/default/logs")
    run.count(3)
    assert [READ[kind](run.home, "loss") for kind in KINDS] == [losses(1, 2, 3)] * 3


def test_a_listener_that_is_asked_for_later_hears_a_running_run_from_its_beginning(spoken):
    run = spoken()
    run.count(1, 2)
    run.another_owner(log="csv")
    run.count(3)
    assert of_csv(run.home, "loss") == losses(1, 2, 3)


def test_what_nobody_heard_to_its_end_is_written_when_somebody_listens_again(spoken):
    run = spoken("csv")
    run.count(1)
    run.another_owner(log=[])
    run.count(2)
    run.end()
    run.another_owner(log="csv")
    assert of_csv(run.home, "loss") == losses(1, 2)
    assert of_csv(run.home, "seconds") == [(2, 2.0)]


@pytest.mark.parametrize("broken", ["csv", "trackio"])
def test_a_listener_that_fails_says_so_once_and_harms_neither_the_run_nor_the_others(spoken, tmp_path, broken):
    run = spoken("csv", "trackio", "tensorboard")
    place = {"csv": run.studio.workspace.logs / "csv", "trackio": tmp_path / "trackio"}[broken]
    place.parent.mkdir(exist_ok=True)
    place.write_text("no folder")
    run.count(1)
    run.count(2)
    run.end()
    assert run.studio.catalog.runs.get(run.run_id).state == "done"
    (note,) = run.notes()
    assert note.startswith(f"Its numbers go to {broken} no more: ") and "The run itself goes on" in note
    assert of_tensorboard(run.home, "loss") == losses(1, 2)
    place.unlink()
    run.another_owner()
    assert run.notes() == [note]


def test_a_run_that_fails_is_heard_to_its_last_word(spoken):
    run = spoken("csv")
    run.count(1)
    run.say(Failed(error="out of paint", seconds=3.0))
    assert of_csv(run.home, "seconds") == [(1, 3.0)]


def test_without_the_setting_nothing_is_written(spoken):
    run = spoken()
    run.count(1)
    run.end()
    assert not run.studio.workspace.logs.exists() and not run.cursor("csv").exists()


def test_the_environment_is_the_setting_where_nobody_says_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv(listeners.SETTING, "csv, tensorboard")
    for log, kinds in ((None, {"csv", "tensorboard"}), ("csv", {"csv"}), ("", set())):
        with Studio(tmp_path / str(log), launcher=InlineLauncher(), log=log) as studio:
            studio.wait(studio.submit(Count())[0])
            assert {path.name for path in studio.workspace.logs.glob("*")} == kinds


def test_from_python_a_step_is_logged_where_it_was_asked_for(tmp_path):
    with synthstudio.open(tmp_path / "home", progress=False, log=["csv"]) as project:
        project._studio.launcher = InlineLauncher()
        project.submit(Count(to=3))
    assert of_csv(tmp_path / "home", "done")[-1] == (3, 3.0)


def test_a_word_that_is_no_listener_and_a_package_that_is_not_there_are_refused_before_anything_is_held(
    tmp_path, monkeypatch
):
    with pytest.raises(UnknownName, match="Did you mean tensorboard"):
        Studio(tmp_path / "home", log="tensorbord")
    monkeypatch.setitem(listeners.PACKAGES, "trackio", "a_package_that_is_not_here")
    with pytest.raises(Missing, match="Install it with pip install a_package_that_is_not_here"):
        Studio(tmp_path / "home", log="csv,trackio")
    with Studio(tmp_path / "home", launcher=NoWorkers()):
        pass


def test_on_a_public_copy_only_the_operator_turns_a_listener_on(tmp_path, monkeypatch):
    where = Place(public=True)
    for setting, kinds in (("", []), ("csv", ["csv"])):
        monkeypatch.setenv(listeners.SETTING, setting)
        session = SpaceSession(tmp_path / f"home-{setting}", None, where, Quota())
        try:
            assert list(session._demo_house().studio.listeners._listeners) == kinds
        finally:
            session.close()


def test_the_cursor_of_another_time_is_begun_anew(spoken):
    run = spoken("csv")
    run.count(1, 2)
    run.cursor("csv").write_text(json.dumps({"read_to": 10**9}))
    run.another_owner()
    run.count(3)
    run.cursor("csv").write_text("torn")
    run.another_owner()
    run.count(4)
    assert of_csv(run.home, "loss") == losses(1, 2, 3, 4)
