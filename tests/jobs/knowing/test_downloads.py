"""Models of the Hub: what is fetched, cut lines, stopping, what is refused; against a server that acts as it."""

import json
import shutil

import pytest

import synthstudio
from synthstudio import hub, modelfiles, models, weightfile
from synthstudio.cli.doctor import _model
from synthstudio.errors import BadInput, Damaged, Missing, NotFetched, RunFailed, UnknownName
from synthstudio.jobs import Studio
from synthstudio.jobs.knowing import downloads
from synthstudio.jobs.public.quotas import Quota
from synthstudio.jobs.running.environment import for_workers
from synthstudio.jobs.running.launchers import ProcessLauncher
from synthstudio.step import build
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.session.place import Place, place
from tests.engine.hostile import changed
from tests.hubserver import Hub, Repository
from tests.jobs.conftest import tick_until
from tests.jobs.inline import InlineLauncher
from tests.jobs.knowing.hubmodels import CARD, HALF, INDEX, UNET, files_of


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weight files by (type, numbers), each with other bytes than the next."""
    folder = tmp_path_factory.mktemp("weights")

    def made(kind, numbers, salt=0):
        each = {"F16": 2, "F32": 4}[kind]
        data = bytes((i * 7 + salt) % 251 for i in range(1000)) * (numbers * each // 1000)
        weightfile.write(folder / "w.safetensors", {"w": (kind, (len(data) // each,), data)}, {})
        return (folder / "w.safetensors").read_bytes()

    return made


@pytest.fixture
def repository(weights):
    return Repository(files_of(weights), licence="openrail")


@pytest.fixture
def served(repository, tmp_path, monkeypatch):
    found = Hub(somebody__sd=repository)
    monkeypatch.setenv("HF_ENDPOINT", found.address)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    yield found
    found.close()


@pytest.fixture
def studio(served, tmp_path):
    with Studio(tmp_path / "home", launcher=InlineLauncher()) as opened:
        yield opened


def fetched(studio, name="somebody/sd", **fields):
    return studio.wait(downloads.ask(studio, name, **fields))


def model_of(studio, run):
    return studio.catalog.runs.outputs(run.id)["model"]


def names_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_one_precision_of_the_parts_that_are_read_is_fetched_and_nothing_besides(studio, served):
    run = fetched(studio)
    assert run.state == "done", run.error
    assert names_in(hub.snapshot("somebody/sd")) == HALF
    assert {name for name, _ in served.asked} == HALF
    assert (run.done, run.total, run.unit) == (3, 3, "MB")
    (note,) = [one["text"] for one in studio.catalog.runs.notes(run.id)]
    assert "10 of 22 files are needed, 3 of 4 MB" in note and "licence: openrail" in note


def test_half_precision_is_another_model_than_full_and_both_are_named_by_what_they_are(studio, served, repository):
    half = model_of(studio, fetched(studio))
    assert half.startswith("somebody--sd@") and len(half.partition("@")[2]) == 64
    assert models.reference("somebody/sd", "backbone", studio.workspace) == half
    assert models.folder_of(half, "backbone", studio.workspace) == hub.snapshot("somebody/sd")
    shutil.rmtree(hub.cache())
    run = fetched(studio, precision="fp32")
    assert model_of(studio, run) == f"somebody--sd@{repository.commit}"
    assert {name for name in names_in(hub.snapshot("somebody/sd")) if name.endswith(".safetensors")} == {
        "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    }  # fmt: skip
    with pytest.raises(Damaged, match="has changed since it was chosen"):
        models.folder_of(half, "backbone", studio.workspace)


def test_what_other_programs_fetch_beside_it_changes_no_model(studio, served, repository):
    run = fetched(studio, precision="fp32")
    found = hub.listing("somebody/sd")
    others = [file for file in found.files if "fp16" in file.name or "safety" in file.name]
    for _ in hub.fetch(found, others, studio.workspace.root / "aside"):
        pass
    ref = model_of(studio, run)
    assert models.folder_of(ref, "backbone", studio.workspace)
    assert models.reference("somebody/sd", "backbone", studio.workspace) == ref


def test_a_line_that_is_lost_once_is_taken_up_where_it_was_cut(studio, served, repository):
    at = len(repository.files[UNET]) * 6 // 10
    repository.cut[UNET] = (at, 1)
    assert fetched(studio).state == "done"
    first, second = (start for name, start in served.asked if name == UNET)
    assert (first, second) == (0, at)


def test_a_download_that_is_cut_at_60_percent_fails_in_words_and_is_resumed_there(studio, served, repository):
    at = len(repository.files[UNET]) * 6 // 10
    repository.cut[UNET] = (at, 99)
    run = fetched(studio)
    assert run.state == "failed"
    assert "was lost at 1 of 2 MB" in run.error and "resume when there is a connection" in run.error
    assert hub.snapshot("somebody/sd") is None
    with pytest.raises(NotFetched, match="python -m synthstudio fetch somebody/sd"):
        models.reference("somebody/sd", "backbone", studio.workspace)
    repository.cut.clear()
    served.asked.clear()
    assert fetched(studio).id == run.id, "asking again goes on with the same run"
    assert studio.catalog.runs.get(run.id).state == "done"
    assert served.asked[0] == (UNET, at)
    blob = (hub.snapshot("somebody/sd") / UNET).resolve()
    assert blob.read_bytes() == repository.files[UNET]


def test_a_stopped_download_keeps_its_pieces_and_goes_on_with_them_in_a_worker_of_its_own(
    served, repository, tmp_path, monkeypatch
):
    repository.seconds_each = 0.05
    with Studio(tmp_path / "home", launcher=ProcessLauncher()) as studio:
        run_id = downloads.ask(studio, "somebody/sd")
        tick_until(studio, lambda: studio.catalog.runs.get(run_id).done >= 1)
        studio.stop(run_id)
        assert studio.wait(run_id).state == "stopped"
        (part,) = (studio.workspace.run_folder(run_id) / "scratch").glob("*.part")
        size = part.stat().st_size
        assert 0 < size < len(repository.files[UNET])
        assert list(downloads.going(studio)) == ["somebody/sd"]
        repository.seconds_each = 0.0
        studio.resume(run_id)
        assert studio.wait(run_id).state == "done"
        assert (UNET, size) in served.asked
        assert not list((studio.workspace.run_folder(run_id) / "scratch").glob("*.part"))
        assert downloads.going(studio) == {}


def test_a_model_whose_files_were_deleted_is_fetched_again_when_it_is_asked_for(studio, served):
    run = fetched(studio)
    with pytest.raises(BadInput, match="is on this machine already"):
        downloads.ask(studio, "somebody/sd")
    shutil.rmtree(hub.cache())
    assert fetched(studio).id == run.id
    assert hub.snapshot("somebody/sd") is not None


def test_a_file_that_is_listed_and_not_there_is_said_by_name(studio, served, repository):
    repository.lost.add("vae/config.json")
    run = fetched(studio)
    assert run.state == "failed" and "lists vae/config.json and does not have it" in run.error
    assert hub.snapshot("somebody/sd") is None


def test_bytes_that_are_not_the_ones_that_were_listed_are_thrown_away(studio, served, repository):
    repository.wrong.add(UNET)
    run = fetched(studio)
    assert run.state == "failed" and "came out other than the Hub said" in run.error
    assert not list((studio.workspace.run_folder(run.id) / "scratch").glob("*.part"))


UNUSABLE = {
    "no settings for its text_encoder": lambda name: name == "text_encoder/config.json",
    "no safetensors weights for its vae": lambda name: name.startswith("vae/diff"),
    "is there as a pickle only": lambda name: name.startswith("unet/") and name.endswith(".safetensors"),
    "holds no model_index.json of diffusers": lambda name: name == "model_index.json",
    "in half precision only. Ask for fp16": lambda name: name == "unet/diffusion_pytorch_model.safetensors",
}


def test_a_repository_without_what_is_needed_is_refused_before_anything_large_is_fetched(studio, served, repository):
    whole = dict(repository.files)
    for said, left_out in UNUSABLE.items():
        repository.files = {name: data for name, data in whole.items() if not left_out(name)}
        run = fetched(studio, precision="fp32" if "half" in said else "fp16")
        assert run.state == "failed" and said in run.error and run.error.startswith("somebody/sd cannot be used.")
    assert {name for name, _ in served.asked} == {"model_index.json"}


def test_a_model_that_asks_for_code_is_fetched_and_refused(studio, served, repository):
    repository.files["model_index.json"] = json.dumps({**INDEX, "unet": ["mine", "Evil"]}).encode()
    run = fetched(studio)
    assert run.state == "failed" and "which is not a class of diffusers" in run.error
    with pytest.raises(BadInput):
        models.reference("somebody/sd", "backbone", studio.workspace)
    assert downloads.shelf(studio.workspace)[-1].name != "somebody/sd"


def test_names_of_files_that_lead_elsewhere_are_no_files(studio, served, repository):
    repository.files |= {"unet/../../../evil.json": b"x", "/etc/evil.json": b"x", "unet/.hidden.json": b"x"}
    names = {file.name for file in hub.listing("somebody/sd").files}
    assert not any("evil" in name or "hidden" in name for name in names) and names >= HALF


def test_whatever_the_hub_refuses_is_said_with_what_to_do(studio, served, repository, monkeypatch):
    assert "no model 'nobody/nothing'" in fetched(studio, "nobody/nothing").error
    repository.gated = True
    assert "accept its terms first" in fetched(studio).error and "hf auth login" in fetched(studio).error
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in fetched(studio, precision="fp32").error
    with pytest.raises(UnknownName, match="sd15"):
        downloads.ask(studio, "sd51")
    with pytest.raises(BadInput, match="needs no download"):
        downloads.ask(studio, "pico")
    for name in ("../../etc/passwd", "a/b/c", "https://evil/x", "somebody/.."):
        with pytest.raises(BadInput):
            downloads.ask(studio, name)


def test_a_disk_without_room_is_said_before_a_byte_is_fetched(studio, served, monkeypatch):
    monkeypatch.setattr(hub, "_ROOM", 1 << 60)
    run = fetched(studio)
    assert run.state == "failed" and "Free some space" in run.error and served.asked == []


def test_an_encoder_is_fetched_once_though_its_repository_has_it_three_times(
    studio, served, colours_clip, weights, monkeypatch
):
    files = {path.name: path.read_bytes() for path in colours_clip.iterdir()}
    others = {"model.safetensors": weights("F32", 5000), "pytorch_model.bin": b"x", "README.md": CARD}
    served.repositories["laion/CLIP-ViT-B-16-laion2B-s34B-b88K"] = Repository({**files, **others})
    run = fetched(studio, "vit-b-16-laion2b")
    assert run.state == "done", run.error
    assert {name for name, _ in served.asked} == {*files, "README.md"}
    assert model_of(studio, run).startswith("vit-b-16-laion2b@")
    found = next(one for one in downloads.shelf(studio.workspace) if one.name == "vit-b-16-laion2b")
    assert (found.where, found.precision) == ("hub cache", "fp32")


def test_the_shelf_says_of_each_model_its_place_its_size_its_licence_and_its_memory(studio, served, colours_clip):
    models.reference(str(colours_clip), "encoder", studio.workspace)
    fetched(studio)
    found = {one.name: one for one in downloads.shelf(studio.workspace)}
    assert {name: found[name].where for name in ("pico", "lite0", "sd15", "somebody/sd", colours_clip.name)} == {
        "pico": "bundled", "lite0": "package", "sd15": "not here", "somebody/sd": "hub cache", "clip": "project",
    }  # fmt: skip
    sd = found["somebody/sd"]
    assert (sd.licence, sd.precision, sd.purpose) == ("openrail", "fp16", "backbone")
    assert sd.bytes == sum(path.stat().st_size for path in modelfiles.local(hub.snapshot("somebody/sd")))
    assert sd.parameters == 1_500_000 + 20_000 + 20_000
    assert sd.memory[0] == 2 * sd.memory[1] > 4 * sd.parameters
    assert found["sd15"].licence == "CreativeML Open RAIL-M" and found["sd15"].bytes > 2e9
    assert not any(one.damaged for one in found.values())
    assert {_model(one).state for one in found.values()} == {"ok", "warn"}


def test_from_python_a_model_that_is_not_here_is_fetched_before_it_is_used(served, tmp_path):
    with synthstudio.open(tmp_path / "home", progress=False) as project:
        studio = project._studio
        studio.launcher = InlineLauncher()
        ref = downloads.provided(
            studio, lambda: models.reference("somebody/sd", "backbone", studio.workspace), project._fetched
        )
        assert ref.startswith("somebody--sd@")
        with pytest.raises(RunFailed, match="nobody/it was not fetched: it is failed. The Hub has no model"):
            project.run("datadream", data="digits", backbone="nobody/it")


def test_what_was_fetched_in_half_precision_draws(studio, served, tiny_sd, tmp_path):
    import torch

    from synthstudio.engine import backbones

    half = shutil.copytree(tiny_sd, tmp_path / "half")
    for path in [*half.rglob("*.safetensors")]:
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    files = {path.relative_to(half).as_posix(): path.read_bytes() for path in half.rglob("*") if path.is_file()}
    served.repositories["somebody/tiny"] = Repository({**files, "safety_checker/model.safetensors": b"x" * 9000})
    ref = model_of(studio, fetched(studio, "somebody/tiny"))
    loaded = backbones.load(models.folder_of(ref, "backbone", studio.workspace), torch.device("cpu"))
    assert loaded.encode_prompts(["a photo of a cat"]).shape == (1, 77, 16)


def test_shards_go_with_their_table_of_contents():
    names = [
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors.index.json",
        "unet/diffusion_pytorch_model.safetensors.index.fp16.json",
        *(f"unet/diffusion_pytorch_model-{n:05d}-of-00002.safetensors" for n in (1, 2)),
        *(f"unet/diffusion_pytorch_model.fp16-{n:05d}-of-00002.safetensors" for n in (1, 2)),
        *(f"unet/model-{n:05d}-of-00002.fp16.safetensors" for n in (1, 2)),
    ]  # fmt: skip
    index = {"_class_name": "X", "unet": ["diffusers", "UNet2DConditionModel"]}
    half = modelfiles.needed(names, index, "fp16")
    assert len([name for name in half if "fp16" in name]) == len(half) - 2 == 5
    assert not any("fp16" in name for name in modelfiles.needed(names, index, "fp32"))
    assert modelfiles.needed(names, index, None) == modelfiles.needed(names, index, "fp32")


def test_only_the_worker_of_a_download_is_told_how_to_reach_the_hub():
    told = {"HF_TOKEN": "t", "HF_ENDPOINT": "e", "HTTPS_PROXY": "p", "PATH": "x", "SYNTHSTUDIO_PASSWORD": "s"}
    assert for_workers(told, connects=True) == {name: told[name] for name in told if name != "SYNTHSTUDIO_PASSWORD"}
    assert for_workers(told) == {"PATH": "x", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@pytest.mark.parametrize(
    ("allowed", "name", "said"),
    [(False, "sd15", "downloaded here by who runs this Space"), (True, "somebody/sd", "Only the models known by name")],
)
def test_on_a_public_copy_visitors_download_nothing_unless_its_owner_lets_them(
    served, tmp_path, monkeypatch, allowed, name, said
):
    assert place({"SPACE_ID": "x", "SYNTHSTUDIO_DOWNLOADS": "on"}, tmp_path).downloads
    assert not place({"SPACE_ID": "x"}, tmp_path).downloads
    session = SpaceSession(tmp_path / "public", None, Place(public=True, downloads=allowed), Quota())
    try:
        studio = session._demo_house().studio
        with pytest.raises(BadInput, match=said):
            downloads.ask(studio, name)
        with pytest.raises(BadInput, match=said):
            studio.submit(build("collect.model", {"repository": models.MODELS[name].hub if "/" not in name else name}))
        assert studio.catalog.runs.all() == []
        if allowed:
            assert studio.catalog.runs.get(downloads.ask(studio, "sd15")).kind == "collect.model"
    finally:
        session.close()


def test_an_entry_of_before_that_counted_every_file_of_a_snapshot_still_opens(studio, served):
    ref = model_of(studio, fetched(studio, precision="fp32"))
    digest = ref.partition("@")[2]
    folder = hub.snapshot("somebody/sd")
    (folder / "safety_checker").mkdir()
    (folder / "safety_checker" / "config.json").write_text("{}")
    whole = models.folder_digest(folder, models._WHAT_A_MODEL_IS)
    studio.workspace.locate("models", digest, str(folder), content=whole, seen="another time")
    assert models.folder_of(ref, "backbone", studio.workspace) == folder
    changed((folder / "model_index.json").resolve(), lambda body: body.update(more=1))
    with pytest.raises((Damaged, Missing)):
        models.folder_of(ref, "backbone", studio.workspace)


def test_pieces_on_another_disk_than_the_cache_appear_there_whole(studio, served, repository, monkeypatch):
    import errno
    import os

    plain = os.replace

    def other_disk(source, target):
        if str(source).endswith(".part") and "scratch" in str(source):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        plain(source, target)

    monkeypatch.setattr(os, "replace", other_disk)
    assert fetched(studio).state == "done"
    assert (hub.snapshot("somebody/sd") / UNET).resolve().read_bytes() == repository.files[UNET]
    assert not list(studio.workspace.runs.rglob("*.part"))


def test_half_a_file_under_the_name_of_a_whole_one_is_fetched_again(studio, served, repository):
    listed = next(file for file in hub.listing("somebody/sd").files if file.name == UNET)
    blob = hub.cache() / "models--somebody--sd" / "blobs" / listed.digest
    blob.parent.mkdir(parents=True)
    blob.write_bytes(repository.files[UNET][:1000])
    assert fetched(studio).state == "done"
    assert blob.read_bytes() == repository.files[UNET]
