"""What disks, power cuts and careless hands do: full disks, cut logs, damaged catalogs, missing and altered files."""

import contextlib
import ctypes
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from synthstudio.errors import StorageFull, StudioError
from synthstudio.jobs.running.log import NAME as LOG_NAME
from tests.campaign.world import Harmed, World, differences, finish, state_of

_DISK_MB = 160
_WORKING = ("adapter", "sample", "variation", "both", "match", "data", "export_images")


def disk(world: World, chance: random.Random) -> int:
    """Fill the disk while a Step runs, free it, go on: the result is that of an undisturbed run."""
    name = chance.choice([one for one in _WORKING if one in world.links])
    with _small_disk(world.home):
        world.restore(name)
        ballast = world.home / "ballast"
        owner = world.owner(name)
        time.sleep(chance.uniform(1.0, 4.0))
        _fill(ballast)
        with contextlib.suppress(subprocess.TimeoutExpired):
            owner.wait(chance.uniform(1.0, 10.0))
        if chance.random() < 0.5:
            owner.kill()
            owner.wait()
        ballast.unlink()
        owner.kill()
        owner.wait()
        with world.studio() as studio:
            _finish_after_refusals(studio, world, name)
        world.check(name)
    return 0


def decisions_on_a_full_disk(world: World, chance: random.Random) -> int:
    """Decide while the disk fills: what was acknowledged is there, what was refused is not."""
    from synthstudio.catalog.decisions import Act, Chosen

    images = [digest for name in world.rows for _, digest in world.rows[name]]
    with _small_disk(world.home):
        world.restore()
        said: list[str] = []
        with world.studio() as studio:
            studio.catalog.review.newest()
            before = [act for (act,) in studio.catalog.database.rows("select id from acts order by first_seq")]
            _fill(world.home / "ballast", leave=chance.choice((0, 4096, 200_000)))
            for number in range(40):
                act = Act(f"{chance.getrandbits(64):x}-{number}", "t", Chosen.images(chance.sample(images, 3)), "keep")
                with contextlib.suppress(StorageFull):
                    studio.catalog.decisions.decide([act], "campaign")
                    said.append(act.id)
            (world.home / "ballast").unlink()
            act = Act("after", "t", Chosen.images(images[:1]), "reject")
            studio.catalog.decisions.decide([act], "campaign")
            said.append(act.id)
        with world.studio() as studio:
            stored = [act for (act,) in studio.catalog.database.rows("select id from acts order by first_seq")]
    if stored != before + said:
        raise Harmed(f"{len(before) + len(said)} decisions were acknowledged, {len(stored)} are there")
    return 0


def log(world: World, chance: random.Random) -> int:
    """Cut or garble the log of a finished run, with the catalog or without it; everything can be made or read again.

    With both gone, what a lost line alone said of an image is lost: results are not.
    """
    world.restore()
    folders = sorted(path for path in (world.project / "runs").glob("*") if (path / LOG_NAME).exists())
    file = chance.choice(folders) / LOG_NAME
    data = file.read_bytes()
    place = chance.randrange(len(data))
    how = chance.choice(("cut", "garbage", "half a line", "emptied"))
    changed = {
        "cut": data[:place],
        "garbage": data[:place] + chance.randbytes(30) + b"\n" + data[place:],
        "half a line": data[:place] + b'{"t": 1.0, "event": "made", "ind\n' + data[place:],
        "emptied": b"",
    }[how]
    file.write_bytes(changed)
    without_catalog = chance.random() < 0.5
    if without_catalog:
        _forget_catalog(world)
    with world.studio() as studio:
        studio.tick()
    for name in _some(world, chance, 3):
        world.check(name, rows_too=not without_catalog)
    return 0


def interrupted_log(world: World, chance: random.Random) -> int:
    """Kill everything during a Step, then lose the end of its log as a power cut does; it goes on to the same end."""
    name = chance.choice([one for one in _WORKING if one in world.links])
    world.restore(name)
    before = {path.name for path in (world.project / "runs").glob("*")}
    owner = world.owner(name)
    time.sleep(chance.uniform(1.5, 6.0))
    owner.kill()
    owner.wait()
    _end_workers(world)
    for folder in (world.project / "runs").glob("*"):
        file = folder / LOG_NAME
        if folder.name not in before and file.exists() and file.stat().st_size:
            with file.open("r+b") as out:
                out.truncate(chance.randrange(file.stat().st_size))
    world.check(name)
    return 1


def catalog(world: World, chance: random.Random) -> int:
    """Delete, truncate or flip bits of the catalog: the project opens with everything in it."""
    world.restore()
    decide(world, chance)
    with world.studio() as studio:
        before = state_of(studio)
    file = world.project / "catalog.duckdb"
    size = file.stat().st_size
    how = chance.choice(("deleted", "truncated", "flipped", "overwritten", "emptied"))
    if how == "deleted":
        _forget_catalog(world)
    elif how in ("truncated", "emptied"):
        os.truncate(file, chance.randrange(size) if how == "truncated" else 0)
    else:
        with file.open("r+b") as out:
            for _ in range(chance.choice((1, 8, 100))):
                out.seek(chance.randrange(size))
                out.write(chance.randbytes(1 if how == "flipped" else min(4096, size)))
    with world.studio() as studio:
        studio.tick()
        after = state_of(studio)
    if before != after:
        raise Harmed(f"the catalog was {how}; different now: {differences(before, after)}")
    world.check(_some(world, chance, 1)[0])
    return 0


def journal(world: World, chance: random.Random) -> int:
    """Tear the end of the journal, as a power cut does, beside a good catalog: nothing that stood is gone."""
    world.restore()
    decide(world, chance)
    with world.studio() as studio:
        before = state_of(studio)
    for file in sorted(world.project.glob("journal*")):
        with file.open("ab") as out:
            out.write(chance.choice((b'{"half', b"\0" * 40, chance.randbytes(60))))
    with world.studio() as studio:
        after = state_of(studio)
    if before != after:
        raise Harmed(f"after a torn journal: {differences(before, after)}")
    decide(world, chance)
    with world.studio() as studio:
        before = state_of(studio)
    _forget_catalog(world)
    with world.studio() as studio:
        after = state_of(studio)
    if before != after:
        raise Harmed(f"rebuilt from a mended journal: {differences(before, after)}")
    return 0


def artifact(world: World, chance: random.Random) -> int:
    """Delete or alter something a Step made: asking for the Step again makes it again, the same."""
    world.restore()
    files = sorted(path for path in world.project.glob("blobs/??/*") if not path.name.startswith("."))
    files += sorted(world.project.glob("weights/*.safetensors"))
    file = chance.choice(files)
    data = file.read_bytes()
    owners = _makers(world, file)
    if chance.random() < 0.5 or not data:
        file.unlink()
    else:
        start = chance.randrange(len(data))
        file.write_bytes(data[:start] + bytes(255 - byte for byte in data[start : start + 4000]) + data[start + 4000 :])
    _repair(world)
    for name in owners:
        world.check(name)
    if owners and (not file.exists() or file.read_bytes() != data):
        raise Harmed(f"{file.name[:12]} of {', '.join(owners)} was not made again")
    return 0


def decide(world: World, chance: random.Random) -> None:
    """Twenty gestures of a person: verdicts, moves, a target and an undo."""
    from synthstudio.catalog.decisions import Act, Chosen

    images = [digest for name in world.rows for _, digest in world.rows[name]]
    with world.studio() as studio:
        studio.catalog.review.newest()
        names = [f"{chance.getrandbits(64):016x}" for _ in range(20)]
        for number, name in enumerate(names):
            verdict = chance.choice(("keep", "reject", "relabel", "clear"))
            chosen = Chosen.images(chance.sample(images, min(len(images), chance.randint(1, 6))))
            undoes = names[chance.randrange(number)] if number and chance.random() < 0.2 else None
            act = Act(name, "t", chosen, verdict, "red" if verdict == "relabel" else "", undoes, "because")
            studio.catalog.decisions.decide([act], "campaign")
        studio.catalog.decisions.set_target("red", chance.randint(1, 50))


def _makers(world: World, file: Path) -> list[str]:
    """Steps of the chain whose outputs name this file, themselves or through a document."""
    digest = file.name.partition(".")[0]
    found = []
    for name, outputs in world.outputs.items():
        text = str(outputs) + str(world.rows[name])
        documents = [part for part in _digests(text) if (world.project / "blobs" / part[:2] / part).exists()]
        inside = any(digest.encode() in (world.project / "blobs" / part[:2] / part).read_bytes() for part in documents)
        if digest in text or (inside and world.links[name].kind.startswith(("adapt.", "train.", "distil.exp"))):
            found.append(name)
    return found


def _digests(text: str) -> list[str]:
    import re

    return re.findall(r"[0-9a-f]{64}", text)


def _repair(world: World) -> None:
    """As a person does it: the command that finds what is missing or altered and makes it again."""
    import sys

    command = [sys.executable, "-m", "synthstudio", "doctor", "--repair", "--home", str(world.home)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    if "Traceback" in done.stderr:
        raise Harmed(f"doctor --repair: {done.stderr[-1500:]}")


def _finish_after_refusals(studio, world: World, name: str) -> None:
    """A run that a full disk ended may have failed: with a sentence about the disk, and it goes on."""
    for run in studio.catalog.runs.of_step(world.steps[name].id):
        studio.tick()
        found = studio.catalog.runs.get(run.id)
        if found.state == "failed" and "Unexpected" in (found.error or ""):
            raise Harmed(f"{name} on a full disk: {found.error}")
    with contextlib.suppress(StudioError):
        finish(studio, world.steps[name])


def _end_workers(world: World) -> None:
    from tests.campaign.kills import _worker

    while (pid := _worker(world)) is not None:
        os.kill(pid, 9)
        time.sleep(0.05)


def _forget_catalog(world: World) -> None:
    for file in world.project.glob("catalog.duckdb*"):
        file.unlink()


def _some(world: World, chance: random.Random, count: int) -> list[str]:
    return chance.sample(sorted(world.links), min(count, len(world.links)))


def _fill(ballast: Path, leave: int = 0) -> None:
    """Take all the room there is but `leave` bytes."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as out:
        while True:
            out.write(b"\0" * (1 << 16))
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as out:
        while True:
            out.write(b"\0" * 512)
    if leave:
        os.truncate(ballast, max(0, ballast.stat().st_size - leave))


def can_mount() -> bool:
    """Whether this process may mount a disk of its own: root on Linux."""
    return os.name == "posix" and os.geteuid() == 0 and Path("/proc/self/mounts").exists()


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A disk of a few megabytes in the place of a folder."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={_DISK_MB}m,mode=755".encode()
    if libc.mount(b"campaign", str(folder).encode(), b"tmpfs", 0, options) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    try:
        yield
    finally:
        libc.umount2(str(folder).encode(), 2)
