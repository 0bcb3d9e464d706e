"""Models named by digest: photos never become one, the kind is checked, changed bytes are noticed on reading."""

import hashlib
import json
import os
import shutil

import pytest

from synthstudio import modelfiles, models
from synthstudio.artifacts import canonical
from synthstudio.errors import BadInput, Damaged, Missing, UnsafeInput
from synthstudio.intake import sources
from synthstudio.models import ASSETS, folder_of, reference
from synthstudio.workspace import Workspace, write_atomically
from tests.engine.hostile import changed, clip_that_runs_code, copy_of
from tests.engine.tiny_clip import make_clip

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "vit", "vit")


@pytest.fixture
def clip(tiny_clip, tmp_path):
    return copy_of(tiny_clip, tmp_path / "clip")


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "home", "toy")


def flipped(file, count=4000):
    """The file with so many bytes changed in its middle, of the same length and with the same time of change."""
    before = file.stat()
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + count] = bytes(byte ^ 0xFF for byte in data[middle : middle + count])
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def snapshot_of(folder, cache, commit="c" * 40):
    """The folder as the Hub's cache keeps it: links to files that are named by their digest."""
    blobs, snapshot = cache / "blobs", cache / "snapshots" / commit
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for file in folder.iterdir():
        data = file.read_bytes()
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324 - Git's own
        name = hashlib.sha256(data).hexdigest() if file.suffix == ".safetensors" else git
        (blobs / name).write_bytes(data)
        (snapshot / file.name).symlink_to(f"../../blobs/{name}")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    return snapshot


@pytest.fixture
def from_hub(clip, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    return snapshot_of(clip, tmp_path / "models--somebody--clip")


def test_the_bundled_models_are_what_they_are_called(workspace):
    for name, purpose in (("pico", "backbone"), ("pico-clip", "encoder")):
        folder = folder_of(reference(name, purpose, workspace), purpose, workspace)
        assert folder == models.MODELS[name].folder


@pytest.mark.parametrize("family", ["tiny_sdxl", "tiny_klein"])
def test_of_a_larger_family_every_part_that_is_read_is_named_and_weights_once(request, workspace, family):
    folder = request.getfixturevalue(family)
    there = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    twice = ["sd_xl_base_1.0.safetensors", "unet/model.onnx", "vae_1_0/diffusion_pytorch_model.safetensors"]
    twice += [name.replace(".safetensors", ".fp16.safetensors") for name in there if name.endswith(".safetensors")]
    index = json.loads((folder / "model_index.json").read_text())
    needed = set(modelfiles.needed([*there, *twice], index, "fp32"))
    assert needed == {name for name in there if not name.endswith(".jinja")}
    halves = modelfiles.needed([*there, *twice], index, "fp16")
    assert all(name.endswith(".fp16.safetensors") for name in halves if name.endswith(".safetensors"))
    assert folder_of(reference(str(folder), "backbone", workspace), "backbone", workspace) == folder


def test_flipped_bytes_in_the_weights_of_a_model_are_noticed_when_it_is_read(workspace, clip):
    ref = reference(str(clip), "encoder", workspace)
    assert folder_of(ref, "encoder", workspace) == clip
    flipped(clip / WEIGHTS)
    for _ in range(2):
        with pytest.raises(Damaged, match="has changed since it was chosen. Choose it again"):
            folder_of(ref, "encoder", workspace)
    assert folder_of(reference(str(clip), "encoder", workspace), "encoder", workspace) == clip


def test_a_model_put_back_as_it_was_serves_again(workspace, clip, tmp_path):
    ref = reference(str(clip), "encoder", workspace)
    kept = copy_of(clip, tmp_path / "kept")
    flipped(clip / WEIGHTS)
    shutil.copyfile(kept / WEIGHTS, clip / WEIGHTS)
    assert folder_of(ref, "encoder", workspace) == clip


def test_weights_that_did_not_change_are_not_read_again(workspace, clip, monkeypatch):
    ref = reference(str(clip), "encoder", workspace)
    monkeypatch.setattr(models, "folder_digest", lambda *_: pytest.fail("the weights were read"))
    assert folder_of(ref, "encoder", workspace) == clip


def test_a_model_of_the_other_kind_is_refused_when_it_is_named_and_when_it_is_read(workspace, clip):
    with pytest.raises(BadInput, match=r"holds no model_index\.json; give a diffusers folder"):
        shutil.copyfile(clip / WEIGHTS, clip / "second.safetensors")
        reference(str(clip), "backbone", workspace)
    ref = reference("pico", "backbone", workspace)
    with pytest.raises(BadInput, match=r"has no open_clip_config\.json"):
        folder_of(ref, "encoder", workspace)


def test_a_folder_that_could_run_code_is_refused_when_it_is_named(workspace, tmp_path):
    folder = clip_that_runs_code(tmp_path / "evil", tmp_path / "marker")
    with pytest.raises(UnsafeInput, match=r"evil\.py is program code"):
        reference(str(folder), "encoder", workspace)
    assert not list(workspace.locations.rglob("*"))


def test_a_folder_that_can_run_code_by_now_is_refused_when_it_is_read(workspace, clip):
    ref = reference(str(clip), "encoder", workspace)
    (clip / "later.py").write_text("print('code')")
    with pytest.raises(UnsafeInput, match=r"later\.py is program code"):
        folder_of(ref, "encoder", workspace)


def test_the_digest_of_photos_names_no_model(workspace, clip):
    source = sources.register(str(clip), workspace)
    with pytest.raises(Missing, match="Name the files or the model again"):
        folder_of(f"evil@{source.removeprefix('source:')}", "encoder", workspace)
    assert len(sources.open_source(source, workspace)) > 0


def test_the_digest_of_a_model_names_no_photos(workspace, clip):
    digest = reference(str(clip), "encoder", workspace).partition("@")[2]
    with pytest.raises(Missing):
        sources.open_source(f"source:{digest}", workspace)


def as_before(workspace, digest, place):
    """An entry as earlier versions wrote it, sources and models in one folder."""
    write_atomically(workspace.locations / digest, canonical({"place": str(place)}))


def test_photos_of_an_earlier_version_open_and_are_still_no_model(workspace, clip, tmp_path):
    digest = sources.register(str(clip), workspace).removeprefix("source:")
    shutil.rmtree(workspace.locations)
    as_before(workspace, digest, clip)
    assert len(sources.open_source(f"source:{digest}", workspace)) > 0
    with pytest.raises(Damaged, match="Choose it again"):
        folder_of(f"evil@{digest}", "encoder", workspace)


def test_a_model_of_an_earlier_version_opens_and_is_no_source(workspace, clip):
    ref = reference(str(clip), "encoder", workspace)
    digest = ref.partition("@")[2]
    shutil.rmtree(workspace.locations)
    as_before(workspace, digest, clip)
    with pytest.raises(Damaged):
        sources.open_source(f"source:{digest}", workspace)
    assert folder_of(ref, "encoder", workspace) == clip
    (workspace.locations / digest).unlink()
    assert folder_of(ref, "encoder", workspace) == clip, "it is remembered among the models from now on"


def test_a_snapshot_of_the_hub_is_named_by_its_commit_and_changed_files_are_noticed(workspace, from_hub):
    ref = reference("somebody/clip", "encoder", workspace)
    assert ref == f"somebody--clip@{'c' * 40}"
    assert folder_of(ref, "encoder", workspace) == from_hub
    flipped((from_hub / WEIGHTS).resolve())
    with pytest.raises(Damaged, match="has changed since it was chosen"):
        folder_of(ref, "encoder", workspace)
    with pytest.raises(Damaged, match="not what the Hub sent. Delete that folder and fetch it again"):
        reference("somebody/clip", "encoder", workspace)


def test_a_snapshot_of_an_earlier_version_is_compared_with_what_the_hub_said(workspace, from_hub):
    as_before(workspace, "c" * 40, from_hub)
    assert folder_of(f"somebody--clip@{'c' * 40}", "encoder", workspace) == from_hub
    shutil.rmtree(workspace.locations)
    as_before(workspace, "c" * 40, from_hub)
    changed((from_hub / "open_clip_config.json").resolve(), lambda body: body["model_cfg"].update(quick_gelu=True))
    with pytest.raises(Damaged, match="has changed"):
        folder_of(f"somebody--clip@{'c' * 40}", "encoder", workspace)


def test_a_folder_of_photos_does_not_pass_for_a_snapshot_of_an_earlier_version(workspace, clip):
    as_before(workspace, "c" * 40, clip)
    with pytest.raises(Damaged):
        folder_of(f"evil@{'c' * 40}", "encoder", workspace)


def test_the_known_configurations_are_read_as_they_are():
    from synthstudio.modelfolder import open_clip_config

    folder = ASSETS / "pico" / "clip"
    assert open_clip_config(folder).written() == json.loads((folder / "open_clip_config.json").read_text())
