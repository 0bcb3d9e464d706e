"""Small real Steps for the tests of jobs: they count, sleep, fail and paint, and need no model."""

import io
import os
import resource
import time
from collections.abc import Iterator
from typing import ClassVar

from PIL import Image as Picture

from synthstudio import weightfile
from synthstudio.artifacts import Image, ImageSet, Member
from synthstudio.events import Event, Made, Output, Progress
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.workspace import write_atomically


class Paint(Step):
    """Paint images whose colour is their index: a stand-in for a slow sampler that keeps what it made."""

    kind: ClassVar[str] = "test.paint"

    images: int = 5
    seconds_each: float = 0.0
    fail_at: int = -1

    def run(self, work: Work) -> Iterator[Event]:
        """Paint what an earlier attempt did not."""
        members = []
        for index in range(self.images):
            if index == self.fail_at:
                raise ValueError("the paint ran out")
            image = work.done.get(index) or self._paint(work, index)
            if index not in work.done:
                time.sleep(self.seconds_each)
                yield Made(index=index, image=image)
            members.append(Member(image.label, image.digest))
            yield Progress(done=index + 1, total=self.images, unit="images")
        yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", members)))

    def _paint(self, work: Work, index: int) -> Image:
        data = io.BytesIO()
        Picture.new("RGB", (8, 8), (index % 256, index // 256, 7)).save(data, "PNG")
        return Image(work.workspace.put(data.getvalue()), "red" if index % 2 else "blue", "synthetic", 8, 8)


class Mural(Step):
    """Images four by four, of which any share can be painted apart. Each knows the process that painted it."""

    kind: ClassVar[str] = "test.mural"

    images: int = 64
    seconds_each: float = 0.0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.images

    def run(self, work: Work) -> Iterator[Event]:
        """Paint what is wanted here and missing; the set where that is all."""
        made = dict(work.done)
        for start in range(0, self.images, 4):
            batch = range(start, min(start + 4, self.images))
            if made.keys() >= set(batch) or (work.share is not None and not work.share.wants(batch)):
                continue
            for index in batch:
                time.sleep(self.seconds_each)
                data = io.BytesIO()
                Picture.new("RGB", (8, 8), (index % 256, index // 256, 9)).save(data, "PNG")
                painter = {"pid": os.getpid()}
                made[index] = Image(work.workspace.put(data.getvalue()), "red", "synthetic", 8, 8, painter)
                yield Made(index=index, image=made[index])
        if work.share is None:
            members = (Member("red", made[index].digest) for index in range(self.images))
            yield Output(name="images", value=work.workspace.put_set(ImageSet.of("set", members)))


class Count(Step):
    """Count to a number in the scratch folder, going on where an earlier attempt stopped."""

    kind: ClassVar[str] = "test.count"

    source: str = ""
    to: int = 3
    seconds_each: float = 0.0

    def run(self, work: Work) -> Iterator[Event]:
        """Each number is written down before it is said."""
        file = work.scratch / "count"
        start = int(file.read_text()) if file.exists() else 0
        for number in range(start + 1, self.to + 1):
            time.sleep(self.seconds_each)
            write_atomically(file, str(number).encode())
            yield Progress(done=number, total=self.to, unit="numbers")
        yield Output(name="document", value=work.workspace.put_document("report", {"start": start, "to": self.to}))


class Tell(Step):
    """Tells what of the environment reached the worker."""

    kind: ClassVar[str] = "test.tell"

    nonce: int = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Say the names and the values."""
        yield Output(name="document", value=work.workspace.put_document("report", dict(os.environ)))


class Silent(Step):
    """Ends without saying an output."""

    kind: ClassVar[str] = "test.silent"

    def run(self, work: Work) -> Iterator[Event]:
        """Say progress only."""
        yield Progress(done=1, total=1, unit="steps")


class Hungry(Step):
    """Asks for more memory than its worker may hold."""

    kind: ClassVar[str] = "test.hungry"
    memory_bytes: ClassVar[int | None] = 1 << 30

    def run(self, work: Work) -> Iterator[Event]:
        """Take what the limit forbids."""
        bytearray(1 << 30)
        yield Output(name="document", value=work.workspace.put_document("report", {}))


class Learn(Step):
    """Writes a weight file and the document that names it, without learning anything."""

    kind: ClassVar[str] = "test.learn"

    size: int = 5000

    def run(self, work: Work) -> Iterator[Event]:
        """The same bytes each time."""
        file = work.scratch / "learned.safetensors"
        weightfile.write(file, {"w": ("U8", (self.size,), bytes(i % 251 for i in range(self.size)))}, {})
        digest = work.workspace.put_weights(file)
        yield Output(name="adapter", value=work.workspace.put_document("adapter", {"weights": {"*": digest}}))


class Fail(Step):
    """Fails the way a library does when the machine has no more of something."""

    kind: ClassVar[str] = "test.fail"

    how: str

    def run(self, work: Work) -> Iterator[Event]:
        """Raise for real where the machine allows it."""
        yield Progress(done=0, total=1, unit="steps")
        if self.how == "limit":
            resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
            bytearray(4 << 30)
        elif self.how == "torch":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        elif self.how == "disk":
            raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
        elif self.how == "file":
            with open("/dev/full", "wb") as file:
                file.write(bytes(1 << 16))
