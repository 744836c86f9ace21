"""Fields that every rule's conditions can use: figures of the account, and the clock."""

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime

from sqlalchemy import Double, cast, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.catalogue.field_types import (
    Entity,
    Expression,
    Field,
    FieldType,
    Frame,
    SqlValue,
)
from app.business.billing.models import CreditEntry, EntryKind, Plan
from app.business.periods import this_month


def _account(column: Callable[[type[Account]], SqlValue | InstrumentedAttribute[str]]) -> Expression:
    def of(_entity: Entity, frame: Frame) -> SqlValue:
        account = aliased(Account)
        figure = select(column(account)).where(account.id == frame.account_id)
        return figure.correlate_except(account).scalar_subquery()

    return of


def _credits_percent(_entity: Entity, frame: Frame) -> SqlValue:
    account, plan = aliased(Account), aliased(Plan)
    available = cast(account.credits_balance - account.credits_held, Double)
    share = select(available * 100.0 / func.nullif(plan.monthly_credits, 0))
    mine = share.where(account.id == frame.account_id, plan.id == account.plan_id)
    return mine.correlate_except(account, plan).scalar_subquery()


def _month_began(frame: Frame) -> datetime:
    """Start of the month in the account's zone, as on the credits page; the rule's zone does not matter."""
    if frame.scope.account_zone:
        return this_month(frame.scope.account_zone, frame.now).start
    return frame.local_now.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)


def _runs_this_month(*statuses: Status) -> Expression:
    def of(_entity: Entity, frame: Frame) -> SqlValue:
        run = aliased(ScheduledTask)
        counted = (
            select(func.count())
            .select_from(run)
            .where(
                run.account_id == frame.account_id,
                run.status.in_(statuses),
                run.scheduled_at >= _month_began(frame),
            )
        )
        return counted.correlate_except(run).scalar_subquery()

    return of


def _credits_used_this_month(_entity: Entity, frame: Frame) -> SqlValue:
    entry = aliased(CreditEntry)
    used = select(func.coalesce(-func.sum(entry.amount), 0)).where(
        entry.account_id == frame.account_id,
        entry.kind.in_([EntryKind.CHARGE, EntryKind.REFUND]),
        entry.created_at >= _month_began(frame),
    )
    return used.correlate_except(entry).scalar_subquery()


def _days_left_in_month(now: datetime) -> int:
    return monthrange(now.year, now.month)[1] - now.day


CLOCK: dict[str, Callable[[datetime], int | date]] = {
    "now.date": lambda now: now.date(),
    "now.weekday": lambda now: now.isoweekday(),
    "now.hour": lambda now: now.hour,
    "now.days_left_in_month": _days_left_in_month,
}
"""Clock fields, computed from the time in the rule's zone."""


def _clock(name: str, label: str, type: FieldType = FieldType.NUMBER) -> Field:
    return Field(name, label, type, lambda _entity, frame: literal(CLOCK[name](frame.local_now)))


ALWAYS_THERE = (
    Field(
        "account.name",
        "account name",
        FieldType.TEXT,
        _account(lambda row: row.name),
        folded=_account(lambda row: row.name_folded),
    ),
    Field(
        "account.credits_available",
        "credits available",
        FieldType.NUMBER,
        _account(lambda row: row.credits_balance - row.credits_held),
    ),
    Field(
        "account.credits_percent",
        "percent of the month's credits left",
        FieldType.NUMBER,
        _credits_percent,
    ),
    Field(
        "account.credits_used_this_month",
        "credits used this month",
        FieldType.NUMBER,
        _credits_used_this_month,
    ),
    Field(
        "account.runs_this_month",
        "runs this month",
        FieldType.NUMBER,
        _runs_this_month(Status.COMPLETED, Status.FAILED),
    ),
    Field(
        "account.failed_runs_this_month",
        "failed runs this month",
        FieldType.NUMBER,
        _runs_this_month(Status.FAILED),
    ),
    _clock("now.date", "day today", FieldType.DAY),
    _clock("now.weekday", "weekday today (1 = Monday)"),
    _clock("now.hour", "hour now"),
    _clock("now.days_left_in_month", "days left in the month"),
)
