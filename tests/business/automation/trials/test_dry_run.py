"""Testing a rule shows what would happen, and changes nothing."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.services.trials.dry_run import dry_run
from app.business.base import Base
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import HOURLY, IDEAS, clusters_with_keywords
from tests.factories import make_keyword

LABEL = {"type": "update_records", "params": {"labels_add": ["big"]}}
BIG = {"field": "volume", "operator": "gte", "value": 500}


def everything(session: Session) -> dict[str, Any]:
    """Every row of every table, to compare before and after."""
    return {table.name: session.execute(select(table)).all() for table in Base.metadata.sorted_tables}


def test_a_test_writes_nothing(machine: Machine, session: Session, account: Account, sector: Sector) -> None:
    clusters_with_keywords(session, sector, 2)
    rule = machine.make_rule(account, trigger="schedule", schedule=HOURLY, actions=[IDEAS])
    before = everything(session)
    report = dry_run(session, rule, machine.now)
    session.commit()
    assert everything(session) == before
    assert (report["would_run"], report["price"], report["matched"]) == (True, 10, 2)
    assert session.info.get("wake", set()) == set()


def test_a_test_on_a_record_traces_each_condition(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    small = make_keyword(session, sector, volume=20)
    rule = machine.make_rule(account, conditions=BIG, actions=[LABEL])
    report = dry_run(session, rule, machine.now, record_id=small.id)
    assert report["would_run"] is False
    assert report["conditions"] == BIG | {"actual": 20, "result": False}
    gates = {gate["gate"]: gate["result"] for gate in report["gates"]}
    assert (gates["conditions"], gates["daily_limit"]) == ("stop", "not_evaluated")


def test_where_nothing_matches_a_sample_shows_why(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector, volume=20)
    rule = machine.make_rule(account, conditions=BIG, actions=[LABEL])
    assert dry_run(session, rule, machine.now)["conditions"]["actual"] == 20


def test_typed_values_replace_a_record(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, conditions=BIG, actions=[LABEL])
    report = dry_run(session, rule, machine.now, values={"volume": 900})
    assert (report["would_run"], report["conditions"]["result"]) == (True, True)
    assert {gate["result"] for gate in report["gates"]} <= {"pass", "not_applicable"}
    assert dry_run(session, rule, machine.now, values={"volume": 9})["would_run"] is False


def test_a_rule_that_is_off_is_tested_all_the_same(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, conditions=BIG, actions=[LABEL], is_active=False)
    report = dry_run(session, rule, machine.now, values={"volume": 900})
    assert (report["would_run"], report["conditions"]["result"]) == (False, True)
    assert report["gates"][0]["message"] == "The rule is switched off."
