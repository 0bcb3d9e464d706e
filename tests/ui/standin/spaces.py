"""Stands in for the `spaces` package of a ZeroGPU Space: what is decorated runs in a fork, as there."""

import functools
import multiprocessing

DECORATED = []


def GPU(function=None, *, duration=60):  # noqa: N802 - the name of the real one
    """Remember what was decorated and for how long; run it in a forked process."""

    def decorate(work):
        DECORATED.append((work.__name__, duration))

        @functools.wraps(work)
        def lent(*arguments):
            child = multiprocessing.get_context("fork").Process(target=work, args=arguments)
            child.start()
            child.join()

        return lent

    return decorate(function) if callable(function) else decorate


def gradio_auto_wrap(function):
    """Gradio hands every event handler through this."""
    return function
