"""How much of what could be tried is tried: a sample in everyday runs, all of it with TRIALS=full."""

import os
from collections.abc import Sequence
from typing import TypeVar

FULL = os.environ.get("TRIALS") == "full"

Plan = TypeVar("Plan")
Tried = TypeVar("Tried")


def times(full: Plan, sample: Plan) -> Plan:
    """`full` with TRIALS=full, else the sample."""
    return full if FULL else sample


def share(tried: Sequence[Tried], number: int, of: int) -> Sequence[Tried]:
    """What the subject of that number takes of it: every `of`-th, the next subject those beside them."""
    return tried if FULL else tried[number % of :: of]


def turn(tried: Sequence[Tried], number: int) -> Sequence[Tried]:
    """The one whose turn it is with the subject of that number: among neighbours each has its turn."""
    return share(tried, number, len(tried))
