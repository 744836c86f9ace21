"""Checks the product's invariants: each is a query that must find no rows. Read-only.

`flask audit` checks all of them, and so do step workers once an hour, in slices; a row that is found breaks an
invariant.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Select, Table, bindparam, func, select, text
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, Role
from app.business.accounts.services.notices import add_notice, mark_settled
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.auditing import (
    record_queries,
    record_sum_queries,
    rule_queries,
    total_queries,
)
from app.business.automation.services.auditing.queries import QUERIES
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.total_models import KEYS
from app.business.base import Base, Id, UtcDateTime
from app.business.billing.services.replenishment import accounts_without_grant
from app.business.updates import table_of

SHOWN = 20
SLICE = 100_000
"""Rows that a slice of the audit looks at, where there may be very many."""
RUNS = table_of(ScheduledTask)
GRACE = timedelta(seconds=120)
LEASE_GRACE = timedelta(seconds=90)
NOTICE_KEY = "audit"

Row = tuple[int | None, str]
"""Account of the row (None: the whole installation), and its description."""

ABOUT_RULES: Sequence[tuple[str, str, Callable[..., Iterable[Row]]]] = (
    ("occurrences", "Every due time of an active rule has its row.", rule_queries.missing_times),
    ("never_due", "Every planned run stands for a due time of its rule.", rule_queries.times_never_due),
    ("daily_limit", "A rule runs no more often a day than its limit.", rule_queries.days_over_their_limit),
    ("handled", "All work on a record that a rule calls handled is done.", record_queries.handled_too_early),
    (
        "deliveries",
        "Every batch of events reached every rule that listened.",
        rule_queries.events_without_delivery,
    ),
    ("given_up", "Every rule can be read when something starts it.", rule_queries.deliveries_given_up),
    (
        "delivered_once",
        "Each record of a batch is in one run of the rule or counted as not matching.",
        rule_queries.deliveries_without_their_runs,
    ),
    (
        "credit_days",
        "The daily sums of credits are the sums of their entries.",
        total_queries.wrong_credit_days,
    ),
    *(
        (
            "run_days",
            "The daily sums of ended runs are the numbers of their runs.",
            partial(total_queries.wrong_run_days, kinds=[kind]),
        )
        for kind in KEYS
    ),
    (
        "record_sums",
        "The sums of records are the numbers of their records.",
        record_sum_queries.wrong_record_sums,
    ),
)
LOOSE = {
    ("credit_entry", "run_id"): "scheduled_task",
    ("credit_entry", "site_id"): "site",
    ("credit_hold", "run_id"): "scheduled_task",
    ("credit_hold_part", "run_id"): "scheduled_task",
    ("event_batch", "run_id"): "scheduled_task",
    ("notice", "run_id"): "scheduled_task",
    ("notice", "rule_id"): "automation_rule",
    ("action_run", "done_by_run_id"): "scheduled_task",
    ("publication", "run_id"): "scheduled_task",
    ("rule_record", "run_id"): "scheduled_task",
    ("rule_record", "unfinished_run_id"): "scheduled_task",
    ("scheduled_task", "batch_id"): "event_batch",
    ("scheduled_task", "follows_id"): "scheduled_task",
    ("scheduled_task", "start_id"): "scheduled_task",
}
"""References to rows of the same account that no foreign key enforces."""

FEW = ("automation_rule", "site", "sector")
"""Tables of which an account has few rows, which any number of others may refer to."""


@dataclass(frozen=True)
class Breach:
    """An invariant that does not hold: its sentence, and the rows that break it (at most 20), with their accounts."""

    name: str
    sentence: str
    rows: Sequence[str]
    accounts: Sequence[int | None] = ()

    def rows_of(self, account_id: int) -> list[str]:
        """Rows that this account's people may see: its own, and those of the whole installation."""
        return [
            row for row, owner in zip(self.rows, self.accounts, strict=True) if owner in (account_id, None)
        ]


class AuditPlace(NamedTuple):
    """How far an audit has come: which check is next, and of its rows up to which id it has seen them."""

    check: int = 0
    after_id: int = 0


def audit(session: Session, now: datetime) -> list[Breach]:
    """Every invariant that does not hold; an empty list means all is well."""
    found = list[Breach]()
    place: AuditPlace | None = AuditPlace()
    while place:
        more, place = audit_slice(session, place, now)
        found = with_more(found, more)
    return found


def audit_slice(session: Session, place: AuditPlace, now: datetime) -> tuple[list[Breach], AuditPlace | None]:
    """A part of the audit, some tenths of a second at most, and the place of the next; None: that was the last."""
    check = _checks()[place.check]
    if check.walks is None:
        return check.breaches(check.ask(session, now)), _after(place)
    last = place.after_id + SLICE
    found = check.breaches(check.ask(session, now, place.after_id + 1, last))
    highest = session.scalar(select(func.max(check.walks.c.id))) or 0
    return found, AuditPlace(place.check, last) if last < highest else _after(place)


def with_more(found: Sequence[Breach], more: Iterable[Breach]) -> list[Breach]:
    """The breaches together: those of one invariant are one, with at most 20 rows."""
    together = {breach.sentence: breach for breach in found}
    for breach in more:
        known = together.get(breach.sentence)
        if known:
            rows, accounts = (*known.rows, *breach.rows), (*known.accounts, *breach.accounts)
            breach = Breach(breach.name, breach.sentence, rows[:SHOWN], accounts[:SHOWN])
        together[breach.sentence] = breach
    return list(together.values())


def notify_owners(session: Session, breaches: Sequence[Breach], now: datetime) -> None:
    """A red notice for the owners of each account with rows that break an invariant; withdrawn once there are none."""
    notified = []
    for account_id in session.scalars(select(Account.id).where(Account.status == AccountStatus.ACTIVE)):
        lines = [(breach.sentence, rows) for breach in breaches if (rows := breach.rows_of(account_id))]
        if not lines:
            continue
        notified.append(account_id)
        body = " ".join(f"{sentence} Broken by: {'; '.join(rows)}." for sentence, rows in lines)
        add_notice(
            session,
            account_id=account_id,
            level="danger",
            title="The books do not add up. Tell your administrator",
            body=body[:5000],
            role=Role.OWNER,
            key=NOTICE_KEY,
            now=now,
        )
    mark_settled(session, NOTICE_KEY, now, still=notified)


@dataclass(frozen=True)
class _Check:
    """walks: the table of which it is asked for a part at a time, with the first and the last id of its rows."""

    name: str
    sentence: str
    ask: Callable[..., Iterable[Row]]
    walks: Table | None = None

    def breaches(self, rows: Iterable[Row]) -> list[Breach]:
        shown = list(islice(rows, SHOWN))
        if not shown:
            return []
        accounts, texts = zip(*shown, strict=True)
        return [Breach(self.name, self.sentence, texts, accounts)]


@cache
def _checks() -> Sequence[_Check]:
    return [
        *(
            _Check(name, sentence, partial(_ask, query), RUNS if ":from_id" in query else None)
            for name, (sentence, query) in QUERIES.items()
        ),
        _Check("grants", "Every active account has this month's credits.", _without_grant),
        _Check(
            "run_limit",
            "A run uses at most the credit limit of its rule.",
            rule_queries.runs_over_their_limit,
            RUNS,
        ),
        *(_Check(*about_rules) for about_rules in ABOUT_RULES),
        _Check(
            "append_only",
            "The database refuses changes to the ledger, and notes runs that end and records that are made.",
            _triggers,
        ),
        *_about_references(),
    ]


def _after(place: AuditPlace) -> AuditPlace | None:
    return AuditPlace(place.check + 1) if place.check + 1 < len(_checks()) else None


def _without_grant(session: Session, now: datetime) -> Iterator[Row]:
    """Every active account must have its grant 120 s after the month has begun in its zone."""
    for account_id in accounts_without_grant(session, now - GRACE):
        yield account_id, f"account {account_id}"


def _of_others(
    query: Select[int, int], session: Session, _now: datetime, from_id: int, to_id: int
) -> Iterator[Row]:
    for row in session.execute(query, {"from_id": from_id, "to_id": to_id}):
        yield row.account_id, str(row.id)


def _ask(query: str, session: Session, now: datetime, from_id: int = 0, to_id: int = 0) -> Iterator[Row]:
    times = {"cut": now - GRACE, "lease_cut": now - LEASE_GRACE}
    used: dict[str, datetime | list[str] | int] = {
        key: value for key, value in times.items() if f":{key}" in query
    }
    bound = [bindparam(key, type_=UtcDateTime()) for key in used]
    if ":paid_types" in query:
        used["paid_types"] = [entry.key for entry in CATALOGUE.values() if entry.is_paid]
        bound.append(bindparam("paid_types", expanding=True))
    if ":from_id" in query:
        used |= {"from_id": from_id, "to_id": to_id}
    statement = text(f"{query} LIMIT {SHOWN}").bindparams(*bound)
    for account_id, *row in session.execute(statement, used):
        yield account_id, ", ".join(map(str, row))


def _triggers(session: Session, _now: datetime) -> Iterator[Row]:
    names = {
        "credit_entry_no_update",
        "credit_entry_no_delete",
        "scheduled_task_counted",
        "scheduled_task_recounted",
        "scheduled_task_uncounted",
        *(
            f"record_{kind}_{event}"
            for kind in record_sum_queries.KINDS
            for event in ("insert", "update", "delete")
        ),
    }
    postgresql = session.get_bind().dialect.name == "postgresql"
    query = (
        "SELECT tgname FROM pg_trigger"
        if postgresql
        else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    )
    for name in sorted(names - set(session.scalars(text(query)))):
        yield None, name


def _about_references() -> Iterator[_Check]:
    """Child rows whose account differs from their parent's, for each reference: of a part of the parents at a time, or
    of the children where many have the same parent.

    Both ids have their bounds, for PostgreSQL does not see that those of the one follow from those of the other. Where
    children are walked, SQLite cannot begin with the parents, as it would if there were no children yet.
    """
    first, last = (bindparam(name, type_=Id) for name in ("from_id", "to_id"))
    for table, child, parent in _references():
        of, id = parent.alias(), table.c[child]
        by_child = parent.name in FEW and not id.nullable
        account_id = func.coalesce(of.c.account_id, table.c.account_id) if by_child else of.c.account_id
        query = (
            select(table.c.account_id, table.c.id)
            .join(of, of.c.id == id, isouter=by_child)
            .where(*(one.between(first, last) for one in ([table.c.id] if by_child else [of.c.id, id])))
            .where(account_id != table.c.account_id)
            # Told to find a few, PostgreSQL would look up the parent of each child.
            .limit(None if by_child else SHOWN)
        )
        sentence = f"{table.name}.{child} stays within one account."
        yield _Check("tenants", sentence, partial(_of_others, query), table if by_child else parent)


def _references() -> Iterator[tuple[Table, str, Table]]:
    """Every reference between tables with accounts: child table, its column, parent table."""
    tables = Base.metadata.tables
    for table in Base.metadata.sorted_tables:
        for constraint in table.foreign_key_constraints:
            columns = [column.name for column in constraint.columns]
            if len(columns) == 2 and "account_id" in columns:
                child = next(name for name in columns if name != "account_id")
                yield table, child, constraint.referred_table
    for (name, child), parent in LOOSE.items():
        yield tables[name], child, tables[parent]
