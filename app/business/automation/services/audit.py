"""The product audits itself: each invariant is a query that must give no rows. Read-only.

`flask audit` runs them all, and so does the sweep once an hour; a row found is a breach that names itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import Table, bindparam, select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, Role
from app.business.accounts.services.notices import add_notice
from app.business.automation.models import AutomationRule, RuleActivation, RuleVersion
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.activations import site_schedules
from app.business.automation.services.planning import WINDOW
from app.business.automation.services.rule_definition import definition_from
from app.business.automation.services.schedules import Schedule, due_instants
from app.business.base import Base, UtcDateTime
from app.business.billing.services.replenishment import accounts_without_grant

SHOWN = 20
GRACE = timedelta(seconds=120)
LEASE_GRACE = timedelta(seconds=90)
MOST_DAYS = 35


@dataclass(frozen=True)
class Breach:
    """An invariant that does not hold: what it says, and the rows that break it (at most 20)."""

    name: str
    sentence: str
    rows: tuple[str, ...]


QUERIES: dict[str, tuple[str, str]] = {
    "balance": (
        "An account's balance is the sum of its credit entries.",
        "SELECT a.id, a.credits_balance FROM account a WHERE a.credits_balance <> COALESCE("
        "(SELECT SUM(e.amount) FROM credit_entry e WHERE e.account_id = a.id), 0)",
    ),
    "held": (
        "What an account has set aside is the sum of its open holds.",
        "SELECT a.id, a.credits_held FROM account a WHERE a.credits_held <> COALESCE("
        "(SELECT SUM(h.amount - h.posted) FROM credit_hold h WHERE h.account_id = a.id AND h.state = 'open'), 0)",
    ),
    "never_negative": (
        "Credits are never negative, nor is more set aside than there is.",
        "SELECT id FROM account WHERE credits_balance < 0 OR credits_held < 0 OR credits_held > credits_balance",
    ),
    "run_credits": (
        "A run's credits are the sum of its credit entries.",
        "SELECT t.id, t.credits_used FROM scheduled_task t WHERE t.status IN ('completed', 'failed', 'skipped') "
        "AND t.credits_used <> COALESCE((SELECT -SUM(e.amount) FROM credit_entry e "
        "WHERE e.account_id = t.account_id AND e.run_id = t.id), 0)",
    ),
    "holds_closed": (
        "A run that has ended holds no credits.",
        "SELECT h.run_id FROM credit_hold h JOIN scheduled_task t ON t.id = h.run_id "
        "WHERE h.state = 'open' AND t.status IN ('completed', 'failed', 'skipped')",
    ),
    "leases": (
        "A running run has a worker that was heard of lately.",
        "SELECT id FROM scheduled_task WHERE status = 'running' AND (lease_token IS NULL OR lease_until < :lease_cut)",
    ),
    "chain_of_balances": (
        "Each credit entry's balance follows from the one before.",
        "SELECT id FROM (SELECT id, amount, balance_after, LAG(balance_after) OVER "
        "(PARTITION BY account_id ORDER BY id) AS before FROM credit_entry) AS entries "
        "WHERE balance_after <> COALESCE(before, 0) + amount",
    ),
    "daily_slots": (
        "A rule's used daily slots are its runs admitted that day.",
        "SELECT d.rule_id, d.local_day, d.used FROM rule_day d WHERE d.used <> (SELECT COUNT(*) FROM scheduled_task t "
        "WHERE t.automation_rule_id = d.rule_id AND t.counted_day = d.local_day AND t.split_site_id = d.split_site_id)",
    ),
    "pending_in_time": (
        "A run that is due and waits for nothing starts within two minutes.",
        "SELECT id FROM scheduled_task WHERE status = 'pending' AND waiting_for IS NULL "
        "AND COALESCE(not_before, scheduled_at) < :cut",
    ),
    "events_in_time": (
        "Closed events reach the rules within two minutes.",
        "SELECT id FROM event_batch WHERE closed_at < :cut AND dispatched_at IS NULL AND dead_at IS NULL",
    ),
    "ended_runs": (
        "A run that has ended says when, and why if it was not completed.",
        "SELECT id FROM scheduled_task WHERE (status IN ('completed', 'failed', 'skipped') AND finished_at IS NULL) "
        "OR (status IN ('failed', 'skipped') AND (reason IS NULL OR error_message = '')) "
        "OR (status = 'completed' AND reason IS NOT NULL)",
    ),
    "attempts": (
        "A run's attempts are numbered from 1 without a gap.",
        "SELECT t.id FROM scheduled_task t "
        "WHERE t.attempt <> (SELECT COUNT(*) FROM run_attempt a WHERE a.run_id = t.id) "
        "OR t.attempt <> COALESCE((SELECT MAX(a.number) FROM run_attempt a WHERE a.run_id = t.id), 0)",
    ),
    "paid_units": (
        "Every paid unit has exactly its charge.",
        "SELECT u.id FROM action_run u WHERE u.status = 'done' AND u.credits > 0 AND NOT EXISTS (SELECT 1 FROM "
        "credit_entry e WHERE e.account_id = u.account_id AND e.key = u.provider_key AND e.amount = -u.credits)",
    ),
    "explained_charges": (
        "Every charge belongs to a finished unit.",
        "SELECT e.id FROM credit_entry e WHERE e.kind = 'charge' AND NOT EXISTS (SELECT 1 FROM action_run u WHERE "
        "u.account_id = e.account_id AND u.provider_key = e.key AND u.status = 'done' AND u.credits = -e.amount)",
    ),
}


def audit(session: Session, now: datetime) -> list[Breach]:
    """Every invariant that does not hold; an empty list means all is well."""
    breaches = [breach for name in QUERIES if (breach := _ask(session, name, now))]
    breaches += [
        breach for breach in (_grants(session, now), _planned(session, now), _triggers(session)) if breach
    ]
    return breaches + list(_foreign_children(session))


def tell_owners(session: Session, breaches: list[Breach], now: datetime) -> None:
    """A red notice for the owners of every account: the books do not add up, and which rows say so."""
    if not breaches:
        return
    body = " ".join(f"{breach.sentence} Broken by: {'; '.join(breach.rows)}." for breach in breaches)
    for account_id in session.scalars(select(Account.id).where(Account.status == AccountStatus.ACTIVE)):
        add_notice(
            session,
            account_id=account_id,
            level="danger",
            title="The books do not add up. Tell your administrator",
            body=body[:5000],
            role=Role.OWNER,
            key="audit",
            now=now,
        )


def _ask(session: Session, name: str, now: datetime) -> Breach | None:
    sentence, query = QUERIES[name]
    times = {"cut": now - GRACE, "lease_cut": now - LEASE_GRACE}
    used = {key: value for key, value in times.items() if f":{key}" in query}
    statement = text(f"{query} LIMIT {SHOWN}").bindparams(
        *(bindparam(key, type_=UtcDateTime()) for key in used)
    )
    rows = session.execute(statement, used).all()
    return Breach(name, sentence, tuple(", ".join(map(str, row)) for row in rows)) if rows else None


def _grants(session: Session, now: datetime) -> Breach | None:
    # 120 s after a month has begun everywhere it matters, every active account has its grant.
    missing = islice(accounts_without_grant(session, now - GRACE), SHOWN)
    rows = tuple(f"account {account_id}" for account_id in missing)
    return Breach("grants", "Every active account has this month's credits.", rows) if rows else None


def _planned(session: Session, now: datetime) -> Breach | None:
    """Due instants recomputed for every span in which a rule was on, against the rows that are there."""
    since = now - timedelta(days=MOST_DAYS)
    rows: list[str] = []
    spans = select(RuleActivation).where((RuleActivation.to_at.is_(None)) | (RuleActivation.to_at > since))
    for span in session.scalars(spans):
        rows += _missing(session, span, since, now)
    return (
        Breach("occurrences", "Every due time of an active rule has its row.", tuple(rows[:SHOWN]))
        if rows
        else None
    )


def _missing(session: Session, span: RuleActivation, since: datetime, now: datetime) -> list[str]:
    start, end = max(span.from_at, since), min(span.to_at or now, now)
    rule = session.get_one(AutomationRule, span.rule_id)
    unplanned = rule.unplanned_from
    late = bool(unplanned and unplanned < now - WINDOW and span.to_at is None)
    rows = [f"rule {rule.id} at {unplanned}"] if late else []
    known = _known(session, rule.id, start, end)
    for site_id, schedule in _schedules(session, span).items():
        rows += [
            f"rule {rule.id} at {at}" + (f" on site {site_id}" if site_id else "")
            for at in due_instants(schedule, start, end)
            if (site_id, at) not in known
            and (unplanned is None or at < unplanned)
            and not _is_folded(session, rule.id, site_id, at)
        ]
    return rows


def _schedules(session: Session, span: RuleActivation) -> dict[int, Schedule]:
    query = select(RuleVersion.definition).where(
        RuleVersion.rule_id == span.rule_id, RuleVersion.version == span.version
    )
    definition = definition_from(session.scalars(query).one())
    return site_schedules(definition.schedule, definition.split_by, span.zones)


def _known(session: Session, rule_id: int, start: datetime, end: datetime) -> set[tuple[int, datetime]]:
    query = select(ScheduledTask.split_site_id, ScheduledTask.scheduled_at).where(
        ScheduledTask.automation_rule_id == rule_id,
        ScheduledTask.cause == "schedule",
        ScheduledTask.scheduled_at > start,
        ScheduledTask.scheduled_at <= end,
    )
    return {(site_id, at) for site_id, at in session.execute(query)}


def _is_folded(session: Session, rule_id: int, site_id: int, at: datetime) -> bool:
    query = select(ScheduledTask.id).where(
        ScheduledTask.automation_rule_id == rule_id,
        ScheduledTask.split_site_id == site_id,
        ScheduledTask.first_at <= at,
        ScheduledTask.last_at >= at,
    )
    return session.scalar(query.limit(1)) is not None


def _triggers(session: Session) -> Breach | None:
    names = {"credit_entry_no_update", "credit_entry_no_delete"}
    postgresql = session.get_bind().dialect.name == "postgresql"
    query = (
        "SELECT tgname FROM pg_trigger"
        if postgresql
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    missing = names - set(session.scalars(text(query)))
    rows = tuple(sorted(missing))
    return Breach("append_only", "The database refuses changes to the ledger.", rows) if rows else None


def _foreign_children(session: Session) -> Iterator[Breach]:
    """Child rows whose account differs from their parent's, for every reference that carries the account."""
    for table in Base.metadata.sorted_tables:
        for child, parent in _references(table):
            query = (
                select(table.c.id)
                .join(parent, parent.c.id == table.c[child])
                .where(parent.c.account_id != table.c.account_id)
            )
            rows = tuple(str(row_id) for row_id in session.scalars(query.limit(SHOWN)))
            if rows:
                yield Breach("tenants", f"{table.name}.{child} stays within one account.", rows)


def _references(table: Table) -> Iterator[tuple[str, Table]]:
    for constraint in table.foreign_key_constraints:
        columns = [column.name for column in constraint.columns]
        if len(columns) == 2 and "account_id" in columns:
            child = next(name for name in columns if name != "account_id")
            yield child, constraint.referred_table
