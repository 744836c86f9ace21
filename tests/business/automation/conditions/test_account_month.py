"""The month's figures in rules equal the credits page: the account's month, charges less refunds."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause
from app.business.automation.services.catalogue.field_types import Frame, RuleScope
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.rules.zone import rule_scope, rule_zone
from app.business.automation.services.runs.context import context_of_start
from app.business.billing.models import CreditEntry
from app.business.billing.services.ledger import month_so_far
from tests.business.automation.machine import Machine

ZONES = ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin", "UTC", "America/New_York"]
NOTIFY = {"type": "notify", "params": {"message": "Hi"}}


def used(session: Session, scope: RuleScope, rule: AutomationRule, now: datetime) -> int:
    frame = Frame(scope, now, rule_zone(session, rule), rule.id)
    return session.scalar(select(fields_of(None)["account.credits_used_this_month"].of(None, frame))) or 0


@pytest.mark.parametrize("seed", range(6))
def test_rules_read_the_month_of_the_credits_page(
    machine: Machine, session: Session, account: Account, seed: int
) -> None:
    chance = random.Random(seed)
    account.timezone = chance.choice(ZONES)
    schedule = {"cron": "0 9 * * *", "timezone": chance.choice(ZONES)}
    rule = machine.make_rule(
        account, trigger="schedule", schedule=schedule, record_type=None, actions=[NOTIFY]
    )
    first = datetime(2026, 11, 1, tzinfo=ZoneInfo(account.timezone)).astimezone(UTC)
    now = first + timedelta(hours=chance.choice([1, 12, 45]))
    for number in range(60):
        kind = chance.choice(["charge", "charge", "refund", "grant"])
        amount = chance.randint(1, 9) * (-1 if kind == "charge" else 1)
        at = now - timedelta(hours=chance.randint(0, 80))
        session.add(CreditEntry(
            account_id=account.id, kind=kind, amount=amount, balance_after=0, key=f"k{number}", reason="",
            created_at=at,
        ))  # fmt: skip
    session.commit()
    page = month_so_far(session, account.id, account.timezone, now).used
    for scope in (rule_scope(session, rule), context_of_start(session, rule, Cause.MANUAL, now).scope):
        assert used(session, scope, rule, now) == page
