"""Decoding in a process of its own: what it costs is limited, and what ends it costs one picture."""

import os
import signal
import subprocess
import sys

import pytest

from synthstudio.errors import BadInput
from synthstudio.intake.decode import Refusal, decode
from synthstudio.intake.isolated import Decoders
from tests.intake.nasty import good, photo, saved

EATER = "from synthstudio.intake.isolated import limit_memory; limit_memory({} << 20); print(len(bytearray(400 << 20)))"


@pytest.fixture(scope="module")
def decoders():
    with Decoders(64, 10**6, max_seconds=60) as opened:
        yield opened


def test_another_process_gives_the_same_picture_and_the_same_refusal(decoders):
    data = saved(photo(size=(300, 80)), "JPEG")
    assert decoders.decode(data) == decode(data, 64, 10**6)
    with pytest.raises(Refusal, match="not a picture we can read"):
        decoders.decode(b"hello")
    assert len(decoders._idle) == 1


def test_a_process_that_is_killed_is_replaced_and_the_picture_is_asked_again(decoders):
    decoders.decode(good(1))
    os.kill(decoders._idle[0]._child.pid, signal.SIGKILL)
    assert decoders.decode(good(2)) == decode(good(2), 64)


def test_a_picture_that_takes_too_long_is_refused_and_the_next_one_is_decoded():
    # The kernel counts whole seconds of processor time: this picture takes more than one.
    large = saved(photo(size=(12_000, 12_000)), "PNG", compress_level=0)
    with Decoders(64, 200_000_000, max_seconds=60, file_seconds=0) as decoders:
        with pytest.raises(Refusal, match="takes more than 0 s to decode"):
            decoders.decode(large)
        assert decoders.decode(good()).width == 40


def test_a_source_may_not_take_time_for_ever():
    with Decoders(64, 10**6, max_seconds=0) as decoders, pytest.raises(BadInput, match="Import them in parts"):
        decoders.decode(good(1))


def test_memory_beyond_the_limit_is_refused_by_the_kernel():
    said = [
        subprocess.run([sys.executable, "-c", EATER.format(most)], capture_output=True, text=True)
        for most in (200, 900)
    ]
    assert "MemoryError" in said[0].stderr
    assert said[1].stdout.strip() == str(400 << 20)
