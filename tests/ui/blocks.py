"""Building a page of gradio in a test, and leaving nothing of it behind."""

import asyncio
import contextlib

import pytest


@contextlib.contextmanager
def built():
    """Whatever is built inside: gradio gives every page some event loops, and never closes them."""
    loops, make = [], asyncio.new_event_loop

    def new_event_loop():
        loops.append(make())
        return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", new_event_loop)
        yield
    for loop in loops:
        loop.close()
    asyncio.set_event_loop(None)
