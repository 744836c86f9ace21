"""On which database a test runs: on both, or on one of the two.

Both: whatever asks for, locks, sorts or keeps rows in a way that databases differ in (conditions, claims, races,
ledgers, imports, the API with its filters, odd values, migrations, upgrades). One: pages, forms, the browser, real
processes, and long stories of the engine, whose statements the tests of the first kind run on both. Which one follows
from a test's name, so that the tests of each file are shared out between the two. With TRIALS=full all run on both.
"""

import os
from collections.abc import Iterable
from zlib import crc32

import pytest

DATABASES = ("sqlite", "postgresql")
PARAMETERS = ("database_url", "site")
"""Names of the parameters that hold a test's database."""
ONE_IS_ENOUGH = (
    "tests/browser/",
    "tests/business/automation/actions/",
    "tests/business/automation/auditing/",
    "tests/business/automation/backtest/",
    "tests/business/automation/forecast/",
    "tests/business/automation/history/",
    "tests/business/automation/operations/",
    "tests/business/automation/preflight/",
    "tests/business/automation/rules/",
    "tests/business/automation/runs/",
    "tests/business/automation/transfer/",
    "tests/business/automation/trials/",
    "tests/business/automation/triggering/",
    "tests/business/automation/why/",
    "tests/business/planner/test_moves_by_hand.py",
    "tests/commands/",
    "tests/faults/crashes/",
    "tests/faults/fleet/",
    "tests/infrastructure/test_run_log.py",
    "tests/infrastructure/test_slow_clients.py",
    "tests/journeys/",
    "tests/modules/",
    "tests/test_demo.py",
)
"""Folders and files of the second kind; single ones of the first in them are marked `both_databases`."""


def leave_out_the_other(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that would show on the second database what they show on the first, and long trials."""
    if os.environ.get("TRIALS") == "full":
        return
    both = {_without_database(item) for item in items if _database_of(item) == DATABASES[1]}
    left_out = [
        item
        for item in items
        if item.get_closest_marker("full_trials")
        or (_without_database(item) in both and _is_shown_by_the_other(item))
    ]
    items[:] = _without(items, left_out)
    if left_out:
        config.hook.pytest_deselected(items=left_out)


def _is_shown_by_the_other(item: pytest.Item) -> bool:
    database = _database_of(item)
    if database is None or item.get_closest_marker("both_databases"):
        return False
    return item.nodeid.startswith(ONE_IS_ENOUGH) and database != _chosen(_without_database(item))


def _chosen(name: str) -> str:
    return DATABASES[crc32(name.encode()) % 2]


def _database_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    return next((params[name] for name in PARAMETERS if params.get(name) in DATABASES), None)


def _without_database(item: pytest.Item) -> str:
    return item.nodeid.replace(_database_of(item) or "", "")


def _without(items: list[pytest.Item], left_out: Iterable[pytest.Item]) -> list[pytest.Item]:
    gone = set(left_out)
    return [item for item in items if item not in gone]
