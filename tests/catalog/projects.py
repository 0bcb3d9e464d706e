"""Projects to break and make again: real run folders with logs, decisions, sets, pipelines."""

import json
import random
from pathlib import Path

from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.catalog.database import TABLES
from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.pipelines import Node
from synthstudio.catalog.review import Query
from synthstudio.events import Failed, Finished, Made, Note, Output, Progress, Scored, Started, Stopped
from synthstudio.jobs import Studio
from synthstudio.jobs.running.endings import NOTE
from synthstudio.jobs.running.log import EventLog
from tests.jobs.counting import Count, Paint

# What a new process or a new clock writes anew, or what names a place in a file that was written again.
OWN = {"migrations", "journal"}


class NoWorkers:
    """Workers that are there, as far as the owner can tell, and say what the test writes into their logs."""

    def __init__(self) -> None:
        self.living = True

    def launch(self, folder, computes):
        return 4_000_000, 1.0

    def alive(self, pid, started):
        return self.living


def tables(catalog):
    """Every table of a catalog as sorted rows."""
    catalog.review.newest()
    names = [name for (name,) in catalog.database.rows(TABLES)]
    return {
        name: catalog.database.rows(f"select * from {name} order by all")  # noqa: S608 - names of our own tables
        for name in sorted(names)
        if name not in OWN
    }


def opened(home: Path, **options) -> Studio:
    """A project whose workers are played by the test."""
    return Studio(home, launcher=NoWorkers(), **options)


def digests(first: int, last: int) -> list[str]:
    """Names of images that look like digests."""
    return [f"{number * 2654435761 % (1 << 60):015x}{number:049x}" for number in range(first, last)]


def finish(studio: Studio, run_id: str, images: list[str], role: str = "set", ended=Finished) -> None:
    """Say what a worker would have said, and let the owner hear it."""
    log = EventLog(studio.workspace.run_folder(run_id))
    log.append(Started(attempt=1, pid=1, environment={"python": "3"}))
    labels = ["cat", "dog", "<b>owl</b>"]
    for index, image in enumerate(images):
        studio.workspace.path(image).parent.mkdir(parents=True, exist_ok=True)
        studio.workspace.path(image).write_bytes(b"a picture, for who only asks whether it is there")
        log.append(Made(index=index, image=Image(image, labels[index % 3], "synthetic", 8, 8, {"prompt": "a 'b'"})))
    studio.tick()
    log.append(Scored(scorer="sharpness", values=tuple((image, float(n)) for n, image in enumerate(images))))
    log.append(Progress(done=len(images), total=len(images), unit="images", values={"loss": 0.5}))
    log.append(Note(text="hello"))
    if ended is Finished:
        members = [Member(labels[n % 3], image) for n, image in enumerate(images)]
        log.append(Output(name="images", value=studio.workspace.put_set(ImageSet.of(role, members))))
    log.append(ended(error="out of paint", seconds=1.5) if ended is Failed else ended(seconds=1.5, peak_memory_mb=9.0))
    studio.tick()


def fill(studio: Studio, images: int = 60, decisions: int = 40, seed: int = 0) -> None:
    """Runs that are done, stopped, failed and lost; pipelines, targets, sets; decisions with undo and relabelling."""
    chance = random.Random(seed)
    for role, first in (("set", 0), ("set", images // 2), ("test", images)):
        run_id, _ = studio.submit(Paint(images=first + 1))
        studio.tick()
        finish(studio, run_id, digests(first, first + images), role)
        studio.catalog.review.newest()
    for number, ended in enumerate((Stopped, Failed)):
        run_id, _ = studio.submit(Count(to=50 + number))
        studio.tick()
        finish(studio, run_id, digests(3 * images + number, 3 * images + number + 1), ended=ended)
    studio.resume(run_id)
    studio.tick()
    finish(studio, run_id, [], ended=Failed)
    lost, _ = studio.submit(Count(to=60))
    studio.tick()
    lose(studio)
    studio.catalog.runs.say(lost, "what nobody's log says")
    waiting, _ = studio.submit(Count(to=61))
    studio.stop(waiting)
    nodes = [Node(0, "paint", None, "test.paint", {"images": 1}), Node(1, "count", None, "test.count", {"to": 61})]
    pipeline = studio.start("r", {"data": "digits", "words": "<b>'"}, nodes)
    studio.tick()
    studio.stop_pipeline(pipeline)
    studio.start("r2", {"data": "digits"}, [Node(0, "paint", None, "test.paint", {"images": 1})])
    studio.tick()
    studio.tick()
    names = studio.catalog.names
    names.give(lost, "mine")
    names.give(names.find("mine"), "my 'best' run")
    names.give(pipeline, "the second try")
    sets = [one.id for one in names.all(("set",))]
    studio.catalog.freed.throw_away(sets, "me")
    studio.catalog.freed.swept(sets[1:])
    studio.catalog.freed.back(sets[:1])
    studio.catalog.freed.throw_away([lost], "me")
    studio.catalog.freed.swept([lost])
    save_views(studio, sets[0])
    studio.catalog.decisions.set_target("", 20)
    studio.catalog.decisions.set_target("cat", 5)
    studio.catalog.decisions.set_target("cat", None)
    decide(studio, chance, images, decisions)


def save_views(studio: Studio, image_set: str) -> None:
    """Views that were saved over, renamed and deleted."""
    views = studio.catalog.views
    for name in ("first", "second", "third"):
        views.save(name, Query(labels=("cat",), image_set=image_set, scorer="sharpness", low=0.5), "me")
    views.save("first", Query(standings=("pending",), sort="newest"), "you", replace=True)
    views.rename("second", "'best' <b>of all</b>")
    views.delete("third")


def lose(studio: Studio) -> None:
    """End every worker as a kill does, with the note that its parent leaves."""
    studio.launcher.living = False
    for run in studio.active():
        note = {"pid": run.pid, "code": -9, "peak_mb": 1, "memory_mb": 1000, "for_memory": False}
        (studio.workspace.run_folder(run.id) / NOTE).write_text(json.dumps(note))
    studio.tick()
    studio.launcher.living = True


def decide(studio: Studio, chance: random.Random, images: int, decisions: int) -> None:
    """Acts of all kinds over the images of the first two runs."""
    known = digests(0, images + images // 2)
    studio.catalog.review.settle(Query())
    acts: list[Act] = []
    for number in range(decisions):
        if acts and chance.random() < 0.1:
            acts.append(Act(f"u{number}", chance.choice("ab"), undoes=chance.choice(acts).id, why="undo"))
            continue
        some = chance.sample(known, chance.choice((1, 1, 1, 5)))
        verdict = chance.choice(("keep", "reject", "relabel", "clear"))
        label = chance.choice(("owl", "dog é\n")) if verdict == "relabel" else ""
        acts.append(Act(f"a{number}", chance.choice("ab"), Chosen.images(some), verdict, label, context={"n": number}))
    for start in range(0, len(acts), 500):
        studio.catalog.decisions.decide(acts[start : start + 500], "me")
    put_tags(studio, known)


def put_tags(studio: Studio, known: list[str]) -> None:
    """Tags that were put on, taken off, and taken back."""
    some, others = Chosen.images(known[:9]), Chosen.images(known[5:20])
    acts = [
        Act("t1", "a", some, tags=("blurry", "é 'b'")), Act("t2", "a", others, tags=("blurry",)),
        Act("t3", "b", some, tags=("blurry",), off=True), Act("t4", "a", undoes="t2"),
        Act("t5", "a", Chosen.images(known[:1]), "reject"), Act("t6", "a", undoes="t4"), Act("t7", "a", undoes="t9"),
    ]  # fmt: skip
    studio.catalog.decisions.decide(acts, "me")


def log_of(studio: Studio, run_id: str) -> Path:
    """The file of a run's log."""
    return studio.workspace.run_folder(run_id) / "events.jsonl"


def event_lines(path: Path) -> list[dict]:
    """The lines of a log."""
    return [json.loads(line) for line in path.read_text().splitlines()]
