"""How an image was made, as its file says: what we, AUTOMATIC1111, ComfyUI and InvokeAI write into PNG, JPEG and WebP.

A file is a stranger's. Chunks are walked and never decoded, what is packed is unpacked within bounds (`png_text`),
numbers that cannot be are left out, texts are cut, links between nodes are followed so many times and no further.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from synthstudio.errors import BadInput
from synthstudio.intake import exif_text, png_text

OURS, A1111, COMFY, INVOKE = "SynthStudio", "AUTOMATIC1111", "ComfyUI", "InvokeAI"
_LONGEST_TEXT, _LONGEST_NAME, _MOST_ADAPTERS, _MOST_STEPS_BACK = 5000, 200, 20, 50
_SETTING = re.compile(r'(?:^|,)\s*([A-Za-z][\w .-]{0,60}):\s*("(?:[^"\\]|\\.)*"|[^,]*)')
_LORA = re.compile(r"<(?:lora|lyco):([^:<>]{1,200})(?::[^<>]{0,40})?>")
_PARAMETERS = "parameters"  # in PNGs; JPEG and WebP keep the same text as the user comment of their EXIF
_SAMPLERS = {  # what other tools call solvers, in small letters and digits, and what we do
    "dpm2m": "dpm++", "dpmpp2m": "dpm++", "dpmsolvermultistep": "dpm++", "dpmppsde": "dpm++sde", "dpmsde": "dpm++sde",
    "dpm2msde": "dpm++sde", "dpmpp2msde": "dpm++sde", "euler": "euler", "eulera": "euler_a",
    "eulerancestral": "euler_a", "heun": "heun", "ddim": "ddim", "ddpm": "ddpm", "unipc": "unipc", "pndm": "pndm",
    "plms": "pndm", "lcm": "lcm",
}  # fmt: skip


@dataclass(frozen=True)
class Notes:
    """What was read. `request`, `index` and `made` are there where we wrote them; `seed` is the image's own."""

    tool: str
    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    guidance_scale: float | None = None
    inference_steps: int | None = None
    sampler: str | None = None  # in our words
    said_sampler: str = ""  # in theirs
    strength: float | None = None
    width: int | None = None
    height: int | None = None
    model: str = ""
    model_digest: str = ""
    adapters: tuple[str, ...] = ()
    image: str = ""  # the digest of the stored image
    request: dict[str, Any] | None = None
    index: int | None = None
    made: dict[str, Any] = field(default_factory=dict)
    adapter_name: str = ""


def read(data: bytes) -> Notes | None:
    """What a file says of its making; None where it says nothing. BadInput, in one sentence, for what is damaged, too
    long or of no format that is read here.
    """
    if not data.startswith(png_text.SIGNATURE):
        text = exif_text.comment(data)
        return _parameters(text) if text else None
    for keyword, reader in _READERS.items():
        text = png_text.note(data, keyword)
        if text is not None and (found := reader(text)) is not None:
            return found
    if png_text.note(data, "workflow") is not None:
        raise BadInput("This image holds a ComfyUI workflow without the values it was run with. Set them by hand.")
    return None


def as_json(notes: Notes) -> dict[str, Any]:
    """What was read, without what is empty, for a program."""
    return {name: value for name, value in asdict(notes).items() if value not in (None, "", (), {})}


def sampler_of(name: str) -> str | None:
    """Our word for what another tool calls a solver; None for one that is not here. Schedules are not told apart."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    for end in ("karras", "exponential", "gpu"):
        plain = plain.removesuffix(end)
    return _SAMPLERS.get(plain) or _SAMPLERS.get(plain.removesuffix("k"))


def _ours(text: str) -> Notes | None:
    body = _json(text)
    request = body.get("request")
    made = _table(body.get("made"))
    lora = _text(body.get("lora_sha256"), 64)
    return Notes(
        OURS,
        prompt=_text(body.get("prompt")),
        negative_prompt=_text(body.get("negative_prompt")),
        seed=_whole(body.get("seed"), 2**64),
        guidance_scale=_number(body.get("guidance_scale"), 1, 50),
        inference_steps=_whole(body.get("num_inference_steps"), 1000),
        sampler=_text(body.get("scheduler"), 40) or None,
        said_sampler=_text(body.get("scheduler"), 40),
        strength=_number(body.get("t0"), 0, 1) if body.get("parent_id") else None,
        width=_whole(body.get("width"), 2**16),
        height=_whole(body.get("height"), 2**16),
        model=_text(body.get("base_model"), _LONGEST_NAME),
        model_digest=_text(body.get("base_model_revision"), 64),
        adapters=(lora,) if lora else (),
        image=_text(body.get("id"), 64),
        request=request if isinstance(request, dict) else None,
        index=_whole(body.get("index"), 10**9),
        made=made,
        adapter_name=_text(body.get("adapter_name"), _LONGEST_NAME),
    )


def _parameters(text: str) -> Notes | None:
    """The one-string form of AUTOMATIC1111: prompt, `Negative prompt: …`, and a last line of settings."""
    lines = text.strip().splitlines()
    if not lines:
        return None
    settings = _settings(lines[-1])
    if "steps" in settings:
        lines.pop()
    else:
        settings = {}
    first, negative = _parted(lines)
    width, _, height = settings.get("size", "").partition("x")
    loras = list(dict.fromkeys(_LORA.findall(first)))
    return Notes(
        A1111,
        prompt=_text(_LORA.sub("", first).strip()),
        negative_prompt=_text(negative),
        seed=_whole(settings.get("seed"), 2**64),
        guidance_scale=_number(settings.get("cfg scale"), 1, 50),
        inference_steps=_whole(settings.get("steps"), 1000),
        sampler=sampler_of(settings.get("sampler", "")),
        said_sampler=_text(settings.get("sampler"), 40),
        strength=_number(settings.get("denoising strength"), 0, 1),
        width=_whole(width, 2**16),
        height=_whole(height, 2**16),
        model=_text(settings.get("model"), _LONGEST_NAME),
        model_digest=_text(settings.get("model hash"), 64),
        adapters=_few(loras),
    )


def _parted(lines: list[str]) -> tuple[str, str]:
    """Prompt and negative prompt, each of one or several lines."""
    for number, line in enumerate(lines):
        if line.startswith("Negative prompt:"):
            rest = [line.removeprefix("Negative prompt:").strip(), *lines[number + 1 :]]
            return "\n".join(lines[:number]), "\n".join(rest)
    return "\n".join(lines), ""


def _settings(line: str) -> dict[str, str]:
    return {name.lower(): value.strip().strip('"') for name, value in _SETTING.findall(line[: 4 * _LONGEST_TEXT])}


def _invoke(text: str) -> Notes | None:
    body = _json(text)
    model = _table(body.get("model"))
    loras = [_table(_table(one).get("model") or _table(one).get("lora")) for one in _list(body.get("loras"))]
    said = _text(body.get("scheduler"), 40)
    return Notes(
        INVOKE,
        prompt=_text(body.get("positive_prompt")),
        negative_prompt=_text(body.get("negative_prompt")),
        seed=_whole(body.get("seed"), 2**64),
        guidance_scale=_number(body.get("cfg_scale"), 1, 50),
        inference_steps=_whole(body.get("steps"), 1000),
        sampler=sampler_of(said),
        said_sampler=said,
        strength=_number(body.get("strength"), 0, 1),
        width=_whole(body.get("width"), 2**16),
        height=_whole(body.get("height"), 2**16),
        model=_text(model.get("name") or model.get("model_name"), _LONGEST_NAME),
        model_digest=_text(str(model.get("hash") or "").rpartition(":")[2], 64),
        adapters=_few(_text(one.get("name") or one.get("model_name"), _LONGEST_NAME) for one in loras),
    )


def _comfy(text: str) -> Notes | None:
    """The executed graph of ComfyUI: the first node that samples, and what its inputs lead back to."""
    nodes = {str(name): _table(node) for name, node in _json(text).items()}
    inputs = {name: _table(node.get("inputs")) for name, node in nodes.items()}
    samplers = [one for name, one in inputs.items() if "Sampler" in str(nodes[name].get("class_type")) and "cfg" in one]
    if not samplers:
        raise BadInput("This image holds a ComfyUI graph without a sampler that is known here. Set the values by hand.")
    found = samplers[0]
    said = _text(found.get("sampler_name"), 40)
    model = _back(inputs, found.get("model"), ("ckpt_name", "unet_name"))
    latent = _sized(inputs, found.get("latent_image"))
    strength = _number(found.get("denoise"), 0, 1)
    return Notes(
        COMFY,
        prompt=_back(inputs, found.get("positive"), ("text", "text_g")),
        negative_prompt=_back(inputs, found.get("negative"), ("text", "text_g")),
        seed=_whole(found.get("seed", found.get("noise_seed")), 2**64),
        guidance_scale=_number(found.get("cfg"), 1, 50),
        inference_steps=_whole(found.get("steps"), 1000),
        sampler=sampler_of(said),
        said_sampler=said,
        strength=strength if strength != 1 else None,
        width=_whole(latent.get("width"), 2**16),
        height=_whole(latent.get("height"), 2**16),
        model=re.sub(r"\.(safetensors|ckpt)$", "", model),
        adapters=_few(_text(one.get("lora_name"), _LONGEST_NAME) for one in inputs.values() if one.get("lora_name")),
    )


def _back(inputs: Mapping[str, dict[str, Any]], link: Any, names: tuple[str, ...]) -> str:
    """The first text of one of these names on the way back from a link [node, output]."""
    waiting = [link]
    for _ in range(_MOST_STEPS_BACK):
        if not waiting:
            break
        at = waiting.pop(0)
        if not (isinstance(at, list) and at):
            continue
        node = inputs.get(str(at[0]), {})
        for name in names:
            if isinstance(node.get(name), str):
                return _text(node[name])
        waiting += [value for value in node.values() if isinstance(value, list)][:_MOST_STEPS_BACK]
    return ""


def _sized(inputs: Mapping[str, dict[str, Any]], link: Any) -> dict[str, Any]:
    return inputs.get(str(link[0]), {}) if isinstance(link, list) and link else {}


_READERS = {"synthstudio": _ours, "invokeai_metadata": _invoke, "prompt": _comfy, _PARAMETERS: _parameters}


def _json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput("The settings in this image cannot be read. Export it again, or choose another.") from error
    if not isinstance(body, dict):
        raise BadInput("The settings in this image cannot be read: they are no table. Choose another image.")
    return body


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value[:_MOST_ADAPTERS] if isinstance(value, list) else []


def _few(names: Iterable[str]) -> tuple[str, ...]:
    return tuple([name[:_LONGEST_NAME] for name in names if name][:_MOST_ADAPTERS])


def _text(value: Any, most: int = _LONGEST_TEXT) -> str:
    """Text without half characters and control characters, which no file of ours can hold."""
    if not isinstance(value, str):
        return ""
    return "".join(one for one in value[:most] if one in "\n\t" or (one >= " " and not "\ud800" <= one <= "\udfff"))


def _number(value: Any, low: float, high: float) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and low <= found <= high else None


def _whole(value: Any, most: int) -> int | None:
    """A whole number from 0, however it is written; seeds are not rounded."""
    if isinstance(value, str) and len(value) <= 20 and value.strip().isascii() and value.strip().isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    return value if fits else None
