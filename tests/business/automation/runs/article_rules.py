"""Rules that make articles from clusters, in three steps, and where a cluster stands with them."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleRecord
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import HOURLY, IDEAS

TASKS = {"type": "create_tasks", "params": {"word_count": 300}}
WRITE = {"type": "generate_content"}
ARTICLES = [IDEAS, TASKS, WRITE]


def planned(
    machine: Machine, account: Account, actions: list[dict[str, Any]], **values: Any
) -> AutomationRule:
    return machine.make_rule(
        account, trigger="schedule", schedule=HOURLY, actions=actions, **{"record_type": "cluster"} | values
    )


def state_of(session: Session, cluster: int) -> str | None:
    query = select(RuleRecord.state).where(RuleRecord.record_type == "cluster")
    return session.scalar(query.where(RuleRecord.record_id == cluster))
