"""Whole months of rules, people, crashes, lost wake-ups and wrong clocks: every promise holds after every step.

A failure prints its seed and the last acts; `SEED=7 pytest tests/simulation` repeats that seed.
"""

import os
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.sampling import FULL
from tests.simulation.simulator import DAYS, a_copy, failure_of, on_sqlite
from tests.simulation.world import World

ONE = [int(os.environ["SEED"])] if "SEED" in os.environ else None
SEEDS = ONE or range(2000 if FULL else 1)
SEEDS_ON_POSTGRESQL = ONE or (range(100) if FULL else range(1, 2))
"""One month on SQLite and another half one on PostgreSQL; with TRIALS=full as many as there is time for."""


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_holds_on_sqlite(template: Path, seed: int) -> None:
    failure = on_sqlite(template, seed)
    assert failure is None, failure


@pytest.mark.parametrize("seed", SEEDS_ON_POSTGRESQL)
def test_every_promise_holds_on_postgresql(postgresql: Engine, seed: int) -> None:
    failure = failure_of(postgresql, seed, days=DAYS if FULL else DAYS // 2)
    assert failure is None, failure


def test_a_seed_is_deterministic(template: Path) -> None:
    first, second = (trail_of(template, 5, days=5) for _ in range(2))
    assert first == second


def trail_of(template: Path, seed: int, days: int) -> list[str]:
    with a_copy(template) as engine:
        world = World(engine, seed)
        for _ in world.days(days):
            pass
        return list(world.trail)
