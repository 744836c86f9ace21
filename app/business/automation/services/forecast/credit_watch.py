"""Notifies editors when credits will run out before the next grant, or are low; withdraws the notice when that is over.

A notice is renewed only when the expected day has changed by more than a day. Idempotent; skipped calls do no harm.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, AccountStatus, Notice, Role
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.notices import notice_of, settle_notice
from app.business.automation.services.forecast.outlook import Outlook, look_ahead
from app.business.automation.services.forecast.projection import Forecast
from app.business.billing.models import Plan, SpendCounter
from app.business.database_faults import stops_all
from app.business.outlets.services.notifying import Message, notify
from app.business.outlets.services.webhook_messages import announce

RUN_OUT, LOW, FIFTH = "credits-run-out", "credits-low", "credits-fifth"
AHEAD = timedelta(days=7)
"""Notices are sent when the expected day is within this time."""
LOW_PART = 10
"""Credits are low below a tenth of the monthly grant."""
FIFTH_PART = 5
"""At a fifth of it people are told for the first time."""
SAME = timedelta(days=1)
PAST = timedelta(days=28)
BUSIER = 4
"""Accounts get a forecast only if credits would run out at this multiple of their mean use."""
MOST_ACCOUNTS = 100
WHAT_TO_DO = (
    "What you can do: let a rule run less often, give it a monthly budget, switch it off, or ask an owner for more "
    "credits. The credits page shows what each change would do."
)


@dataclass
class WatchReport:
    """The number of accounts processed, and the errors of those that failed."""

    accounts: int = 0
    failed: dict[int, Exception] = field(default_factory=dict)


def watch_credits(transaction: Callable[[], AbstractContextManager[Session]], now: datetime) -> WatchReport:
    """Update the notices of all accounts that may run short, in one small transaction each."""
    watched = WatchReport()
    with transaction() as session:
        account_ids = accounts_near_the_end(session, now)
    for account_id in account_ids:
        try:
            with transaction() as session:
                update_notices(session, session.get_one(Account, account_id), now)
            watched.accounts += 1
        # An error of one account must not stop the notices of others.
        except Exception as error:
            if stops_all(error):
                raise
            watched.failed[account_id] = error
    return watched


def accounts_near_the_end(session: Session, now: datetime) -> Sequence[int]:
    """Active accounts that may run short within a week, and those with a notice; most urgent first. One query."""
    used = (
        select(func.coalesce(func.sum(SpendCounter.spent), 0))
        .where(
            SpendCounter.account_id == Account.id,
            SpendCounter.scope == "account",
            SpendCounter.period >= (now - PAST).date().isoformat(),
        )
        .scalar_subquery()
    )
    notified = exists().where(Notice.account_id == Account.id, Notice.key.in_([RUN_OUT, LOW, FIFTH]))
    free = Account.credits_balance - Account.credits_held
    query = (
        select(Account.id)
        .outerjoin(Plan, Plan.id == Account.plan_id)
        .where(
            Account.status == AccountStatus.ACTIVE,
            or_(
                free * PAST.days < used * AHEAD.days * BUSIER,
                (free * FIFTH_PART < Plan.monthly_credits) & (used > 0),
                notified,
            ),
        )
        .order_by(free - used, Account.id)
    )
    return session.scalars(query.limit(MOST_ACCOUNTS)).all()


def update_notices(session: Session, account: Account, now: datetime) -> None:
    """Raise, renew or withdraw the account's notices."""
    outlook = look_ahead(session, account, now)
    forecast = outlook.forecast()
    _notify_of_end(session, account, outlook, forecast, now)
    _notify_of_low(session, account, outlook, forecast, now)
    _notify_of_fifth(session, account, outlook, forecast, now)


def _notify_of_end(
    session: Session, account: Account, outlook: Outlook, forecast: Forecast, now: datetime
) -> None:
    ends_on, grant_on = forecast.runs_out, forecast.next_grant_on
    is_near = ends_on is not None and ends_on <= outlook.coming.dates[0] + AHEAD
    if account.paused_at or ends_on is None or not is_near or (grant_on and ends_on >= grant_on):
        settle_notice(session, account.id, RUN_OUT, now)
        return
    known = notice_of(session, account.id, RUN_OUT)
    if known and any(_said(day) in known.title for day in (ends_on - SAME, ends_on, ends_on + SAME)):
        return
    rule_id, most = _uses_most(outlook, forecast)
    notify(
        session,
        account.id,
        Message(
            kind=NoticeKind.CREDITS,
            level="warning",
            title=f"Credits will run out about {_said(ends_on)}, {_before(ends_on, grant_on)}",
            body=f"{_between(forecast)} {most}{WHAT_TO_DO}",
            role=Role.EDITOR,
            key=RUN_OUT,
            rule_id=rule_id,
            path="/credits",
            label="Open the credits",
        ),
        now,
    )
    if known is None:
        _announce(session, account, outlook, forecast, now)


def _notify_of_low(
    session: Session, account: Account, outlook: Outlook, forecast: Forecast, now: datetime
) -> None:
    free, grant = account.credits_available, outlook.funds.grant
    # The notice about the day is more precise: one notice is enough.
    if free * LOW_PART >= grant or not forecast.used or notice_of(session, account.id, RUN_OUT):
        settle_notice(session, account.id, LOW, now)
        return
    if notice_of(session, account.id, LOW):
        return
    _, most = _uses_most(outlook, forecast)
    notify(
        session,
        account.id,
        Message(
            kind=NoticeKind.CREDITS,
            level="warning",
            title=f"Credits are low: {free:,} left, less than a tenth of the monthly {grant:,}",
            body=f"{lasting(forecast, free)} {most}{WHAT_TO_DO}",
            role=Role.EDITOR,
            key=LOW,
            path="/credits",
            label="Open the credits",
        ),
        now,
    )
    _announce(session, account, outlook, forecast, now)


def _notify_of_fifth(
    session: Session, account: Account, outlook: Outlook, forecast: Forecast, now: datetime
) -> None:
    free, grant = account.credits_available, outlook.funds.grant
    is_said = any(notice_of(session, account.id, key) for key in (RUN_OUT, LOW))
    if account.paused_at or free * FIFTH_PART >= grant or not forecast.used or is_said:
        settle_notice(session, account.id, FIFTH, now)
        return
    if notice_of(session, account.id, FIFTH):
        return
    _, most = _uses_most(outlook, forecast)
    message = Message(
        kind=NoticeKind.CREDITS,
        level="warning",
        title=f"{free / grant:.0%} of the monthly credits are left: {free:,} of {grant:,}",
        body=f"{lasting(forecast, free)} {most}{WHAT_TO_DO}",
        role=Role.EDITOR,
        key=FIFTH,
        path="/credits",
        label="Open the credits",
    )
    notify(session, account.id, message, now)


def _announce(
    session: Session, account: Account, outlook: Outlook, forecast: Forecast, now: datetime
) -> None:
    """Tell the webhooks that are subscribed to it, once for each time that credits are short."""
    ends_on = forecast.runs_out
    data = {
        "available": account.credits_available,
        "monthly_credits": outlook.funds.grant,
        "runs_out_on": ends_on.isoformat() if ends_on else None,
    }
    announce(session, account.id, "credits.low", lambda: [data], now)


def _uses_most(outlook: Outlook, forecast: Forecast) -> tuple[int | None, str]:
    """The rule with the largest share of the forecast use, and a sentence that names it."""
    shares = [(forecast.share(entry.rule.id) or 0, entry.rule) for entry in outlook.rules]
    share, rule = max(shares, key=lambda one: one[0], default=(0, None))
    if rule is None or not share:
        return None, ""
    return rule.id, f"“{rule.name}” uses most ({share:.0%}). "


def _before(ends_on: date, grant_on: date | None) -> str:
    if grant_on is None:
        return "and no grant follows"
    days = (grant_on - ends_on).days
    return f"{days} {'day' if days == 1 else 'days'} before the next grant"


def _between(forecast: Forecast) -> str:
    first, last, grant_on = forecast.earliest, forecast.latest, forecast.next_grant_on
    if first is None or first == last:
        return ""
    if last is None or (grant_on and last >= grant_on):
        return f"In a busy time it is {_said(first)}; in a quiet time they last longer."
    return f"The day lies between {_said(first)} and {_said(last)}."


def lasting(forecast: Forecast, free: int) -> str:
    """Until when the credits last, as a sentence. free: those that runs may still set aside."""
    ends_on, grant_on = forecast.runs_out, forecast.next_grant_on
    if free <= 0:
        return nothing_left(grant_on)
    if ends_on and (grant_on is None or ends_on < grant_on):
        return f"At this pace they run out about {_said(ends_on)}."
    return f"At this pace they last until the next grant on {_said(grant_on)}." if grant_on else ""


def _said(day: date) -> str:
    """`Thu 3 Dec`."""
    return f"{day:%a} {day.day} {day:%b}"


def nothing_left(grant_on: date | None) -> str:
    """What an empty balance means, as a sentence. grant_on: of the next grant, if one comes."""
    until = f"the next grant on {_said(grant_on)}" if grant_on else "credits are added"
    return f"What costs credits does not start until {until}."
