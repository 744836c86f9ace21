"""The plans of every installation."""

from typing import NamedTuple

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.base import Id, RowValues
from app.business.billing.models import Plan
from app.business.errors import Invalid
from app.business.kept_queries import kept_queries
from app.business.plain_rows import plain_rows
from app.business.upsert import insert_missing

PLANS: tuple[RowValues, ...] = (
    {
        "code": "starter",
        "name": "Starter",
        "monthly_credits": 1_000,
        "shortest_interval_minutes": 5,
        "most_runs_per_day": 1_000,
        "members": 3,
    },
    {
        "code": "growth",
        "name": "Growth",
        "monthly_credits": 10_000,
        "shortest_interval_minutes": 5,
        "most_runs_per_day": 5_000,
        "members": 10,
    },
    {
        "code": "scale",
        "name": "Scale",
        "monthly_credits": 100_000,
        "shortest_interval_minutes": 1,
        "most_runs_per_day": 50_000,
        "members": 50,
    },
)


def ensure_plans(session: Session) -> None:
    """Add missing plans; those that somebody has adjusted stay as they are."""
    for plan in PLANS:
        insert_missing(session, Plan, plan | {"rollover": "add"})


def plan_with(session: Session, code: str) -> Plan:
    """The plan of this code. Raises Invalid({"plan": …}), which names the known codes."""
    plan = session.scalar(select(Plan).where(Plan.code == code))
    if plan is None:
        codes = ", ".join(session.scalars(select(Plan.code).order_by(Plan.monthly_credits)))
        raise Invalid({"plan": [f"There is no plan “{code}”. Choose one of: {codes}."]})
    return plan


class PlanTerms(NamedTuple):
    """What a plan is called, and its credits of a month, as pages show them."""

    name: str
    monthly_credits: int
    rollover: str
    rollover_cap: int | None


def terms_of(session: Session, account: Account) -> PlanTerms | None:
    """Those of the account's plan; None without one."""
    if not account.plan_id:
        return None
    return next(
        (PlanTerms(*row) for row in plain_rows(session, _terms(), {"plan_id": account.plan_id})), None
    )


@kept_queries(1)
def _terms() -> Select[str, int, str, int | None]:
    columns = (Plan.name, Plan.monthly_credits, Plan.rollover, Plan.rollover_cap)
    return select(*columns).where(Plan.id == bindparam("plan_id", type_=Id))


def plan_of(session: Session, account: Account) -> Plan | None:
    return session.get(Plan, account.plan_id) if account.plan_id else None
