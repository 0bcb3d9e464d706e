"""Hostile input: pictures, archives, tables, words and numbers, model folders, requests to a page."""

import json
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from synthstudio.errors import StudioError
from synthstudio.intake.decode import Refusal, decode
from synthstudio.models import ASSETS
from synthstudio.step import build, step_class
from tests.campaign.world import ROOT, Harmed, World
from tests.examples import EXAMPLES
from tests.intake.nasty import photo, saved, zipped
from tests.ui.served import Page

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_MOST_SECONDS = 30.0
_MOST_MEMORY_MB = 2000
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, float("nan"), float("inf"), 2**63, 2**200, "", "\0", "\ud800", "../" * 9 + "etc/passwd",
    "{label!r}", "{label.__class__}", "{label:>3000000000}", "{0}", "{", "a" * 100_000, "ž̈" * 50, [], {}, [[]] * 50,
    {"a": {"a": {}}}, "set:" + "0" * 64, "test:" + "0" * 64, "source:/etc/passwd", "pico@" + "0" * 64, "<script>",
    "%00",
)  # fmt: skip


def pictures(world: World, chance: random.Random) -> int:
    """Mutated pictures end as pictures or refusals."""
    for _ in range(150):
        kind = chance.choice(_FORMATS)
        data = mutated(saved(photo(chance.randrange(50)), kind), chance)
        began = time.monotonic()
        try:
            decode(data, max_pixels=10**6)
        except Refusal:
            pass
        except Exception as error:
            raise Harmed(f"a mutated {kind} raised {type(error).__name__}: {error}") from error
        if time.monotonic() - began > _MOST_SECONDS:
            raise Harmed(f"a mutated {kind} of {len(data)} bytes took {time.monotonic() - began:.0f} s")
    return 0


def archives(world: World, chance: random.Random) -> int:
    """Mutated archives, and archives with hostile names, through the look that comes before an import."""
    files = {_name(chance): saved(photo(n), "PNG") for n in range(8)}
    path = zipped(_fresh(world.folder / "upload") / "photos.zip", {**files, "cats/a.png": saved(photo(1))})
    if chance.random() < 0.7:
        path.write_bytes(mutated(path.read_bytes(), chance))
    _look(world, path.parent)
    return 0


def tables(world: World, chance: random.Random) -> int:
    """Mutated parquet files, and such that say much with few bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = _fresh(world.folder / "upload") / "photos.parquet"
    picture = saved(photo(2))
    count = chance.choice((5, 200, 200_000))
    cells = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array([picture]))
    labels: Any = chance.choice((["cat"] * count, [None] * count, list(range(count)), ["\ud7ff"] * count))
    pq.write_table(pa.table({"image": cells, "label": labels}), path)
    if chance.random() < 0.6:
        path.write_bytes(mutated(path.read_bytes(), chance))
    _look(world, path.parent)
    return 0


def words(world: World, chance: random.Random) -> int:
    """Steps built of odd values are Steps or sentences, at once and without memory."""
    for _ in range(4000):
        kind = chance.choice(sorted(EXAMPLES))
        fields = dict(EXAMPLES[kind])
        name = chance.choice(sorted(step_class(kind).model_fields))
        fields[name] = chance.choice(ODD)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            build(kind, fields).to_json()
        except StudioError:
            pass
        except Exception as error:
            raise Harmed(f"{kind} with {name} = {str(fields[name])[:60]!r} raised {type(error).__name__}") from error
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before > 300_000:
            raise Harmed(f"{kind} with {name} = {str(fields[name])[:60]!r} took over 300 MB")
    return 0


def models(world: World, chance: random.Random) -> int:
    """A model folder whose configuration asks for code: it is refused or loaded, and its code never runs."""
    folder, marker = _fresh(world.folder / "model"), world.folder / "code-ran"
    clip = chance.random() < 0.6
    shutil.copytree(ASSETS / "pico" / ("clip" if clip else ""), folder, dirs_exist_ok=True)
    (folder / "evil.py").write_text(f"open({str(marker)!r}, 'w').write('ran')\nclass Evil: pass\n")
    configuration = chance.choice(sorted(folder.rglob("*.json")))
    body = json.loads(configuration.read_bytes())
    for place in _objects(body):
        if chance.random() < 0.5:
            place.update(_asking_for_code(chance, folder))
    configuration.write_text(json.dumps(body))
    for part in folder.rglob("*"):
        if part.is_dir():
            shutil.copy(folder / "evil.py", part / "evil.py")
    code = _LOAD_EYE if clip else _LOAD_HAND
    done = _ask([sys.executable, "-c", code, str(folder), str(world.folder / "models-home")])
    if marker.exists():
        marker.unlink()
        raise Harmed(f"code of a model folder ran: {configuration.relative_to(folder)} {json.dumps(body)[:300]}")
    if "Traceback" in done.stderr:
        raise Harmed(f"{configuration.relative_to(folder)}: {done.stderr[-600:]}")
    return 0


def requests(world: World, chance: random.Random) -> int:
    """Odd bodies and questions to every route of a page: no 5xx, no traceback, and the page still answers."""
    world.restore()
    page = Page(world.home)
    try:
        known = _routes()
        for _ in range(400):
            method, path = chance.choice(known)
            _one_request(page, method, path, chance)
        if page.get("/studio/state").status_code != 200:
            raise Harmed("the page answers no more")
    finally:
        page.stop()
    # Gradio itself logs a traceback for a list of arguments that is too short, which no code of ours sees.
    for told in page.log.read_text().split("Traceback")[1:]:
        if "didn't receive enough input values" not in told:
            raise Harmed(f"a traceback in the log: {told[-1500:]}")
    return 0


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, mostly near the beginning; perhaps cut, perhaps with a piece repeated."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 4, 30))):
        found[chance.randrange(min(len(found), chance.choice((40, 300, len(found)))))] = chance.randrange(256)
    if chance.random() < 0.3:
        return bytes(found[: chance.randrange(len(found))])
    if chance.random() < 0.2:
        start = chance.randrange(len(found))
        return bytes(found[:start] + found[start : start + 50] * 40 + found[start:])
    return bytes(found)


_LOAD_EYE = """
import sys
from pathlib import Path
import torch
from synthstudio.errors import StudioError
from synthstudio.engine import encoders
try:
    encoders.load(Path(sys.argv[1]), torch.device("cpu")).embed_texts(["a cat"])
except StudioError as error:
    print(error)
"""
_LOAD_HAND = """
import sys
from pathlib import Path
import torch
from synthstudio.errors import StudioError
from synthstudio.models import folder_of, reference
from synthstudio.workspace import Workspace
from synthstudio.engine import backbones
try:
    workspace = Workspace.open(Path(sys.argv[2]), "models")
    backbones.load(folder_of(reference(sys.argv[1], "backbone", workspace), workspace), torch.device("cpu"))
except StudioError as error:
    print(error)
"""


def _asking_for_code(chance: random.Random, folder: Path) -> dict[str, Any]:
    return chance.choice((
        {"auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"], "AutoModel": "evil.Evil"}},
        {"trust_remote_code": True, "auto_map": {"AutoConfig": "evil.Evil"}},
        {"tokenizer_kwargs": {"trust_remote_code": True}, "hf_tokenizer_name": str(folder)},
        {"hf_model_name": str(folder), "hf_model_config": {"trust_remote_code": True}},
        {"_class_name": ["evil", "Evil"], "custom_pipeline": str(folder)},
        {"tokenizer_class": "evil.Evil", "model_type": "evil"},
        {"timm_model_name": "hf-hub:evil/evil", "timm_model_pretrained": True},
        {"unet": ["evil", "Evil"], "tokenizer": ["evil", "Evil"], "safety_checker": ["evil", "Evil"]},
    ))  # fmt: skip


def _objects(body: Any) -> list[dict[str, Any]]:
    if isinstance(body, dict):
        return [body, *(found for value in body.values() for found in _objects(value))]
    return []


def _name(chance: random.Random) -> str:
    return chance.choice(
        ("cats", "dogs", "..", "a/../b", "/abs", "con", "\u202ecat", "a" * 200, "x\\y", ".git", "é")
    ) + (f"/{chance.choice(('1', '..', 'a b', chr(0x1F600), '-rf', 'nul'))}{chance.randrange(9)}.png")


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _look(world: World, files: Path) -> None:
    """What the page does with an upload before anything is imported, in a process of its own."""
    from synthstudio.steps.collect import dry_run

    upload = _fresh(world.folder / "look")
    shutil.move(files, upload / dry_run.FILES)
    done = _ask([sys.executable, "-m", "synthstudio.steps.collect.dry_run", str(upload)])
    if not (upload / dry_run.REPORT).exists() and "Traceback" in done.stderr:
        raise Harmed(f"the look ended without a report: {done.stderr[-800:]}")


def _ask(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a program on hostile input; Harmed if it takes too long or too much memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    except subprocess.TimeoutExpired as error:
        raise Harmed(f"{' '.join(command[1:4])[:80]} did not end in four minutes") from error
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    if peak > max(before, _MOST_MEMORY_MB << 10):
        raise Harmed(f"{' '.join(command[1:4])[:80]} took {peak >> 10} MB")
    return done


def _routes() -> list[tuple[str, str]]:
    """(method, path) of the page's own routes and of the public endpoints."""
    own = ("state", "runs", "review/start", "review/view", "review/page", "review/changes", "review/tally", "recipes",
           "review/details/{id}", "images/{id}", "runs/{id}", "uploads/{id}", "evaluate", "distil", "data")  # fmt: skip
    told = ("review/decide", "review/target", "review/freeze", "review/helped", "uploads/new", "uploads/{id}/check",
            "runs/{id}/stop", "uploads/{id}/files", "uploads/{id}/confirm", "pipelines/{id}/stop",
            "runs/{id}/resume")  # fmt: skip
    return [
        *(("GET", f"/studio/{path}") for path in own),
        *(("POST", f"/studio/{path}") for path in told),
        *(
            ("POST", f"/gradio_api/{way}/{name}")
            for way in ("run", "call")
            for name in ("run_recipe", "review_helped", "train", "result")
        ),
    ]


def _one_request(page: Page, method: str, path: str, chance: random.Random) -> None:
    address = path.replace("{id}", _quoted(chance.choice(("r1", "0" * 64, "../x", "%2e%2e%2f", "\ud7ff", "a" * 300))))
    names = ("q", "start", "count", "since", "name", "fold")
    asked = {name: _text(chance.choice(ODD))[:2000] for name in chance.sample(names, 2)}
    content = _content(chance)
    try:
        answer = page.client.request(method, address, params=asked, content=content if method == "POST" else None,
                                     headers={"content-type": "application/json"})  # fmt: skip
    except httpx.TransportError as error:
        if page.process.poll() is not None:
            raise Harmed(f"{method} {address} ended the page") from error
        return
    # 507 says that the disk is full. Gradio answers a refusal in a public endpoint with 500 and a sentence.
    if answer.status_code >= 500 and answer.status_code != 507 and "/gradio_api/" not in address:
        raise Harmed(f"{method} {address} {asked} {content[:200]!r} was answered with {answer.status_code}")
    if b"Traceback" in answer.content or b"root:" in answer.content:
        raise Harmed(f"{method} {address}: the answer shows the inside: {answer.text[:300]}")


def _content(chance: random.Random) -> bytes:
    """A request's body: JSON of odd values, or what is no JSON at all."""
    odd = _text(chance.choice((_body(chance), chance.choice(ODD)))).encode()
    return chance.choice((odd, odd, b"[" * 90_000, b"\xff\xfe\0", b'{"data": [1, 1, 1, 1, 1, 1, 1, 1, 1]}'))


def _body(chance: random.Random) -> dict[str, Any]:
    names = ("project", "tab", "acts", "label", "wanted", "query", "spans", "id", "verdict", "images", "title", "data")
    deep = {name: chance.choice(ODD) for name in chance.sample(names, 4)}
    return {**deep, "acts": [{**deep, "id": "0" * 36}], "query": deep, "project": "default"}


def _text(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=True)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="%", errors="replace")


ALL: dict[str, Callable[[World, random.Random], int]] = {
    "pictures": pictures,
    "archives": archives,
    "tables": tables,
    "words": words,
    "models": models,
    "requests": requests,
}
