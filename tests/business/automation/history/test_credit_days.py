"""Daily sums of credits: equal to the entries at every moment, whatever is added to them when."""

from collections import Counter
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.auditing.total_queries import wrong_credit_days
from app.business.automation.services.forecast import spend_history
from app.business.automation.services.history import credit_days
from app.business.automation.services.history.credit_use import credit_use
from app.business.automation.unit_models import ActionRun
from app.business.billing.models import CreditDay, CreditDayState, CreditEntry, EntryKind
from app.business.billing.services import ledger
from app.business.billing.services.credit_service import CreditService
from app.business.periods import day_of, last_days
from app.business.time_zones import start_of_day
from tests.business.automation.forecast.past_use import make_paid_rule, use
from tests.business.automation.run_rows import add_charge
from tests.factories import make_account, make_site

pytestmark = pytest.mark.both_databases

DAYS = 10
ZONES = ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Auckland"]


def shown(session: Session, account: Account, now: datetime) -> object:
    """Every figure that is made of the sums."""
    zone = account.timezone
    period = last_days(DAYS, zone, now)
    days = spend_history.days_from(period.dates[0], DAYS, zone)
    spending = spend_history.spending(session, account.id, period.dates, zone)
    return (
        ledger.used_by_day(session, account.id, period.dates, zone),
        ledger.month_so_far(session, account.id, zone, now),
        spend_history.used_by_rule(session, account.id, period, zone),
        spending.by_rule(period.dates[0]),
        {
            source: (spent.used, spent.runs, spent.credits)
            for source, spent in spending.by_source(days).items()
        },
        credit_use(session, Scope(account.id), period, zone),
    )


def by_site_and_action(
    session: Session, account: Account, now: datetime
) -> tuple[Counter[int], Counter[str]]:
    """What was used, entry by entry."""
    by_site, by_action = Counter[int](), Counter[str]()
    days = last_days(DAYS, account.timezone, now).dates
    kinds = {unit.provider_key: unit.type for unit in session.scalars(select(ActionRun))}
    for entry in session.scalars(select(CreditEntry).where(CreditEntry.account_id == account.id)):
        if entry.run_id and day_of(entry.created_at, account.timezone) in days:
            run = session.get_one(ScheduledTask, entry.run_id)
            by_site[entry.site_id or run.site_id or 0] -= entry.amount
            by_action[kinds.get(entry.key, "")] -= entry.amount
    return +by_site, +by_action


def from_entries(session: Session, account: Account, now: datetime) -> list[int]:
    """What was used on each day, entry by entry."""
    period = last_days(DAYS, account.timezone, now)
    used = dict.fromkeys(period.dates, 0)
    for entry in session.scalars(select(CreditEntry).where(CreditEntry.account_id == account.id)):
        on = day_of(entry.created_at, account.timezone)
        if entry.kind in (EntryKind.CHARGE, EntryKind.REFUND) and on in used:
            used[on] -= entry.amount
    return list(used.values())


@pytest.mark.parametrize("seed", range(2))
def test_figures_are_the_same_before_in_between_and_after(session: Session, now: datetime, seed: int) -> None:
    chance = Random(seed)
    account = make_account(session, timezone=chance.choice(ZONES), credits=1_000_000)
    other = make_account(session, credits=1_000_000)
    rules = [make_paid_rule(session, account, now - timedelta(days=20)) for _ in range(2)]
    foreign = make_paid_rule(session, other, now - timedelta(days=20))
    sites = [None, *(make_site(session, account).id for _ in range(2))]
    for _ in range(40):
        at = now - timedelta(minutes=chance.randrange(DAYS * 24 * 60))
        cause = chance.choice(["event", "manual", "schedule", "backfill"])
        run = use(session, chance.choice([*rules, foreign]), chance.randrange(1, 50), at, cause=cause)
        for step in range(chance.randrange(3)):
            action, paid = chance.choice(["generate_ideas", "generate_content"]), chance.randrange(1, 9)
            add_charge(session, run, step, action, paid, at, site_id=chance.choice(sites))
        if chance.random() < 0.3:
            refund = {"kind": EntryKind.REFUND, "amount": 1, "key": f"back{run.id}", "reason": "Given back"}
            CreditService().add(session, account_id=run.account_id, run_id=run.id, now=at, **refund)
        if chance.random() < 0.3:
            credit_days.add_entries(session, account.id, account.timezone, chance.randrange(1, 5))
        assert ledger.used_by_day(
            session, account.id, last_days(DAYS, account.timezone, now).dates, account.timezone
        ) == from_entries(session, account, now)
    before = shown(session, account, now)
    credit_days.keep_sums(lambda: nullcontext(session))
    assert credit_days.accounts_behind(session) == []
    assert shown(session, account, now) == before
    use_found = credit_use(
        session, Scope(account.id), last_days(DAYS, account.timezone, now), account.timezone
    )
    assert (use_found.by_site, use_found.by_action) == by_site_and_action(session, account, now)
    assert list(wrong_credit_days(session, now)) == []


def test_another_zone_begins_anew(session: Session, now: datetime) -> None:
    account = make_account(session, timezone="UTC", credits=1000)
    rule = make_paid_rule(session, account, now - timedelta(days=20))
    use(session, rule, 7, now.replace(hour=1))
    credit_days.keep_sums(lambda: nullcontext(session))
    account.timezone = "America/Los_Angeles"
    session.flush()
    late = shown(session, account, now)
    assert ledger.used_by_day(
        session, account.id, last_days(2, account.timezone, now).dates, account.timezone
    ) == [7, 0]
    credit_days.keep_sums(lambda: nullcontext(session))
    assert shown(session, account, now) == late
    assert session.scalars(select(CreditDayState.zone)).all() == ["America/Los_Angeles"]


def test_sums_read_few_rows(session: Session, account: Account, now: datetime) -> None:
    """Of thousands of entries none is read once they are summed up."""
    rule = make_paid_rule(session, account, now - timedelta(days=20))
    for number in range(3):
        use(session, rule, 1, now - timedelta(days=number))
    credit_days.keep_sums(lambda: nullcontext(session))
    session.execute(update(CreditDay).values(amount=CreditDay.amount * 100))
    assert sum(ledger.used_by_day(session, account.id, last_days(4, "UTC", now).dates, "UTC")) == 300


def test_a_wrong_sum_is_found(session: Session, account: Account, now: datetime) -> None:
    rule = make_paid_rule(session, account, now - timedelta(days=20))
    use(session, rule, 5, now)
    credit_days.keep_sums(lambda: nullcontext(session))
    source = f"2026-11-24 charge {rule.id} 0 event"
    session.execute(update(CreditDay).where(CreditDay.kind == "charge").values(amount=CreditDay.amount - 2))
    assert list(wrong_credit_days(session, now)) == [(account.id, f"{source} : -2")]
    # Only its source is wrong.
    session.execute(
        update(CreditDay)
        .where(CreditDay.kind == "charge")
        .values(amount=CreditDay.amount + 2, action="notify")
    )
    assert [row for _, row in wrong_credit_days(session, now)] == [f"{source} : +5", f"{source} notify: -5"]
    session.execute(delete(CreditDay))
    assert f"{source} : +5" in [row for _, row in wrong_credit_days(session, now)]


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("America/St_Johns", date(2006, 10, 28)),  # Set back at 00:01 to 23:01 of the day before.
        ("America/Sao_Paulo", date(2018, 11, 3)),  # The day begins at 01:00.
        ("Pacific/Apia", date(2011, 12, 28)),  # 30 December was left out.
        ("Asia/Kolkata", date(2026, 11, 23)),
    ],
)
def test_a_day_lasts_from_its_start_to_the_next(zone: str, first: date) -> None:
    at = datetime.combine(first, datetime.min.time(), UTC)
    for quarter in range(5 * 96):
        instant = at + timedelta(minutes=quarter * 15 + 0.5)
        day = day_of(instant, zone)
        assert start_of_day(day, zone) <= instant < start_of_day(day + timedelta(days=1), zone)
