"""Beyond one machine: a real Ray cluster of two workers with one CPU each, on this machine."""

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from synthstudio import models
from synthstudio.artifacts import ImageSet, Member, digest_of
from synthstudio.catalog.pipelines import Node as PipelineNode
from synthstudio.cli import doctor
from synthstudio.errors import BadInput, Damaged
from synthstudio.events import Failed
from synthstudio.jobs import Studio
from synthstudio.jobs.cluster import address, local, parcels
from synthstudio.jobs.cluster.launcher import ClusterLauncher
from synthstudio.jobs.cluster.store import Store
from synthstudio.jobs.running import launchers
from synthstudio.jobs.running.launchers import PACKAGE, ProcessLauncher
from synthstudio.jobs.running.log import EventLog
from synthstudio.resources import Resources
from synthstudio.steps.sample.text import Text
from synthstudio.steps.sample.variation import Variation
from synthstudio.workspace import Workspace
from tests.jobs.conftest import tick_until
from tests.jobs.counting import Count, Learn, Mural, Paint, Tell
from tests.matrix import first_of
from tests.steps.kit import coloured

with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'synthstudio[cluster]'"
)
PATIENCE = 240.0  # seconds; both cores may be busy
CPU = Resources(device="cpu", threads=1)


@pytest.fixture(scope="module")
def workers():
    """What the environment says of the cluster, and the process that keeps it."""
    with tempfile.TemporaryDirectory(prefix="cluster") as folder:
        file = Path(folder) / "cluster.json"
        os.environ["SYNTHSTUDIO_STEPS"] = "tests.jobs.counting"
        local.start(file, cpus=2)
        del os.environ["SYNTHSTUDIO_STEPS"]
        until = time.monotonic() + PATIENCE
        while not local.running(file):
            assert time.monotonic() < until, file.with_suffix(".log").read_text()
            time.sleep(0.1)
        said = json.loads(file.read_bytes())
        with file.with_suffix(".users").open("a") as users:
            fcntl.flock(users, fcntl.LOCK_SH)  # unused workers would end, however long these tests take
            yield {"SYNTHSTUDIO_CLUSTER": said["address"], **local.way_in(file)}, psutil.Process(said["pid"])
        keeper = psutil.Process(said["pid"])
        for process in (*keeper.children(recursive=True), keeper):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture
def cluster(workers, tmp_path, monkeypatch):
    """A project whose runs go to the workers."""
    for name, value in (workers[0] | {"SYNTHSTUDIO_STEPS": "tests.jobs.counting"}).items():
        monkeypatch.setenv(name, value)
    with Studio(tmp_path / "home") as studio:
        assert isinstance(studio.launcher, ClusterLauncher)
        yield studio
        for run in studio.catalog.runs.in_state("running", "stopping"):
            if studio.launcher.alive(run.pid or 0, run.pid_started or 0.0):
                os.kill(run.pid or 0, signal.SIGKILL)


def done(studio, run_id):
    run = studio.wait(run_id)
    assert run.state == "done", (run.error, (studio.workspace.run_folder(run_id) / "log.txt").read_text()[-2000:])
    return run


def digests(studio, run_id):
    return {row["plan_index"]: row["digest"] for row in studio.catalog.images.made_by(run_id)}


def painters(studio, run_id):
    return {row["made"]["pid"] for row in studio.catalog.images.made_by(run_id)}


@with_ray
@pytest.mark.parametrize("sent", first_of([True, False]), ids=["sent by content", "the same folder"])
def test_images_made_in_shares_are_those_of_one_process(cluster, tmp_path, tiny_sd, monkeypatch, sent):
    if sent:
        monkeypatch.setenv("SYNTHSTUDIO_CLUSTER_SHARED", "off")
    with Studio(tmp_path / "alone", launcher=launchers.default_launcher()) as alone:
        runs = []
        for studio in (cluster, alone):
            settings = {"backbone": models.reference(str(tiny_sd), "backbone", studio.workspace), "inference_steps": 2}
            photos = {
                studio.workspace.put(coloured(label, number)): label for label in ("red", "blue") for number in (1, 2)
            }
            sources = studio.workspace.put_set(set_of(photos))
            if sent:
                step = Variation(labels=("red", "blue"), images_per_class=20, sources=sources, **settings)
            else:
                step = Text(labels=("cat", "dog", "owl"), images_per_class=16, **settings)
            runs.append(studio.submit(step, CPU)[0])
        done(cluster, runs[0])
        done(alone, runs[1])
        assert digests(cluster, runs[0]) == digests(alone, runs[1])
        assert cluster.catalog.runs.outputs(runs[0]) == alone.catalog.runs.outputs(runs[1])
        assert cluster.catalog.runs.get(runs[0]).environment["cluster"] == os.environ["SYNTHSTUDIO_CLUSTER"]


def set_of(photos):
    return ImageSet.of("set", (Member(label, digest) for digest, label in photos.items()))


@with_ray
@pytest.mark.slow
def test_what_a_killed_worker_was_making_is_made_by_another(cluster, workers):
    run_id, _ = cluster.submit(Mural(images=160, seconds_each=0.05))
    tick_until(cluster, lambda: len(painters(cluster, run_id)) == 2, PATIENCE)
    os.kill(min(painters(cluster, run_id)), signal.SIGKILL)
    # A third one comes, unless the other has made the rest before it is there.
    tick_until(cluster, lambda: len(painters(cluster, run_id)) == 3 or not cluster.active(), PATIENCE)
    porters = [one for one in workers[1].children(recursive=True) if "ray::Porter" in " ".join(one.cmdline())]
    for porter in porters:
        porter.kill()
    done(cluster, run_id)
    assert len(painters(cluster, run_id)) >= 2
    with Studio(cluster.workspace.home / "alone", launcher=ProcessLauncher()) as alone:
        other, _ = alone.submit(Mural(images=160))
        done(alone, other)
        assert digests(cluster, run_id) == digests(alone, other)
    assert any("lost" in note["text"] for note in cluster.catalog.runs.notes(run_id))


@with_ray
@pytest.mark.slow
def test_folds_go_side_by_side(cluster):
    nodes = [
        PipelineNode(n, "count", n, "test.count", {"source": str(n), "to": 20, "seconds_each": 0.1}) for n in (0, 1)
    ]
    nodes += [PipelineNode(2, "report", None, "test.count", {"source": "report"})]
    pipeline = cluster.start("folds", {"resources": {}}, nodes)

    def working():
        return [run.device for run in cluster.active() if run.done]

    tick_until(cluster, lambda: len(set(working())) >= 2, PATIENCE)
    tick_until(cluster, lambda: cluster.catalog.pipelines.get(pipeline).state != "running", PATIENCE)
    assert cluster.catalog.pipelines.get(pipeline).state == "done"


@with_ray
def test_a_stopped_run_goes_on_elsewhere_from_its_checkpoint_and_a_killed_courier_is_lost(cluster):
    run_id, _ = cluster.submit(Count(to=40, seconds_each=0.1))
    tick_until(cluster, lambda: cluster.catalog.runs.get(run_id).done >= 2, PATIENCE)
    cluster.stop(run_id)
    assert cluster.wait(run_id).state == "stopped"
    counted = int((cluster.workspace.run_folder(run_id) / "scratch" / "count").read_text())
    assert 2 <= counted < 40
    cluster.resume(run_id)
    tick_until(cluster, lambda: cluster.catalog.runs.get(run_id).done > counted, PATIENCE)
    os.kill(cluster.catalog.runs.get(run_id).pid, signal.SIGKILL)
    assert cluster.wait(run_id).state == "lost"
    cluster.resume(run_id)
    done(cluster, run_id)
    report = cluster.workspace.document(cluster.catalog.runs.outputs(run_id)["document"])
    assert report["start"] >= counted


@with_ray
def test_weights_come_back_and_no_secret_goes_out(cluster, monkeypatch):
    for name in ("HF_TOKEN", "SYNTHSTUDIO_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hush")
    learned, told = cluster.submit(Learn())[0], cluster.submit(Tell())[0]
    done(cluster, learned)
    assert cluster.complete(learned)
    done(cluster, told)
    heard = cluster.workspace.document(cluster.catalog.runs.outputs(told)["document"])
    assert "hush" not in heard.values()
    assert not [name for name in heard if name.startswith(("RAY_AUTH", "SYNTHSTUDIO_CLUSTER"))]
    assert heard["HF_HUB_OFFLINE"] == "1"


@with_ray
def test_a_failure_on_a_worker_is_told_with_its_cause(cluster):
    run_id, _ = cluster.submit(Paint(images=4, fail_at=2))
    ended = cluster.wait(run_id)
    assert (ended.state, "the paint ran out" in ended.error) == ("failed", True)
    assert str(cluster.workspace.run_folder(run_id)) in ended.error, "the log is here"
    assert "the paint ran out" in (cluster.workspace.run_folder(run_id) / "log.txt").read_text()
    assert len(digests(cluster, run_id)) == 2


@with_ray
def test_a_worker_with_other_code_is_refused(cluster, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "other" / "synthstudio", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "other" / "synthstudio" / "seeds.py").open("a") as file:
        file.write("\n# another version\n")
    cluster.launcher = NoWorkers()
    run_id, _ = cluster.submit(Mural(images=4))
    folder = cluster.workspace.run_folder(run_id)
    command = [sys.executable, "-m", "synthstudio.jobs.cluster.courier", str(folder)]
    path = os.pathsep.join([str(tmp_path / "other"), str(PACKAGE.parent)])
    subprocess.run(
        command, cwd=tmp_path / "other", env=os.environ | {"PYTHONPATH": path}, check=False, timeout=PATIENCE
    )
    (failed,) = [event for _, event in EventLog(folder).read()[0] if isinstance(event, Failed)]
    assert "Install the same on every node" in failed.error


@with_ray
def test_doctor_shows_the_cluster(cluster):
    (check,) = doctor._cluster()
    assert check.state == "ok", check
    assert "1 nodes, 2 CPUs, 0 GPUs, Ray " in check.finding


@with_ray
def test_nobody_else_reaches_the_workers_of_this_machine(workers):
    listening = []
    for process in (workers[1], *workers[1].children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):  # workers that are not needed any more end while we look
            listening += [
                connection.laddr.ip.removeprefix("::ffff:")
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            ]
    assert listening
    assert set(listening) == {"127.0.0.1"}
    assert workers[0]["RAY_AUTH_MODE"] == "token"
    assert not os.stat(workers[0]["RAY_AUTH_TOKEN_PATH"]).st_mode & 0o077, "only its user can read the token"


class NoWorkers:
    def launch(self, folder, computes):
        return None

    def alive(self, pid, started):
        return False


@with_ray
def test_an_address_that_does_not_answer_is_one_sentence_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHSTUDIO_STEPS", "tests.jobs.counting")
    monkeypatch.setenv("SYNTHSTUDIO_CLUSTER", "ray://127.0.0.1:1")
    with Studio(tmp_path / "home") as studio:
        run_id, _ = studio.submit(Paint(images=2))
        ended = studio.wait(run_id)
        assert ended.state == "failed"
        assert "The cluster at ray://127.0.0.1:1 does not answer" in ended.error
        assert doctor._cluster()[0].state == "bad"
        monkeypatch.delenv("SYNTHSTUDIO_CLUSTER")
        studio.launcher = ProcessLauncher()
        studio.resume(run_id)
        done(studio, run_id)


def test_without_ray_a_run_says_what_to_install(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
    monkeypatch.setenv("SYNTHSTUDIO_CLUSTER", "local")
    with Studio(tmp_path / "home") as studio:
        ended = studio.wait(studio.submit(Paint(images=2))[0])
    assert ended.state == "failed"
    assert "pip install 'synthstudio[cluster]'" in ended.error


@pytest.mark.parametrize("wrong", ["elsewhere", "http://host:1", "host:99999", "ray://host", "a b:1"])
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(BadInput, match="is no cluster"):
        address.named({address.VARIABLE: wrong})


@pytest.mark.parametrize("right", ["", "local", "auto", "ray://gpu-1.example:10001", "10.0.0.3:6379", "[::1]:6379"])
def test_what_is_an_address_is_taken(right):
    assert address.named({address.VARIABLE: right}) == right


def test_the_size_of_a_worker_is_read():
    assert address.size({}) == (1, None)
    assert address.size({address.WORKER: "cpus=4, gpus=1"}) == (4, 1)
    for wrong in ("cpus=0", "cpus", "gpus=x", "memory=3"):
        with pytest.raises(BadInput, match="cannot be read"):
            address.size({address.WORKER: wrong})


def test_what_was_sent_once_is_not_sent_again_and_damage_is_noticed(tmp_path):
    owner = Workspace.open(tmp_path / "owner", "default")
    photos = {owner.put(coloured("red", number)): "red" for number in range(3)}
    step = Variation(backbone=f"pico@{'a' * 64}", labels=("red",), sources=owner.put_set(set_of(photos)))
    manifest = parcels.needed(owner, step, "run", ("", ""))
    assert set(manifest.blobs) == {*photos, step.sources.partition(":")[2]}
    first = Store(tmp_path / "machine")
    wanted = first.missing(manifest)
    assert len(wanted) == 4
    for pieces in parcels.pieces(owner, manifest, wanted):
        first.receive(pieces)
    assert all(first.workspace.intact(digest) for digest in manifest.blobs)
    assert Store(tmp_path / "machine").missing(manifest) == []
    with pytest.raises(Damaged):
        Store(tmp_path / "other").receive([parcels.Piece(("blob", digest_of(b"this")), b"that", last=True)])


@pytest.mark.parametrize(
    "name", ["../x", "runs/run/events.jsonl", "runs/other/scratch/x", "cache/../../x", "blobs/aa/b"]
)
def test_a_worker_leaves_files_only_where_it_may(name):
    assert not parcels.may_return(name, "run")
    assert parcels.may_return("runs/run/scratch/all/checkpoint", "run")
