"""A model folder of a stranger: nothing in it is run, and nothing of its configurations is read that is not known."""

import json
import os
import sys

import open_clip
import pytest
import torch

from synthstudio import modelfolder
from synthstudio.engine import backbones, encoders
from synthstudio.errors import BadInput, UnsafeInput
from synthstudio.modelfolder import OPEN_CLIP
from tests.engine.drawing import CPU
from tests.engine.hostile import changed, clip_that_runs_code, copy_of
from tests.engine.tiny_clip import SIZE, make_clip


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "vit", "vit")


@pytest.fixture
def clip(tiny_clip, tmp_path):
    return copy_of(tiny_clip, tmp_path / "clip")


@pytest.fixture
def backbone(tiny_sd, tmp_path):
    return copy_of(tiny_sd, tmp_path / "model")


@pytest.mark.parametrize("left", [{}, {"evil.py"}, {"evil.py", "tokenizer_config.json"}])
def test_loading_an_encoder_runs_nothing_of_its_folder(tmp_path, monkeypatch, left):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = clip_that_runs_code(tmp_path / "evil", tmp_path / "marker")
    for name in left:
        (folder / name).unlink()
    with pytest.raises(UnsafeInput, match=r"evil/(evil\.py|tokenizer_config\.json|open_clip_config\.json) "):
        encoders.load(folder, CPU)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    ("tower", "key", "value"),
    [
        ("text_cfg", "hf_tokenizer_name", "bert-base-uncased"),
        ("text_cfg", "hf_model_name", "roberta-base"),
        ("text_cfg", "tokenizer_kwargs", {"trust_remote_code": True}),
        ("vision_cfg", "hf_anything", "x"),
    ],
)
def test_a_configuration_that_asks_transformers_is_refused_by_file_and_key(clip, tower, key, value):
    changed(clip / OPEN_CLIP, lambda body: body["model_cfg"][tower].update({key: value}))
    with pytest.raises(UnsafeInput, match=f"clip/open_clip_config.json sets '.*{key}'"):
        encoders.load(clip, CPU)


@pytest.mark.parametrize("name", ["hf-hub:somebody/model", "local-dir:/etc", "somebody/model", "../model"])
def test_a_timm_tower_is_a_name_of_timms_own_table(clip, name):
    changed(clip / OPEN_CLIP, lambda body: body["model_cfg"]["vision_cfg"].update(timm_model_name=name))
    with pytest.raises(BadInput, match="timm_model_name"):
        encoders.load(clip, CPU)


def test_a_timm_tower_is_built_without_fetching_weights(clip):
    tower = {"image_size": 32, "timm_model_name": "test_vit", "timm_model_pretrained": True, "timm_pool": "avg"}
    changed(clip / OPEN_CLIP, lambda body: body["model_cfg"].update(vision_cfg=tower))
    assert "timm_model_pretrained" not in modelfolder.open_clip_config(clip).written()["model_cfg"]["vision_cfg"]
    with pytest.raises(BadInput, match="cannot be read as an open_clip model .*state_dict"):
        encoders.load(clip, CPU)  # the network was built; the weights in the folder are those of another


@pytest.mark.parametrize(("key", "value"), [("unheard_of", 1), ("width", 10**9), ("layers", "many"), ("heads", None)])
def test_an_unknown_key_or_value_is_a_sentence(clip, key, value):
    changed(clip / OPEN_CLIP, lambda body: body["model_cfg"]["text_cfg"].update({key: value}))
    with pytest.raises(BadInput, match=f"open_clip_config.json, model_cfg.text_cfg.{key}"):
        encoders.load(clip, CPU)


def test_a_name_that_is_empty_asks_for_nothing(clip):
    changed(
        clip / OPEN_CLIP, lambda body: body["model_cfg"]["text_cfg"].update(hf_tokenizer_name="", hf_model_name=None)
    )
    assert encoders.load(clip, CPU).embed_texts(["a dog"]).shape == (1, 24)


def test_every_architecture_of_open_clip_without_transformers_is_known_as_it_is_written(tmp_path):
    for name in open_clip.list_models():
        config = open_clip.get_model_config(name)
        (tmp_path / OPEN_CLIP).write_text(json.dumps({"model_cfg": config}))
        if any(key.startswith("hf_") for key in config["text_cfg"]):
            with pytest.raises(UnsafeInput):
                modelfolder.open_clip_config(tmp_path)
            continue
        config["vision_cfg"].pop("timm_model_pretrained", None)
        assert modelfolder.open_clip_config(tmp_path).written() == {"model_cfg": config}


@pytest.mark.parametrize("tower", ["vit", "resnet"])
@pytest.mark.parametrize("gelu", [False, True])
def test_a_harmless_folder_gives_the_model_that_open_clips_own_factory_gives(tmp_path, tower, gelu):
    folder = make_clip(tmp_path / "clip", tower)
    changed(folder / OPEN_CLIP, lambda body: body["model_cfg"].update(quick_gelu=gelu))
    ours = encoders.load(folder, CPU)
    theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    words = open_clip.get_tokenizer(f"local-dir:{folder}")(["a photo of a dog", "x" * 90])
    picture = torch.rand(2, 3, SIZE[tower], SIZE[tower])
    with torch.inference_mode():
        assert torch.equal(ours.tokens(["a photo of a dog", "x" * 90]), words)
        assert torch.allclose(ours.model.encode_text(words), theirs.eval().encode_text(words), atol=1e-5)
        assert torch.allclose(ours.model.encode_image(picture), theirs.encode_image(picture), atol=1e-5)
    assert repr(ours._geometry) == repr(transform.transforms[:-1])


# ---- diffusers folders


def with_index(part, named):
    return lambda folder: changed(folder / "model_index.json", lambda body: body.update({part: named}))


def with_key(file, key, value):
    return lambda folder: changed(folder / file, lambda body: body.update({key: value}))


def with_file(name, text="print('code')"):
    return lambda folder: (folder / name).write_text(text)


def with_shard(name):
    body = {"metadata": {}, "weight_map": {"a": name}}
    return with_file("unet/diffusion_pytorch_model.safetensors.index.json", json.dumps(body))


def with_link(name, target):
    def spoil(folder):
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (with_index("_class_name", ["pipeline", "Mine"]), "model_index.json sets '_class_name'"),
        (with_index("unet", ["my_unet", "MyUNet"]), "model_index.json names .* as its 'unet'"),
        (with_index("unet", ["diffusers", "AutoPipelineForText2Image"]), "model_index.json names .* as its 'unet'"),
        (with_index("text_encoder", ["transformers", "AutoModel"]), "names .* as its 'text_encoder'"),
        (with_index("extra", ["os", "system"]), "names .* as its 'extra'"),
        (with_index("_custom_pipeline", [{"a": 1}]), "names .* as its '_custom_pipeline'"),
        (
            with_key("text_encoder/config.json", "auto_map", {"AutoModel": "a.B"}),
            "text_encoder/config.json sets 'auto_m",
        ),
        (
            with_key("tokenizer/tokenizer_config.json", "auto_map", {"AutoTokenizer": "a.B"}),
            "tokenizer_config.json sets",
        ),
        (with_key("unet/config.json", "nested", [{"custom_pipeline": "x"}]), "unet/config.json sets 'custom_pipeline'"),
        (with_file("unet/my_unet.py"), "unet/my_unet.py is program code"),
        (with_file("tokenizer/native.SO"), "native.SO is program code"),
        (with_shard("/tmp/pickle.bin"), "index.json names '/tmp/pickle.bin'"),
        (with_shard("../vae/diffusion_pytorch_model.safetensors"), "no safetensors file beside it"),
        (with_link("unet/more.json", "/etc/hostname"), "unet/more.json is a link that leads out"),
        (with_link("more", "/etc"), "more is a link that leads out"),
        (with_file("vae/notes.json", "[" * 100_000), "vae/notes.json is no readable JSON"),
        (with_file("vae/notes.json", " " * (5 << 20)), "too large for a configuration"),
    ],
)
def test_a_backbone_that_could_run_code_is_refused_by_file_and_key(backbone, spoil, says):
    spoil(backbone)
    with pytest.raises(BadInput, match=says):
        backbones.load(backbone, CPU)


def test_what_diffusers_and_transformers_would_follow_is_not_shown_to_them(backbone, tmp_path):
    changed(backbone / "text_encoder" / "config.json", lambda body: body.update(attn_implementation="somebody/kernel"))
    changed(backbone / "unet" / "config.json", lambda body: body.update(quantization_config={"quant_method": "gguf"}))
    (backbone / "text_encoder" / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "somebody/other", "peft_type": "LORA"})
    )
    (backbone / "tokenizer" / "special_tokens_map.json").write_text(json.dumps({"vocab": str(tmp_path / "other.json")}))
    loaded = backbones.load(backbone, CPU)
    assert loaded.encode_prompts(["a dog"]).shape == (1, 77, 16)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes there")
def test_a_pipe_in_a_model_is_not_waited_for(backbone):
    os.mkfifo(backbone / "config.json")
    with pytest.raises(UnsafeInput, match="no plain file"):
        backbones.load(backbone, CPU)


def test_links_within_the_folder_and_within_the_cache_of_the_hub_are_followed(tiny_clip, tmp_path):
    blobs = tmp_path / "models--somebody--clip" / "blobs"
    snapshot = tmp_path / "models--somebody--clip" / "snapshots" / ("c" * 40)
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(tiny_clip.iterdir())):
        (blobs / f"blob{number}").write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(f"../../blobs/blob{number}")
    (snapshot / "same.json").symlink_to(OPEN_CLIP)
    assert encoders.load(snapshot, CPU).scale > 0
