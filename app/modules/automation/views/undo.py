"""Undoing a run: first what goes, what comes back and what stays, then the work."""

from datetime import UTC, datetime

from flask import render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.history.run_page import find_run
from app.business.automation.services.operations.undo import operation as undo
from app.business.automation.services.rules.versions import read_definition
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.labels.undo import consequences
from app.modules.automation.undo_report import left_named
from app.modules.run_actor import actor
from app.modules.sent_once import sent_once
from app.modules.web import see_other


@allow(Role.OPERATOR)
def ask(id: int) -> ResponseReturnValue:
    """What undoing the run would do."""
    session, run = db.session(), _run(id)
    rule = session.get_one(AutomationRule, run.automation_rule_id)
    refusal = undo.refusal(session, run)
    tally = undo.foresee(session, run)
    return render_template(
        "pages/automation/undo.html",
        run=run,
        refusal=refusal,
        tally=tally,
        **left_named(run.account_id, tally),
        lines=consequences(run, rule, read_definition(rule), undo.followers_of(session, run)),
    )


@allow(Role.OPERATOR)
@sent_once
def begin(id: int) -> ResponseReturnValue:
    """Request it; its page shows the progress."""
    operation = undo.begin_undo(db.session(), _run(id), actor(), datetime.now(UTC))
    db.session.commit()
    return see_other(url_for(".operation", id=operation.id))


def _run(id: int) -> ScheduledTask:
    return find_run(db.session(), current_person().scope, id)
