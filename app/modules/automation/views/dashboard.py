"""The dashboard: what runs, success rate, credits, what needs a person; and the switch that pauses everything."""

from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import update

from app.business.accounts.models import Account, Notice, Role
from app.business.accounts.services import audit_log
from app.business.accounts.services.notices import notices_by_key
from app.business.automation.run_models import Waiting
from app.business.automation.services.auditing.accounting import unaccounted
from app.business.automation.services.auditing.invariants import NOTICE_KEY
from app.business.automation.services.forecast.credit_watch import RUN_OUT
from app.business.automation.services.history import dashboard as figures
from app.business.automation.services.history.run_attention import (
    failed_since,
    waiting_budgets,
    waiting_counts,
    waiting_for_pause,
)
from app.business.automation.services.history.run_list import RunFilters, runs_page
from app.business.automation.services.history.upcoming import upcoming
from app.business.automation.services.runs.waiting import wake_after_pause
from app.business.automation.services.triggering.planning import replan_account
from app.business.billing.services.ledger import used_by_day
from app.business.periods import last_days
from app.infrastructure.database import db
from app.modules.access import allow, current_person, own_path
from app.modules.automation.run_table import folded, run_rows
from app.modules.sent_once import sent_once
from app.modules.web import see_other

DAYS = 30
RECENT = 20
COMING = 3
FAILURES = 5
BUDGETS = 3
WEEK = 7


@allow(Role.VIEWER)
def show() -> ResponseReturnValue:
    person, session, now = current_person(), db.session(), datetime.now(UTC)
    account, scope = person.account, person.scope
    days, waiting = _days(now), waiting_counts(session, scope)
    return render_template(
        "pages/automation/dashboard.html",
        rules=figures.rule_counts(session, scope),
        spans=figures.spans(session, scope, account.timezone, now),
        days=days,
        credits_used=sum(day["credits"] for day in days),
        unaccounted=unaccounted(session, account.id, now),
        waiting=waiting,
        budgets=waiting_budgets(session, scope)[:BUDGETS] if waiting.get(Waiting.BUDGET) else [],
        failures=failed_since(session, scope, last_days(WEEK, account.timezone, now).start, FAILURES),
        **_notices(),
        **_recent(now),
    )


@allow(Role.EDITOR, whole_account=True)
def pause_all() -> ResponseReturnValue:
    """Nothing of the account starts until somebody resumes."""
    person, now = current_person(), datetime.now(UTC)
    _set_paused(now)
    replan_account(db.session(), person.account.id, now)
    audit_log.record(
        db.session(), person.account.id, person.actor, "account.paused", person.account, None, now
    )
    db.session.commit()
    flash(
        "All automation is paused. Runs wait until somebody resumes; times planned until then are left out.",
        "warning",
    )
    return see_other(
        own_path(request.referrer and request.referrer.removeprefix(request.host_url.rstrip("/")))
    )


@allow(Role.EDITOR, whole_account=True)
def resume_all() -> ResponseReturnValue:
    """Confirmation with the runs that wait."""
    session = db.session()
    waiting = waiting_for_pause(session, current_person().scope)
    most = sum(limit for _, limit in waiting)
    return render_template(
        "pages/automation/resume.html", waiting=waiting[:RECENT], count=len(waiting), most=most
    )


@allow(Role.EDITOR, whole_account=True)
@sent_once
def resume_all_now() -> ResponseReturnValue:
    """Resume, and wake the runs that wait for it."""
    person, now = current_person(), datetime.now(UTC)
    _set_paused(None)
    replan_account(db.session(), person.account.id, now)
    wake_after_pause(db.session(), person.account.id)
    audit_log.record(
        db.session(), person.account.id, person.actor, "account.resumed", person.account, None, now
    )
    db.session.commit()
    flash("Automation is resumed.", "success")
    return see_other(url_for(".dashboard"))


def _notices() -> dict[str, Notice | None]:
    """Notices at the top: credits that run short, and for owners rows that break invariants."""
    person = current_person()
    found = notices_by_key(db.session(), person.account.id, [RUN_OUT, NOTICE_KEY])
    books = found.get(NOTICE_KEY) if person.can(Role.OWNER) else None
    return {"short": found.get(RUN_OUT), "books": books if books and books.read_at is None else None}


def _days(now: datetime) -> list[dict[str, Any]]:
    account = current_person().account
    dates = last_days(DAYS, account.timezone, now).dates
    used = used_by_day(db.session(), account.id, dates, account.timezone)
    return [{"on": on, "credits": credits} for on, credits in zip(dates, used, strict=True)]


def _set_paused(at: datetime | None) -> None:
    person, now = current_person(), datetime.now(UTC)
    db.session.execute(
        update(Account)
        .where(Account.id == person.account.id)
        .values(paused_at=at, paused_by_id=person.user.id if at else None, updated_at=now)
    )


def _recent(now: datetime) -> dict[str, Any]:
    scope, session = current_person().scope, db.session()
    runs = list(runs_page(session, scope, RunFilters(), None, RECENT, now).rows)
    return {"runs": run_rows(folded(runs), now), "coming": upcoming(session, scope, now, COMING)}
