"""What the tests of the automation pages share: an owner's browser, rules, runs, and counted queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, event, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import RunDetail, ScheduledTask
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.rules.naming import free_name
from app.infrastructure.database import db
from tests.people import People

NIGHTLY: dict[str, Any] = {
    "name": "Nightly clusters",
    "trigger": "schedule",
    "record_type": "keyword",
    "conditions": {"all": [{"field": "volume", "operator": "gte", "value": 100}]},
    "actions": [{"type": "cluster_keywords", "params": {}}],
    "schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
}
ON_KEYWORDS: dict[str, Any] = {
    "name": "Mark brands",
    "trigger": "keyword_added",
    "actions": [{"type": "update_records", "params": {"labels_add": ["brand"]}}],
}
ON_RUNS: dict[str, Any] = {
    "trigger": "run_finished",
    "record_type": None,
    "conditions": {},
    "actions": [{"type": "notify", "params": {"message": "Look"}}],
    "schedule": {},
}


def make_rule(session: Session, account: Account, **changes: Any) -> AutomationRule:
    """A valid rule, committed, without the run that is planned immediately when its time is near."""
    data = NIGHTLY | changes
    data["name"] = free_name(session, account.id, data["name"])
    rule = AutomationService().create_rule(session, account, data, Actor(None), datetime.now(UTC))
    planned = select(ScheduledTask.id).where(ScheduledTask.automation_rule_id == rule.id)
    session.execute(delete(RunDetail).where(RunDetail.run_id.in_(planned)))
    session.execute(delete(ScheduledTask).where(ScheduledTask.automation_rule_id == rule.id))
    session.commit()
    return rule


def ring_of(session: Session, people: People, count: int) -> list[AutomationRule]:
    """Rules that start one another in a ring: each when a run of the previous one has ended."""
    rules: list[AutomationRule] = []
    for number in range(count):
        options = {"rule_id": rules[-1].id} if rules else {}
        changes = ON_RUNS | {"name": f"Rule {number}"}
        rules.append(make_rule(session, people.account, **changes, trigger_options=options))
    rules[0].trigger_options = {"rule_id": rules[-1].id}
    session.commit()
    return rules


def make_run(
    session: Session, rule: AutomationRule, status: str, ago: timedelta = timedelta(hours=1), **values: Any
) -> ScheduledTask:
    """A run as the engine leaves it, committed."""
    at, detail = datetime.now(UTC) - ago, values.pop("detail", {})
    ended = {"started_at": at, "finished_at": at} if status in ("completed", "failed", "skipped") else {}
    run = ScheduledTask(
        **{
            "account_id": rule.account_id, "automation_rule_id": rule.id, "rule_name": rule.name, "status": status,
            "rule_version": rule.version, "cause": "manual", "queue": "due", "scheduled_at": at, "attempt": 1,
        } | ended | values
    )  # fmt: skip
    session.add(run)
    session.flush()
    session.add(RunDetail(account_id=rule.account_id, run_id=run.id, **detail))
    session.commit()
    return run


FRAMES = ("BEGIN", "SAVEPOINT", "RELEASE", "SET LOCAL")


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collects the statements that read or write in the block, without those that only frame them."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(FRAMES):
            sent.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
