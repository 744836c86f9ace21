"""Which tests a run leaves out, and on which database a test runs: on both, or on one of the two.

Both: whatever asks for, locks, sorts or keeps rows in a way that databases differ in (conditions, claims, races,
ledgers, imports, the API with its filters, odd values, migrations, rows of an upgrade); where such a test has several
cases, each case runs on one of them, in turns. One: pages, forms, the browser, real processes, and long stories of the
engine, whose statements the tests of the first kind run on both. Which one follows from a test's name: one in eight
runs on PostgreSQL, where it costs half as much again. With TRIALS=full all run on both.

Apart from both: tests/wordpress, which are skipped unless WORDPRESS=real, for they need PHP, MariaDB and WordPress.
`make test-wordpress` installs these and runs them; everywhere else a stand-in answers in WordPress's place. So it is
with tests/model (MODEL=real, `make test-model`), which need a language model and its server.
"""

import os
from pathlib import Path
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
    "tests/business/automation/calendars/",
    "tests/business/automation/conditions/test_condition_reasoning.py",
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
    "tests/business/planner/test_keyword_import.py::test_ten_thousand_rows_take_a_few_seconds",
    "tests/business/planner/test_moves_by_hand.py",
    "tests/commands/",
    "tests/faults/crashes/",
    "tests/faults/fleet/",
    "tests/fuzz/test_random_forms.py",
    "tests/infrastructure/test_mail.py",
    "tests/infrastructure/test_offline_brief.py",
    "tests/infrastructure/test_run_log.py",
    "tests/infrastructure/test_slow_clients.py",
    "tests/infrastructure/test_sweep.py",
    "tests/infrastructure/test_webhook_delivery.py",
    "tests/infrastructure/test_worker.py",
    "tests/journeys/",
    "tests/modules/",
    "tests/test_demo.py",
    "tests/test_upgrade.py::test_every_page_and_list_answers_after_the_upgrade",
    "tests/test_upgrade.py::test_every_run_of_0_3_0_ends_and_the_books_agree",
    "tests/test_upgrade.py::test_rules_with_values_refused_today_say_what_needs_repair",
    "tests/wordpress/",
)
"""Folders, files and tests of the second kind; single ones of the first in them are marked `both_databases`."""


NOT_FAST = Path(__file__).parent / "not_in_test_fast.txt"
"""What takes over a third of a second on SQLite, and is left out with --fast."""


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what this run does not ask for."""
    if os.environ.get("TRIALS") == "full":
        return
    left_out = _slow(items) if config.getoption("fast") else _shown_by_others(items)
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=list(left_out))


def _shown_by_others(items: list[pytest.Item]) -> set[pytest.Item]:
    """Long trials, and what would show on the second database what it shows on the first."""
    on_one, on_other = (
        {_without_database(item): None for item in items if _database_of(item) == database}
        for database in DATABASES
    )
    in_both = [name for name in on_one if name in on_other]
    cases = _databases_of_cases(in_both)
    shared = {*in_both}
    return {
        item
        for item in items
        if item.get_closest_marker("full_trials")
        or (_without_database(item) in shared and _is_shown_by_the_other(item, cases))
    }


def _databases_of_cases(names: list[str]) -> dict[str, str]:
    """The one database of each case of the tests that have several: they take turns."""
    cases: dict[str, list[str]] = {}
    for name in names:
        cases.setdefault(name.partition("[")[0], []).append(name)
    return {
        name: DATABASES[(crc32(test.encode()) + number) % 2]
        for test, own in cases.items()
        if len(own) > 1
        for number, name in enumerate(own)
    }


def _is_shown_by_the_other(item: pytest.Item, cases: dict[str, str]) -> bool:
    database, name = _database_of(item), _without_database(item)
    if item.get_closest_marker("both_databases") or not item.nodeid.startswith(ONE_IS_ENOUGH):
        return cases.get(name, database) != database
    return database != _chosen(name)


def _slow(items: list[pytest.Item]) -> set[pytest.Item]:
    slow = set(NOT_FAST.read_text().split())
    return {
        item
        for item in items
        if item.get_closest_marker("full_trials")
        or _database_of(item) == DATABASES[1]
        or item.nodeid.partition("[")[0].removeprefix("tests/") in slow
    }


def _chosen(name: str) -> str:
    """PostgreSQL one time in eight."""
    return DATABASES[crc32(name.encode()) % 8 == 1]


def _database_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    params = callspec.params if callspec else {}
    return next((params[name] for name in PARAMETERS if params.get(name) in DATABASES), None)


def _without_database(item: pytest.Item) -> str:
    name, _, parameters = item.nodeid.partition("[")
    return f"{name}[{parameters.replace(_database_of(item) or '', '', 1)}"
