"""In which order tests run: long ones first, for with the last ones a test process has nobody to share them with."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TypeVar

LONG_FIRST = (("faults", "journeys"), ("browser",), ("simulation", "fuzz"))
"""Folders of long tests, by the test process that begins with them; further processes begin with quick ones.

Those with many processes run one after the other, beside the browser of the second.
"""
Item = TypeVar("Item")


def long_first(items: Sequence[Item], folder_of: Callable[[Item], str], processes: int) -> list[Item]:
    """xdist hands each process an equal part of the list: each of the first begins with long ones."""
    long = [
        [item for folder in folders for item in items if folder_of(item) == folder] for folders in LONG_FIRST
    ]
    known = {*chain(*LONG_FIRST)}
    quick = [item for item in items if folder_of(item) not in known]
    if processes < len(LONG_FIRST):
        return [*chain(*long), *quick]
    ordered: list[Item] = []
    for first in long:
        filling = max(0, len(items) // processes - len(first))
        ordered += [*first, *quick[:filling]]
        del quick[:filling]
    return ordered + quick
