"""Decoding in a process of its own: `python -m synthstudio.intake.isolated`, requests on stdin, answers on stdout.

Decoders are C code that meets hostile bytes. Here they have limits on memory and on processor time that the kernel
keeps, whatever they do; a process that is ended costs one picture, not the import.
"""

import contextlib
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import BinaryIO, cast

from synthstudio.errors import BadInput
from synthstudio.intake.decode import Decoded, Refusal, decode

_REQUEST = struct.Struct("<QII")  # bytes of the file, longest side, most pixels
_ANSWER = struct.Struct(
    "<?dIIQQ"
)  # decoded or refused, processor seconds, width, height, bytes of the text, of the PNG
_FILE_SECONDS = 30  # of processor time
_PATIENCE_SECONDS = 600.0  # by the clock: a busy machine is no reason to refuse a picture
_BASE_BYTES = 256 << 20
_BYTES_PER_PIXEL = 48  # sixteen-bit greys pass through several copies of eight bytes each
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")


class Decoders:
    """As many decoding processes as threads ask at once, kept for the next files. Use it as a context manager.

    `max_seconds` is the processor time that all files of a source may take together.
    """

    def __init__(self, max_side: int, max_pixels: int, max_seconds: float, file_seconds: int = _FILE_SECONDS) -> None:
        self._limits = (max_side, max_pixels)
        self._file_seconds = file_seconds
        self._left = max_seconds
        self._idle: deque[_Process] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes; nobody may be decoding any more."""
        while self._idle:
            self._idle.pop().close()

    def decode(self, data: bytes) -> Decoded:
        """As `decode.decode`, within the limits. BadInput once the source has taken too much time."""
        self._spend(0.0)
        try:
            return self._ask(data)
        except _Ended:  # perhaps for a reason that is not this picture's, such as a machine without memory
            try:
                return self._ask(data)
            except _Ended as error:
                raise Refusal("ends the process that decodes it; save it again as PNG or JPEG") from error

    def _ask(self, data: bytes) -> Decoded:
        process = self._take()
        try:
            decoded, seconds = process.ask(data, *self._limits)
        except _TooLong as error:
            self._spend(self._file_seconds)
            raise Refusal(f"takes more than {self._file_seconds} s to decode; save it again as PNG or JPEG") from error
        if not process.ended:
            self._idle.append(process)
        self._spend(seconds)
        if isinstance(decoded, str):
            raise Refusal(decoded)
        return decoded

    def _take(self) -> "_Process":
        try:
            return self._idle.pop()
        except IndexError:
            return _Process(self._file_seconds)

    def _spend(self, seconds: float) -> None:
        with self._lock:
            self._left -= seconds
            if self._left < 0:
                raise BadInput(
                    "Decoding these files takes too much processor time. Import them in parts, or save them again in a"
                    " plainer format (JPEG, PNG) and smaller."
                )


class _Ended(Exception):
    """The process is gone without an answer."""


class _TooLong(Exception):
    """The process was ended because of the time it took."""


class _Process:
    """One decoding process; asked by one thread at a time."""

    def __init__(self, file_seconds: int) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "synthstudio.intake.isolated", str(file_seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )  # fmt: skip
        self._requests = cast("BinaryIO", self._child.stdin)
        self._answers = cast("BinaryIO", self._child.stdout)
        self.ended = False

    def ask(self, data: bytes, max_side: int, max_pixels: int) -> tuple[Decoded | str, float]:
        """The picture, or why it is refused; and the processor seconds that took. Raises _Ended or _TooLong."""
        try:
            self._requests.write(_REQUEST.pack(len(data), max_side, max_pixels) + data)
            self._requests.flush()
            return self._answer()
        except (BrokenPipeError, EOFError) as error:
            code = self.close()
            raise (_TooLong if code == -signal.SIGXCPU else _Ended) from error
        except BaseException:
            self.close()
            raise

    def _answer(self) -> tuple[Decoded | str, float]:
        if not select.select([self._answers], [], [], _PATIENCE_SECONDS)[0]:
            raise _TooLong
        good, seconds, width, height, text, png = _ANSWER.unpack(_exactly(self._answers, _ANSWER.size))
        said = _exactly(self._answers, text).decode()
        picture = _exactly(self._answers, png)
        return (Decoded(picture, width, height, said) if good else said), seconds

    def close(self) -> int:
        """End the process, if it has not ended; returns its exit code."""
        self.ended = True
        self._child.kill()
        self._answers.close()
        with contextlib.suppress(BrokenPipeError):  # what was still to be sent is for nobody
            self._requests.close()
        return self._child.wait()


def _exactly(pipe: BinaryIO, count: int) -> bytes:
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _serve(requests: BinaryIO, answers: BinaryIO, file_seconds: int) -> None:
    while header := requests.read(_REQUEST.size):
        count, max_side, max_pixels = _REQUEST.unpack(header)
        data = requests.read(count)
        limit_memory(_BASE_BYTES + _BYTES_PER_PIXEL * max_pixels)
        started = time.process_time()
        # The kernel counts whole seconds; a second more, so that nobody gets less than was promised.
        _limit(resource.RLIMIT_CPU, int(started) + file_seconds + 1)
        try:
            found = decode(data, max_side, max_pixels)
            said, png, sides = found.remark, found.png, (found.width, found.height)
        except Refusal as refusal:
            said, png, sides = str(refusal), b"", (0, 0)
        text = said.encode("utf-8", "replace")
        answers.write(_ANSWER.pack(bool(png), time.process_time() - started, *sides, len(text), len(png)))
        answers.write(text + png)
        answers.flush()


def limit_memory(count: int) -> None:
    """Let this process hold at most so many bytes of its own; asking for more is a MemoryError, or ends it.

    Data, not address space: libraries map files and reserve addresses that cost nothing.
    """
    _limit(resource.RLIMIT_DATA, count)


def _limit(what: int, count: int) -> None:
    """Set a limit as far as the one that was inherited allows."""
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard))


def main() -> None:
    """Entry point: answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _limit(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C is for the process that asks
    _serve(sys.stdin.buffer, answers, int(sys.argv[1]))


if __name__ == "__main__":
    main()
