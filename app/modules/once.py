"""What is worked out once in a process, because it depends on nothing but its key."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from flask import Flask, current_app

MOST = 2_000
"""Keys hold what callers choose, like the prefix of an address: beyond this everything is worked out anew."""
_KEPT = "worked out once"
Value = TypeVar("Value")


def init_once(app: Flask) -> None:
    """Each application has its own: it may have other pages."""
    app.extensions[_KEPT] = {}


def once(key: Hashable, work: Callable[[], Value]) -> Value:
    """What `work` returned for this key. The key names the kind, and holds everything that the answer depends on."""
    kept: dict[Hashable, Value] = current_app.extensions[_KEPT]
    if key in kept:
        return kept[key]
    if len(kept) >= MOST:
        kept.clear()
    value = kept[key] = work()
    return value
