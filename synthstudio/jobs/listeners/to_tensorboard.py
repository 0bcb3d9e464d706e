"""Numbers of runs for TensorBoard: `tensorboard --logdir <project's folder>/logs/tensorboard`, a run for each run.

Its own writers begin a new file whenever a program starts. Here the records are framed by its `RecordWriter` and added
to the file that is there, so that a resumed run goes on in it.
"""

import io
from collections.abc import Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from synthstudio.catalog.runs import Run
from synthstudio.jobs.listeners.listener import FileListener
from synthstudio.jobs.listeners.numbers import Number

_VERSION = "brain.Event:2"  # the first record of a file says its form
_FILE = "events.out.tfevents.{created:010d}.synthstudio"


class ToTensorBoard(FileListener):
    """Scalars, named by what was measured, on which arm and fold."""

    def path(self, run: Run) -> Path:
        """One folder for each run: TensorBoard takes its name from it."""
        return self.folder / "tensorboard" / f"{run.kind}-{run.id}" / _FILE.format(created=int(run.created))

    def encoded(self, run: Run, new: Sequence[Number], first: bool) -> bytes:
        """Framed records. Where a run was resumed, TensorBoard forgets the steps that come again."""
        data = io.BytesIO()
        records = RecordWriter(data)
        if first:
            records.write(Event(wall_time=run.created, file_version=_VERSION).SerializeToString())
        for one in new:
            if one.again:
                start = SessionLog(status=SessionLog.START)
                records.write(Event(wall_time=one.at, step=one.step, session_log=start).SerializeToString())
            summary = Summary(value=[Summary.Value(tag=one.tag, simple_value=one.value)])
            records.write(Event(wall_time=one.at, step=one.step, summary=summary).SerializeToString())
        return data.getvalue()


def listener(logs: Path, project: str) -> ToTensorBoard:
    """The listener of a project whose logs go to this folder."""
    return ToTensorBoard(logs)
