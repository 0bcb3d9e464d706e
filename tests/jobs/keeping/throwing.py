"""Steps whose results are thrown away in tests, and what those tests ask of a project."""

import os
from collections.abc import Iterator
from typing import ClassVar

from synthstudio.artifacts import Image as Picture
from synthstudio.artifacts import ImageSet, Member
from synthstudio.events import Event, Made, Output, Progress
from synthstudio.jobs.keeping import freeing, things
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.terms import AdapterId, ImageSetId


class Half(Step):
    """Every second image of a set."""

    kind: ClassVar[str] = "test.half"
    computes: ClassVar[bool] = False

    images: ImageSetId

    def run(self, work: Work) -> Iterator[Event]:
        """Read every image, as a filter that scores does."""
        found = list(work.workspace.image_set(self.images))
        for member in found:
            work.workspace.get(member.image)
        half = [Member(member.label, member.image) for member in found[::2]]
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", half)))


class Ask(Step):
    """Needs the weights of an adapter."""

    kind: ClassVar[str] = "test.ask"
    computes: ClassVar[bool] = False

    adapter: AdapterId
    number: int = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Read the weights."""
        work.workspace.get_weights(work.workspace.document(self.adapter)["weights"]["*"])
        yield Output(name="document", value=work.workspace.put_document("report", {"asked": self.number}))


class Deliver(Step):
    """Writes a folder."""

    kind: ClassVar[str] = "test.deliver"
    computes: ClassVar[bool] = False

    name: str = "mine"
    number: int = 0

    def run(self, work: Work) -> Iterator[Event]:
        """A file in a folder of the exports."""
        folder = work.workspace.exports / self.name
        folder.mkdir(exist_ok=True)
        (folder / "a.txt").write_text("a")
        yield Progress(done=1, total=1, unit="files")
        yield Output(name="folder", value=f"exports/{self.name}")


class Moody(Step):
    """Never paints the same twice."""

    kind: ClassVar[str] = "test.moody"

    def run(self, work: Work) -> Iterator[Event]:
        """One picture of chance."""
        digest = work.workspace.put(os.urandom(100))
        yield Made(index=0, image=Picture(digest, "cat", "synthetic", 8, 8))
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", [Member("cat", digest)])))


class Waiting:
    """Starts nothing, so that runs stay queued."""

    def launch(self, folder, computes):
        return None

    def alive(self, pid, started):
        return False


def made(studio, step, output="images"):
    """(run, artifact) of a step that has ended well."""
    run_id, _ = studio.submit(step)
    ended = studio.wait(run_id, 0)
    assert ended.state == "done", ended.error
    return run_id, studio.catalog.runs.outputs(run_id).get(output, run_id)


def settled(studio):
    """Tick until nothing works any more."""
    for _ in range(100):
        studio.tick()
        if not studio.catalog.runs.in_state("queued", "running", "stopping"):
            return
    raise AssertionError("it does not end")


def blobs(studio):
    return {path.name for path in studio.workspace.blobs.glob("??/*")}


def images(studio, set_id):
    return {member.image for member in studio.workspace.image_set(set_id)}


def state(studio, thing):
    return things.one(studio, thing).state


def free(studio, *chosen, **options):
    return freeing.free(studio, chosen, "me", **options)


def nobody(*_):
    return None
