"""How each kind of operation is shown: its title, what its progress counts, and the partial of its result."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class KindPage:
    """`counts`: singular noun of what `done` and `total` count · `result`: template that gets `operation`."""

    title: str
    counts: str
    result: str


KIND_PAGES: Mapping[str, KindPage] = {}
