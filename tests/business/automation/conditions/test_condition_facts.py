"""The values that conditions can read: a record's fields, its relations', the account's figures and the clock."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.conditions.parser import parse_conditions
from app.business.automation.services.conditions.record_fields import load_facts
from tests import factories


def test_relations_and_counts_are_read_from_live_rows(session: Session, now: datetime) -> None:
    sector = factories.make_sector(session, factories.make_site(session, factories.make_account(session)))
    cluster = factories.make_cluster(session, sector, name="running shoes")
    for volume in (700, 300, None):
        keyword = factories.make_keyword(session, sector, cluster_id=cluster.id, volume=volume)
    idea = factories.make_idea(session, sector, cluster_id=cluster.id)
    task = factories.make_task(session, sector, idea_id=idea.id)
    frame: dict[str, Any] = {"scope": RuleScope(sector.account_id, None, None), "now": now, "zone": UTC}
    of_keyword = load_facts(session, "keyword", [keyword.id], **frame)[keyword.id]
    of_task = load_facts(session, "task", [task.id], **frame)[task.id]
    assert (of_keyword["cluster.keyword_count"], of_keyword["cluster.total_volume"]) == (3, 1000)
    assert (of_task["cluster.name"], of_task["cluster.idea_count"]) == ("running shoes", 1)
    assert of_task["content_count"] == 0
    assert (of_task["site.language"], of_task["assignee.email"]) == ("en", None)
    assert len(of_task.counted["keyword"]) == 3


def test_a_record_without_a_relation_reads_null(session: Session, now: datetime) -> None:
    sector = factories.make_sector(session, factories.make_site(session, factories.make_account(session)))
    keyword = factories.make_keyword(session, sector)
    facts = load_facts(
        session, "keyword", [keyword.id], scope=RuleScope(sector.account_id, None, None), now=now, zone=UTC
    )
    assert facts[keyword.id]["cluster.keyword_count"] is None
    assert facts[keyword.id].counted == {}


def test_the_accounts_figures_and_the_clock_of_the_zone(session: Session) -> None:
    account = factories.make_account(session, credits=250, credits_held=50)
    late = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
    frame: dict[str, Any] = {
        "scope": RuleScope(account.id, None, None),
        "now": late,
        "zone": ZoneInfo("Europe/Berlin"),
    }
    facts = load_facts(session, None, [account.id], conditions=[], **frame)
    assert dict(facts[account.id]) == {}
    facts = load_facts(session, None, [account.id], **frame)
    assert dict(facts[account.id]) == {
        "account.name": account.name,
        "account.credits_available": 200,
        "account.credits_percent": 20.0,
        "account.credits_used_this_month": 0,
        "account.runs_this_month": 0,
        "account.failed_runs_this_month": 0,
        "now.date": date(2026, 11, 30),
        "now.weekday": 1,
        "now.hour": 0,
        "now.days_left_in_month": 0,
    }


@pytest.mark.parametrize("records", [1, 60])
def test_the_number_of_queries_does_not_grow_with_the_records(
    session: Session, now: datetime, records: int
) -> None:
    sector = factories.make_sector(session, factories.make_site(session, factories.make_account(session)))
    ids = [factories.make_keyword(session, sector).id for _ in range(records)]
    asked = {
        "all": [
            {"field": "cluster.total_volume", "operator": "gt", "value": 5},
            {"count": "idea", "operator": "eq", "value": 0},
        ]
    }
    node = parse_conditions(asked, record_type="keyword")
    statements: list[str] = []
    listener = lambda *arguments: statements.append(arguments[2])  # noqa: E731
    event.listen(session.get_bind(), "before_cursor_execute", listener)
    frame: dict[str, Any] = {"scope": RuleScope(sector.account_id, None, None), "now": now, "zone": UTC}
    facts = load_facts(session, "keyword", ids, conditions=[node], **frame)
    event.remove(session.get_bind(), "before_cursor_execute", listener)
    assert (len(facts), len(statements)) == (records, 2)
