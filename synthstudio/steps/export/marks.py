"""Marks inside an exported PNG that say it is synthetic and how it was made. Pixels are not touched."""

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from synthstudio.provenance import Origin
from synthstudio.steps.export import metadata
from synthstudio.terms import ADAPTERS
from synthstudio.workspace import Workspace

KEYWORD = "synthstudio"
_MOST_LABELS = 200  # more would make a note of every image longer than the image
_AFTER_HEADER = 8 + 25  # the signature and the IHDR chunk
_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="%s"/></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def marked(png: bytes, row: Mapping[str, Any], label: str, how: Mapping[str, Any] | None = None) -> bytes:
    """The PNG with three notes: one for viewers of prompts, one for us, one for tools that read XMP.

    `how` is what the function of that name says: the Sample tab fills its form with it, and the image is made again.
    """
    known = {name: value for name, value in row.items() if value is not None} | {"label": label, **(how or {})}
    kind = "compositeWithTrainedAlgorithmicMedia" if row.get("parent_id") else "trainedAlgorithmicMedia"
    notes = {
        "parameters": parameters(row),
        KEYWORD: json.dumps(known, ensure_ascii=True, sort_keys=True),
        "XML:com.adobe.xmp": _XMP % (_TYPES + kind),
    }
    chunks = b"".join(_text_chunk(keyword, text) for keyword, text in notes.items())
    return png[:_AFTER_HEADER] + chunks + png[_AFTER_HEADER:]


def how(origin: Origin | None, label: str, adapter: Mapping[str, Any] | None) -> dict[str, Any]:
    """The step that made an image, its number in the plan and all that was said of it, for its note; of very many
    classes only the image's own.
    """
    if origin is None or not origin.request:
        return {}
    fields, index = dict(origin.request["fields"]), origin.index
    labels = fields.get("labels") or ()
    if len(labels) > _MOST_LABELS:
        fields["labels"] = [label]
        index = None if index is None else index % int(fields["images_per_class"])
    found: dict[str, Any] = {"request": {**origin.request, "fields": fields}, "made": origin.made}
    if index is not None:
        found["index"] = index
    if adapter:
        base, settings = str(adapter.get("backbone", "")).partition("@")[0], adapter.get("training", {})
        kind = ADAPTERS.get(str(adapter.get("method", "lora")), "Adapter")
        steps = max(settings.get("steps", {}).values(), default=0)
        found["adapter_name"] = f"{kind} on {base}, {steps} steps"
    return found


def alone(data: bytes, digest: str, label: str, origin: Origin, workspace: Workspace) -> bytes:
    """One image of the project with its notes, as an export would write it; a photograph stays as it is."""
    if origin.kind == "real":
        return data
    adapter_id = origin.made.get("adapter")
    adapter = workspace.document(adapter_id) if adapter_id else None
    weights = metadata.Weights.of(adapter, label) if adapter else metadata.Weights()
    row = metadata.row(origin.kind, digest, size(data), origin, weights)
    return marked(data, row, label, how(origin, label, adapter))


def size(png: bytes) -> tuple[int, int]:
    """Width and height from the header: every blob is a PNG of our own."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def parameters(row: Mapping[str, Any]) -> str:
    """How the image was made, in the one-string form that AUTOMATIC1111's tools and their kin read."""
    settings = {
        "Steps": row.get("num_inference_steps"),
        "Sampler": row.get("scheduler"),
        "CFG scale": row.get("guidance_scale"),
        "Seed": row.get("seed"),
        "Size": f"{row['width']}x{row['height']}",
        "Model hash": (row.get("base_model_revision") or "")[:10] or None,
        "Model": row.get("base_model"),
        "Denoising strength": row.get("t0") if row.get("parent_id") else None,
        "Lora hashes": f'"adapter: {row["lora_sha256"][:12]}"' if row.get("lora_sha256") else None,
        "Version": row.get("generator"),
    }
    lines = [row.get("prompt") or ""]
    if row.get("negative_prompt"):
        lines.append(f"Negative prompt: {row['negative_prompt']}")
    lines.append(", ".join(f"{name}: {value}" for name, value in settings.items() if value is not None))
    return "\n".join(lines)


def _text_chunk(keyword: str, text: str) -> bytes:
    """A tEXt chunk if Latin-1 can hold the text, as older readers expect; else, and always for XMP, iTXt."""
    if keyword.startswith("XML:") or not text.isascii():
        kind, data = b"iTXt", keyword.encode() + b"\0\0\0\0\0" + text.encode()
    else:
        kind, data = b"tEXt", keyword.encode() + b"\0" + text.encode()
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
