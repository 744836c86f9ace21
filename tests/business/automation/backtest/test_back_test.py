"""Back-tests: past records, changes, missing data; they write nothing."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.operation_models import Operation
from app.business.automation.services.backtest.back_test import begin_back_test
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.rules.versions import definition_of
from app.business.base import Base
from app.business.billing.models import EntryKind
from app.business.billing.services.credit_service import CreditService
from app.business.errors import Invalid
from app.business.events import Event, EventBatch, Origin
from app.business.planner.models import Keyword, Sector
from app.business.planner.services.cluster_service import create_cluster, place_keywords
from app.business.planner.services.keyword_service import add_keyword, update_keyword
from tests.business.automation.machine import Machine

LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}
IDEAS = {"type": "generate_ideas", "params": {"ideas_per_cluster": 3}}
LARGE = {"field": "volume", "operator": "gte", "value": 100}


def add(machine: Machine, sector: Sector, volumes: list[int], days_ago: int = 0) -> list[Keyword]:
    """Keywords created by one form submission each, `days_ago` days ago."""
    at = machine.now - timedelta(days=days_ago)
    keywords = [
        add_keyword(
            machine.session, sector, {"text": f"keyword {days_ago} {place} {volume}", "volume": volume},
            origin=Origin(sector.account_id), now=at,
        )
        for place, volume in enumerate(volumes)
    ]  # fmt: skip
    machine.session.commit()
    return keywords


def tried(machine: Machine, account: Account, days: int = 30, **what: Any) -> Operation:
    """The finished back-test."""
    operation = begin_back_test(machine.session, account, days=days, user_id=None, now=machine.now, **what)
    machine.session.commit()
    assert lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    machine.session.refresh(operation)
    return operation


def outcome(operation: Operation, place: int = 0) -> dict[str, Any]:
    assert operation.state == "done", operation.error_message
    found: dict[str, Any] = operation.result["outcomes"][place]
    return found


def off(machine: Machine, account: Account, **values: Any) -> AutomationRule:
    """A rule that is off, so that nothing really runs."""
    return machine.make_rule(
        account, **{"is_active": False, "conditions": LARGE, "actions": [LABEL]} | values
    )


def test_records_are_judged_by_their_past_values(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    large, small = add(machine, sector, [500, 5], days_ago=3)
    for keyword, volume in ((large, 1), (small, 900)):
        update_keyword(session, keyword, {"volume": volume}, origin=Origin(account.id), now=machine.now)
    found = outcome(tried(machine, account, rule=off(machine, account)))
    assert [item["id"] for item in found["sample"]] == [large.id]
    assert (found["offered"], found["matched"], found["runs"], found["unmatched"]) == (2, 1, 1, 1)
    assert found["rests"]["assumed"] == 0


def test_present_values_replace_missing_ones_and_are_counted(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    add(machine, sector, [500, 5, 700], days_ago=3)
    session.execute(update(Event).values(snapshot=None))
    found = outcome(tried(machine, account, rule=off(machine, account)))
    assert (found["matched"], found["rests"]["assumed"]) == (2, 3)


def test_a_cluster_keeps_the_counts_it_began_with(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    keywords = add(machine, sector, [1, 2, 3])
    cluster = create_cluster(session, sector, {"name": "Shoes"}, origin=Origin(account.id), now=machine.now)
    place_keywords(
        session, cluster, [row.id for row in keywords], ["new"], origin=Origin(account.id), now=machine.now
    )
    session.commit()
    machine.pass_time(days=1)
    rule = off(
        machine, account, trigger="cluster_created", actions=[IDEAS],
        conditions={"field": "keyword_count", "operator": "gte", "value": 1},
    )  # fmt: skip
    assert outcome(tried(machine, account, rule=rule))["unmatched"] == 1


def test_a_change_is_shown_by_the_records_it_decides_differently(
    machine: Machine, account: Account, sector: Sector
) -> None:
    add(machine, sector, [50, 150, 250, 350], days_ago=2)
    rule = off(machine, account, conditions=LARGE)
    changed = definition_of(rule) | {
        "conditions": {"field": "volume", "operator": "between", "value": [40, 300]}
    }
    operation = tried(machine, account, rule=rule, data=changed)
    assert [outcome(operation, place)["records"] for place in (0, 1)] == [3, 3]
    changes = operation.result["changes"]
    assert (changes["more"], changes["fewer"]) == (1, 1)
    named = {row.id: row.volume for row in machine.session.scalars(select(Keyword))}
    assert [named[key] for key in changes["more_sample"] + changes["fewer_sample"]] == [50, 350]


def test_a_rule_that_is_not_saved_can_be_tried(machine: Machine, account: Account, sector: Sector) -> None:
    add(machine, sector, [150, 250], days_ago=2)
    data = {"name": "New", "trigger": "keyword_added", "conditions": LARGE, "actions": [LABEL]}
    operation = tried(machine, account, data=data)
    assert outcome(operation)["runs"] == 2
    assert "changes" not in operation.result
    with pytest.raises(Invalid, match="Unknown trigger"):
        begin_back_test(
            machine.session, account, days=3, user_id=None, now=machine.now, data=data | {"trigger": "x"}
        )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"max_executions_per_day": 2, "when_limited": "skip"}, (2, 0, {"daily_limit": 3})),
        ({"max_executions_per_day": 2}, (4, 1, {})),
        ({"credit_limit_per_execution": 4}, (0, 0, {"limit_below_price": 5})),
        ({"monthly_budget": 12, "when_limited": "skip"}, (2, 0, {"budget": 3})),
    ],
)
def test_limits_hold_in_the_past_too(
    machine: Machine, session: Session, account: Account, sector: Sector,
    values: dict[str, Any], expected: tuple[int, int, dict[str, int]],
) -> None:  # fmt: skip
    for number in range(5):
        fields = {"name": f"Cluster {number}"}
        create_cluster(
            session, sector, fields, origin=Origin(account.id), now=machine.now - timedelta(hours=30)
        )
    session.commit()
    rule = off(machine, account, trigger="cluster_created", conditions={}, actions=[IDEAS], **values)
    found = outcome(tried(machine, account, rule=rule))
    assert (found["runs"], found["waiting"], found["skips"]) == expected
    assert found["credits"] == 5 * found["runs"]


def test_a_schedule_takes_the_oldest_first_and_each_once(
    machine: Machine, account: Account, sector: Sector
) -> None:
    add(machine, sector, [200] * 5, days_ago=10)
    rule = off(
        machine, account, trigger="schedule", record_type="keyword", record_limit=2,
        schedule={"cron": "0 6 * * *", "timezone": "UTC"},
    )  # fmt: skip
    found = outcome(tried(machine, account, days=8, rule=rule))
    assert (found["offered"], found["runs"], found["records"]) == (8, 3, 5)
    assert [day["matched"] for day in found["days"] if day["matched"]] == [2, 2, 1]


def test_it_writes_nothing_but_its_own_row(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    add(machine, sector, [500, 5], days_ago=3)
    rule = off(machine, account)
    tables = [table for table in Base.metadata.sorted_tables if table.name != "operation"]

    def contents() -> list[Any]:
        counts = [session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
        return [
            *counts,
            session.execute(select(Keyword.updated_at, Keyword.labels).order_by(Keyword.id)).all(),
        ]

    before = contents()
    tried(machine, account, rule=rule, data=definition_of(rule) | {"conditions": {}})
    assert contents() == before


@pytest.mark.parametrize("days", [0, 91])
def test_the_days_are_bounded(machine: Machine, account: Account, days: int) -> None:
    rule = off(machine, account)
    with pytest.raises(Invalid, match="1 to 90 days"):
        begin_back_test(machine.session, account, days=days, user_id=None, now=machine.now, rule=rule)


def test_too_many_planned_times_are_refused_in_plain_words(machine: Machine, account: Account) -> None:
    rule = off(
        machine, account, trigger="schedule", record_type="keyword",
        schedule={"cron": "*/5 * * * *", "timezone": "UTC"},
    )  # fmt: skip
    operation = tried(machine, account, days=90, rule=rule)
    assert operation.state == "failed"
    assert "Choose fewer days" in operation.error_message


def test_the_report_is_bounded(machine: Machine, account: Account, sector: Sector) -> None:
    add(machine, sector, [200] * 40, days_ago=1)
    rule = off(machine, account, max_executions_per_day=100)
    found = outcome(tried(machine, account, days=90, rule=rule))
    assert (len(found["sample"]), len(found["days"]), found["records"]) == (10, 91, 40)


def test_following_its_own_runs_is_reported_as_a_loop(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = off(machine, account)
    add(machine, sector, [500], days_ago=2)
    session.execute(update(EventBatch).values(chain=[rule.id], depth=1))
    assert outcome(tried(machine, account, rule=rule))["skips"] == {"loop": 1}


def test_a_rule_without_records_uses_past_credits(machine: Machine, account: Account) -> None:
    rule = off(
        machine, account, trigger="schedule", record_type=None, schedule={"cron": "0 6 * * *", "timezone": "UTC"},
        conditions={"field": "account.credits_available", "operator": "lt", "value": 600},
        actions=[{"type": "notify", "params": {"message": "Low"}}],
    )  # fmt: skip
    machine.pass_time(days=3)
    CreditService().add(
        machine.session, account_id=account.id, kind=EntryKind.ADJUST, amount=-500, key="less", reason="Less",
        now=machine.now,
    )  # fmt: skip
    machine.session.commit()
    machine.pass_time(days=2)
    found = outcome(tried(machine, account, days=5, rule=rule))
    assert (found["offered"], found["runs"], found["skips"]) == (5, 2, {"conditions": 3})
