"""What we and other tools write into images is read; what is broken, huge or hostile is one sentence."""

import json
import struct
import zlib

import pytest
from PIL import Image

from synthstudio.errors import BadInput
from synthstudio.intake.image_notes import read, sampler_of
from tests.intake.nasty import good, photo, saved
from tests.intake.test_png_text import chunk, noted

A1111 = """a photo of a cat, (detailed:1.2) <lora:fur:0.8>
second line
Negative prompt: blurry, {ugly
Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 4294967295, Size: 512x768, Model hash: 6ce0161689, Model: v1-5, Denoising strength: 0.4, Lora hashes: "fur: 1234, b: 5", Version: v1.9"""  # noqa: E501
COMFY = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 2**63 + 1, "steps": 8, "cfg": 3.5, "scheduler": "karras",
          "sampler_name": "euler_ancestral", "denoise": 1, "model": ["10", 0], "positive": ["6", 0],
          "negative": ["7", 0],          "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 1024, "height": 768}},
    "6": {"class_type": "ControlNetApply", "inputs": {"conditioning": ["8", 0]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry"}},
    "8": {"class_type": "CLIPTextEncode", "inputs": {"text": "a dog", "clip": ["4", 1]}},
    "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "fur.safetensors", "model": ["4", 0]}},
}  # fmt: skip
INVOKE = {
    "positive_prompt": "a bird", "negative_prompt": "", "seed": 5, "cfg_scale": 4, "steps": 30,
    "scheduler": "dpmpp_2m_k", "width": 64, "height": 64, "strength": 0.7,
    "model": {"name": "sd-1", "hash": "blake3:abc"}, "loras": [{"model": {"name": "fur"}, "weight": 1}],
}  # fmt: skip


def text(keyword, value):
    body = value if isinstance(value, str) else json.dumps(value)
    return noted(chunk(b"tEXt", keyword.encode() + b"\0" + body.encode("latin-1")))


def test_what_automatic1111_wrote_is_read():
    found = read(text("parameters", A1111))
    assert found.prompt == "a photo of a cat, (detailed:1.2) \nsecond line" and found.adapters == ("fur",)
    assert found.negative_prompt == "blurry, {ugly"
    assert (found.seed, found.guidance_scale, found.inference_steps) == (4294967295, 7.5, 20)
    assert (found.sampler, found.strength, found.model, found.width) == ("dpm++", 0.4, "v1-5", 512)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("letters", "encoding"), [(b"UNICODE\0", "utf-16-be"), (b"UNICODE\0", "utf-16-le"), (b"ASCII\0\0\0", "ascii")]
)
def test_the_same_text_is_read_from_a_jpeg_and_a_webp(kind, letters, encoding, tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = letters + A1111.encode(encoding)
    photo().save(tmp_path / "a", kind, exif=exif)
    assert read((tmp_path / "a").read_bytes()) == read(text("parameters", A1111))


def test_a_graph_of_comfyui_is_followed_to_its_texts_and_model():
    found = read(text("prompt", COMFY))
    assert (found.prompt, found.negative_prompt, found.model) == ("a dog", "blurry", "sdxl")
    assert (found.seed, found.sampler, found.strength, found.width) == (2**63 + 1, "euler_a", None, 1024)
    assert found.adapters == ("fur.safetensors",)


def test_what_invokeai_wrote_is_read():
    found = read(text("invokeai_metadata", INVOKE))
    assert (found.prompt, found.seed, found.sampler, found.strength) == ("a bird", 5, "dpm++", 0.7)
    assert (found.model, found.model_digest, found.adapters) == ("sd-1", "abc", ("fur",))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("DPM++ 2M", "dpm++"), ("DPM++ 2M SDE Karras", "dpm++sde"), ("Euler a", "euler_a"), ("uni_pc", "unipc"),
     ("LCM", "lcm"), ("Restart", None), ("", None)],
)  # fmt: skip
def test_solvers_have_our_names(theirs, ours):
    assert sampler_of(theirs) == ours


def test_an_image_without_notes_says_nothing():
    assert read(good()) is None and read(saved(photo(), "JPEG")) is None and read(saved(photo(), "WEBP")) is None


def test_numbers_that_cannot_be_are_left_out_and_half_characters_too():
    found = read(
        text("invokeai_metadata", INVOKE | {"seed": -1, "cfg_scale": float("inf"), "steps": True, "strength": "x"})
    )
    assert (found.seed, found.guidance_scale, found.inference_steps, found.strength) == (None, None, None, None)
    assert read(text("invokeai_metadata", '{"positive_prompt": "a\\ud800\\u0000b"}')).prompt == "ab"


def _circle():
    return {"1": {"class_type": "KSampler", "inputs": {"cfg": 1, "positive": ["1", 0], "model": ["1", 0]}}}


def test_a_graph_that_leads_in_circles_has_no_prompt():
    assert read(text("prompt", _circle())).prompt == ""


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GIF89a", "no PNG, JPEG or WebP"),
        (text("prompt", "[" * 100_000), "cannot be read"),
        (text("prompt", "[1]"), "no table"),
        (text("prompt", {"1": {"class_type": "Load"}}), "without a sampler"),
        (text("workflow", "{}"), "without the values"),
        (text("synthstudio", "{torn"), "cannot be read"),
        (noted(chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(50 << 20), 9))), "longer than 256 kB"),
        (b"RIFF\0\0\0\0WEBPEXIF" + struct.pack("<I", 2**31), "longer than any settings"),
        (b"RIFF\0\0\0\0WEBPEXIF" + struct.pack("<I", 8) + b"MM\0*\xff\xff\xff\xff", "damaged"),
        (b"RIFF\0\0\0\0WEBPEXIF" + struct.pack("<I", 4) + b"oops", "damaged"),
        (good()[:70], "cut short"),
    ],
)
def test_everything_else_is_refused_in_one_sentence(data, says):
    with pytest.raises(BadInput, match=says):
        read(data)


def test_cut_files_of_every_kind_end_in_a_sentence_or_in_nothing(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + A1111.encode()
    for kind in ("JPEG", "WEBP"):
        photo().save(tmp_path / kind, kind, exif=exif)
        whole = (tmp_path / kind).read_bytes()
        for end in range(0, 900, 7):
            try:
                read(whole[:end])
            except BadInput as error:
                assert str(error).endswith(".")
