"""Statements over many rows write the same on both databases, whatever the kinds of values."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleRecord
from app.business.automation.run_models import RunAttempt, RunDetail, ScheduledTask, Status
from app.business.automation.services.history.credit_days import KEY
from app.business.automation.total_models import RunChange
from app.business.automation.unit_models import ActionRun
from app.business.base import RowValues
from app.business.billing.models import CreditDay
from app.business.planner.models import Sector
from app.business.prepared_rows import MOST_AT_ONCE
from app.business.row_sets import add_each, insert_each, is_on_postgresql, update_each, upsert_each
from app.business.upsert import MANY, insert_many_new
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import NOW, make_account, make_sector, make_site

TEXT = "“Lamp’s” \\ \n \x01 🕯 {}"
LATER = NOW + timedelta(microseconds=1)


@pytest.fixture
def runs(session: Session) -> list[ScheduledTask]:
    """Pending runs of two accounts."""
    rules = [make_rule(session, make_account(session)) for _ in range(2)]
    return [make_run(session, rule, NOW, Status.PENDING) for rule in rules]


def test_rows_are_inserted_with_the_defaults_of_the_model(
    session: Session, runs: list[ScheduledTask]
) -> None:
    rows: list[RowValues] = [
        {
            "account_id": run.account_id,
            "run_id": run.id,
            "step": 0,
            "type": "notify",
            "record_type": "run",
            "record_id": run.id,
            "status": "done",
            "provider_key": f"r{run.id}",
            "message": TEXT,
            "made": {"idea": [run.id]},
            "ai_cost": None,
            "started_at": LATER,
        }
        for run in runs
    ]
    insert_each(session, ActionRun, rows)
    found = session.scalars(select(ActionRun).order_by(ActionRun.id)).all()
    assert [(one.message, one.made, one.ai_cost, one.started_at) for one in found] == [
        (TEXT, {"idea": [run.id]}, None, LATER) for run in runs
    ]
    assert {(one.attempts, one.credits, one.model, one.finished_at) for one in found} == {(1, 0, "", None)}


@pytest.mark.parametrize("number", [1, 2, MOST_AT_ONCE + 1])
def test_any_number_of_rows_is_inserted(session: Session, runs: list[ScheduledTask], number: int) -> None:
    rows: list[RowValues] = [
        {
            "account_id": runs[place % 2].account_id,
            "run_id": runs[place % 2].id,
            "status": "failed" if place % 3 else "done",
            "step": 0,
            "type": "notify",
            "record_type": "run",
            "record_id": place,
            "provider_key": "of all",
            "made": {"idea": [place]},
            "started_at": LATER,
            "message": TEXT,
        }
        for place in range(number)
    ]
    insert_each(session, ActionRun, rows)
    named = ActionRun.account_id, ActionRun.run_id, ActionRun.status, ActionRun.record_id, ActionRun.made
    assert [tuple(found) for found in session.execute(select(*named).order_by(ActionRun.id))] == [
        tuple(row[column.key] for column in named) for row in rows
    ]


def test_rows_that_are_equal_are_all_inserted(session: Session, runs: list[ScheduledTask]) -> None:
    row: RowValues = {"account_id": runs[0].account_id, "scheduled_at": NOW, "rule_id": 1, "site_id": 0}
    row |= {"status": "failed", "reason": "", "late": -1, "took": 3, "runs": 1}
    insert_each(session, RunChange, [row] * 3)
    insert_each(session, RunChange, [row])
    assert session.scalars(select(RunChange.took)).all() == [3] * 4


@pytest.mark.parametrize("each", [2, MANY])
def test_new_rows_are_returned_and_those_that_exist_left_out(
    session: Session, runs: list[ScheduledTask], each: int
) -> None:
    def rows(numbers: range) -> list[RowValues]:
        attempt: RowValues = {"worker": TEXT, "started_at": LATER}
        return [
            {"account_id": run.account_id, "run_id": run.id, "number": number} | attempt
            for run in runs
            for number in numbers
        ]

    def added(numbers: range) -> list[tuple[int, int, str]]:
        returned = RunAttempt.run_id, RunAttempt.number, RunAttempt.status
        return sorted(tuple(row) for row in insert_many_new(session, RunAttempt, rows(numbers), *returned))

    def expected(numbers: range) -> list[tuple[int, int, str]]:
        return [(run.id, number, "running") for run in runs for number in numbers]

    assert added(range(each)) == expected(range(each))
    assert added(range(1, each + 1)) == expected(range(each, each + 1))
    assert added(range(each)) == []


def test_rows_without_the_folds_of_their_texts_are_refused(session: Session) -> None:
    sector = make_sector(session, make_site(session, make_account(session)))
    if is_on_postgresql(session):
        pytest.skip("PostgreSQL takes its defaults from SQLAlchemy")
    row: RowValues = {"account_id": sector.account_id, "site_id": sector.site_id, "name": "Lamps"}
    stamps: RowValues = {"created_at": NOW, "updated_at": NOW}
    with pytest.raises(ValueError, match="rows with name must hold what follows from it"):
        insert_each(session, Sector, [row | stamps])
    insert_each(session, Sector, [row | stamps | {"name_folded": "lamps"}])
    assert session.scalars(select(Sector.name_folded)).all()[-1] == "lamps"


def test_rows_are_updated_where_the_guard_holds(session: Session, runs: list[ScheduledTask]) -> None:
    first, other = runs
    other.status = Status.SKIPPED
    session.flush()
    rows: list[RowValues] = [
        {
            "id": run.id,
            "account_id": run.account_id,
            "status": Status.COMPLETED,
            "reason": None,
            "counted_day": date(2026, 11, 30),
            "finished_at": LATER,
            "result": {"summary": TEXT, "made": {}},
            "budget": None,
        }
        for run in runs
    ]
    assert update_each(session, ScheduledTask, rows, where=ScheduledTask.status != Status.SKIPPED) == 1
    session.expire_all()
    assert (first.status, first.counted_day, first.finished_at) == ("completed", date(2026, 11, 30), LATER)
    assert (first.result, first.budget) == ({"summary": TEXT, "made": {}}, None)
    assert (other.status, other.finished_at, other.result) == ("skipped", None, {})


def test_an_absent_document_is_null(session: Session, runs: list[ScheduledTask]) -> None:
    rows: list[RowValues] = [
        {"run_id": run.id, "account_id": run.account_id, "records": None, "gates": [], "trace": None}
        for run in runs
    ]
    assert update_each(session, RunDetail, rows, key="run_id") == 2
    absent = RunDetail.records.is_(None), RunDetail.trace.is_(None)
    assert session.scalars(select(RunDetail.gates).where(*absent)).all() == [[], []]


def test_a_row_of_another_account_is_not_written(session: Session, runs: list[ScheduledTask]) -> None:
    first, other = runs
    row: RowValues = {"id": first.id, "account_id": other.account_id, "worker": "somebody"}
    assert update_each(session, ScheduledTask, [row]) == 0


def test_rows_that_exist_are_changed_where_the_guard_holds(
    session: Session, runs: list[ScheduledTask]
) -> None:
    def rows(state: str, record_ids: range) -> list[RowValues]:
        return [
            {
                "account_id": run.account_id,
                "rule_id": run.automation_rule_id,
                "record_type": "keyword",
                "record_id": record_id,
                "state": state,
                "run_id": run.id,
                "failures": 0,
                "updated_at": NOW,
            }
            for run in runs
            for record_id in record_ids
        ]

    def write(given: list[RowValues]) -> int:
        return upsert_each(
            session,
            RuleRecord,
            given,
            unique=("rule_id", "record_type", "record_id"),
            change=("state",),
            where=RuleRecord.state != "claimed",
        )

    assert write(rows("claimed", range(1, 3))) == 4
    assert write(rows("handled", range(2, 4))) == 2
    states = select(RuleRecord.record_id, RuleRecord.state).order_by(RuleRecord.record_id, RuleRecord.id)
    assert [tuple(row) for row in session.execute(states)] == [
        (record_id, state)
        for record_id, state in ((1, "claimed"), (2, "claimed"), (3, "handled"))
        for _ in runs
    ]


def test_rows_that_exist_take_more_where_something_is_added_to_them(
    session: Session, runs: list[ScheduledTask]
) -> None:
    def rows(kinds: dict[str, tuple[int, int]]) -> list[RowValues]:
        return [
            {
                "account_id": run.account_id,
                "local_day": NOW.date(),
                "kind": kind,
                "rule_id": run.automation_rule_id,
                "site_id": 0,
                "cause": "event",
                "action": "",
                "amount": amount,
                "runs": number,
            }
            for run in runs
            for kind, (amount, number) in kinds.items()
        ]

    for given in ({"charge": (-3, 1), "refund": (1, 0)}, {"charge": (-4, 2), "grant": (5, 0)}):
        add_each(session, CreditDay, rows(given), unique=KEY, add=("amount", "runs"))
    sums = select(CreditDay.account_id, CreditDay.kind, CreditDay.amount, CreditDay.runs)
    assert {tuple(row) for row in session.execute(sums)} == {
        (run.account_id, *found)
        for run in runs
        for found in (("charge", -7, 3), ("refund", 1, 0), ("grant", 5, 0))
    }


def test_no_rows_are_no_statement(session: Session) -> None:
    insert_each(session, RunAttempt, [])
    add_each(session, CreditDay, [], unique=KEY, add=("amount",))
    assert update_each(session, ScheduledTask, []) == 0
