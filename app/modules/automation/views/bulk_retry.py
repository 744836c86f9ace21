"""Retry of all failed runs that match a filter: confirmation with price first, then progress."""

from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.operation_models import Operation
from app.business.automation.services.operations import bulk_retry
from app.business.automation.services.operations.bulk_retry import RetryReport, RetrySkip
from app.business.errors import Invalid
from app.infrastructure.database import db, only_reading
from app.modules.access import allow, current_person
from app.modules.automation.filters import HistoryFilter
from app.modules.automation.labels.starts import shown_total
from app.modules.automation.run_listing import history_filter, kept_filters
from app.modules.automation.run_table import RunLine, run_rows
from app.modules.display import credits as credits_text
from app.modules.run_actor import actor
from app.modules.sent_once import sent_once
from app.modules.web import Context, see_other

SHOWN = 50
RULES_SHOWN = 20
WHY_LEFT_OUT = {
    RetrySkip.PAUSED: "All automation is paused. Resume it, then retry.",
    RetrySkip.SITE_PAUSED: "Their site is paused. Set it to active under Sites, then retry.",
    RetrySkip.RULE_INVALID: "Their rule needs repair. Open it, repair what is marked, and run it again.",
}


@allow(Role.OPERATOR)
def ask() -> ResponseReturnValue:
    """The number of runs, what is kept, the upper price, and which are left out and why."""
    form, now = _filter(), datetime.now(UTC)
    report = _report(form, now)
    by_cost = list(report.by_rule.items())
    return render_template(
        "pages/automation/retry_all.html",
        report=report,
        rules=by_cost[:RULES_SHOWN],
        more_rules=len(by_cost) - RULES_SHOWN,
        left_out=[(count, _why(reason)) for reason, count in report.left_out.items()],
        nothing=bulk_retry.nothing_to_retry(report) if not report.runs else None,
        words=form.in_words(),
        kept=_kept(),
    )


@allow(Role.OPERATOR)
def begin() -> ResponseReturnValue:
    """Start the retry of exactly the runs that the previous page showed, or fewer."""
    session, now = db.session(), datetime.now(UTC)
    as_of = min(_instant(request.form.get("as_of", "")), now)
    # Computing the report takes a while and must not block writers.
    with only_reading():
        report = _report(_filter(), as_of)
        session.commit()
    return _begin(report, now)


@sent_once
def _begin(report: RetryReport, now: datetime) -> ResponseReturnValue:
    session = db.session()
    operation = bulk_retry.begin_bulk_retry(
        session, current_person().account, report, actor(), now, named=shown_total()
    )
    session.commit()
    flash("Begun. This page shows how far it is.", "success")
    return see_other(url_for(".operation", id=operation.id))


def follow(operation: Operation) -> Context:
    """The state of the retried runs, for the operation's page."""
    counts, runs = bulk_retry.runs_of(db.session(), operation, SHOWN)
    return {
        "counts": counts,
        "runs": run_rows(map(RunLine, runs), datetime.now(UTC)),
        "beyond": counts.total() - len(runs),
    }


def _report(form: HistoryFilter, as_of: datetime) -> RetryReport:
    person = current_person()
    return bulk_retry.dry_report(
        db.session(), person.account, form.chosen_runs(as_of), actor(), as_of, scope=person.scope
    )


def _filter() -> HistoryFilter:
    """The filter of the address.

    Raises Invalid: a list may show more than was meant, but a retry must not include more.
    """
    form, _ = history_filter(db.session())
    form.validate()
    wrong = ", ".join(form[name].label.text for name in form.errors if request.args.get(name or ""))
    if wrong:
        raise Invalid({"filter": [f"This filter cannot be read: {wrong}. Choose it again in the history."]})
    return form


def _kept() -> dict[str, Any]:
    return {name: value for name, value in kept_filters().items() if name != "status"}


def _why(reason: RetrySkip) -> str:
    if reason == RetrySkip.TOO_DEAR:
        limit = credits_text(current_person().account.operator_credit_limit)
        return f"Each may cost more than {limit}, the most that operators may start. Ask an editor to retry them."
    return WHY_LEFT_OUT[reason]


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid({"as_of": ["This page is damaged. Load it again, then retry."]}) from None
