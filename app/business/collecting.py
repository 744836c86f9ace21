"""Keeps the garbage collector out of moments in which others wait for a lock."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_lock = Lock()
_moments: list[bool] = []
"""For each moment under way: whether the collector was on before the first of them."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Nothing is collected in this process meanwhile; for moments of milliseconds only.

    Among the rows of a large file one full collection takes longer than writing a part of them.
    """
    with _lock:
        _moments.append(_moments[0] if _moments else gc.isenabled())
        gc.disable()
    try:
        yield
    finally:
        with _lock:
            was_on = _moments.pop()
            if was_on and not _moments:
                gc.enable()
