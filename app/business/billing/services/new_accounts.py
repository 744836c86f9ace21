"""Opening an account: its row, its owner, and the first month's credits."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.business.accounts.models import Account, User
from app.business.accounts.services import team
from app.business.billing.services.plans import ensure_plans, plan_with
from app.business.billing.services.replenishment import grant_month


def open_account(
    session: Session,
    *,
    name: str,
    email: str,
    password: str | None,
    plan: str,
    timezone: str,
    now: datetime,
    is_demo: bool = False,
) -> tuple[Account, User]:
    """A new account on the plan of code `plan`, with its owner and this month's credits. Raises Invalid."""
    ensure_plans(session)
    account, owner = team.create_account(
        session,
        name=name,
        email=email,
        password=password,
        plan_id=plan_with(session, plan).id,
        timezone=timezone,
        is_demo=is_demo,
        now=now,
    )
    grant_month(session, account.id, now)
    return account, owner
