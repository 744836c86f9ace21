"""Transactions of an import are as long as they aim at, however dear its rows are."""

import gc
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.automation.services.operations import keyword_import
from app.business.collecting import collector_paused
from app.business.planner.services.import_parts import ImportPart, WritePace
from tests.business.automation.operations.import_trials import begin


@pytest.fixture
def parts_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """As large as the pace plans them."""
    monkeypatch.setattr(WritePace, "LARGEST", 1000)


class Machine:
    """Writes rows for a pace whose clock it is: what a row costs, and what statements cost however many rows."""

    def __init__(self, row: float, statements: float = 0.002) -> None:
        self.row, self.statements, self.time = row, statements, 0.0
        self.pace = WritePace(timer=lambda: self.time)
        self.held: list[float] = []

    def transactions(self, count: int) -> list[int]:
        """Rows written in each."""
        return [self._transaction() for _ in range(count)]

    def _transaction(self) -> int:
        self.pace.start()
        written = 0
        while rows := self.pace.next_slice():
            self.time += self.statements + rows * self.row
            self.pace.wrote(rows)
            written += rows
        self.time += self.statements
        self.pace.finish()
        self.held.append(self.pace.held)
        return written


@pytest.mark.usefixtures("parts_as_they_come")
@pytest.mark.parametrize("row", [0.00005, 0.0002, 0.001, 0.005, 0.015])
def test_no_transaction_of_an_import_is_planned_longer_than_it_aims_at(row: float) -> None:
    machine = Machine(row)
    written = machine.transactions(30)
    assert max(machine.held) <= max(0.03, WritePace.SMALLEST * row) + 4 * machine.statements
    assert written[-1] * row >= 0.03 / 3, "and what fits is written"


@pytest.mark.usefixtures("parts_as_they_come")
@pytest.mark.parametrize("times_dearer", [2, 10, 30])
def test_where_rows_become_dear_fewer_follow_and_more_when_they_are_cheap_again(times_dearer: int) -> None:
    machine = Machine(0.0002)
    usual = machine.transactions(20)[-1]
    machine.row *= times_dearer
    dear = machine.transactions(10)
    assert max(machine.held) <= 0.15
    assert max(machine.held[-5:]) <= 0.04
    assert dear[-1] <= 1.2 * usual / times_dearer
    machine.row /= times_dearer
    assert machine.transactions(30)[-1] >= 0.9 * usual


@pytest.mark.usefixtures("parts_as_they_come")
def test_dear_statements_do_not_make_transactions_small() -> None:
    machine = Machine(0.0005, statements=0.04)
    assert machine.transactions(20)[-1] >= 20
    assert max(machine.held) <= 0.2


@pytest.mark.both_databases
def test_parts_of_an_import_follow_the_clock(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that cost 5 ms each are written five or six at a time, on PostgreSQL three or four."""
    clock, parts = [0.0], list[int]()
    write, finish = ImportPart.write, ImportPart.finish

    def writes_slowly(part: ImportPart, rows: Sequence[Any]) -> None:
        clock[0] += 0.005 * len(rows)
        write(part, rows)

    def finishes(part: ImportPart) -> bool:
        parts.append(part.rows)
        return finish(part)

    monkeypatch.setattr(keyword_import, "WritePace", lambda: WritePace(timer=lambda: clock[0]))
    monkeypatch.setattr(WritePace, "LARGEST", 1000)
    monkeypatch.setattr(ImportPart, "write", writes_slowly)
    monkeypatch.setattr(ImportPart, "finish", finishes)
    trial = begin(session)
    assert trial.execute()
    assert trial.wrong() == []
    assert parts[0] == 3
    is_file = session.get_bind().dialect.name == "sqlite"
    assert set(parts[1:-1]) <= ({4, 5, 6} if is_file else {3, 4})


def test_nothing_is_collected_while_others_wait(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    write, seen = ImportPart.write, set[bool]()

    def writes(part: ImportPart, rows: Sequence[Any]) -> None:
        seen.add(gc.isenabled())
        write(part, rows)

    monkeypatch.setattr(ImportPart, "write", writes)
    assert begin(session).execute()
    assert (seen, gc.isenabled()) == ({False}, True)


def test_the_collector_is_on_again_after_the_last_of_several() -> None:
    first, second = collector_paused(), collector_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()
