"""The switch that pauses all automation of the account, and the way back."""

from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.services.history.run_attention import waiting_for_pause
from app.business.automation.services.triggering.account_pause import pause_account, resume_account
from app.infrastructure.database import db
from app.modules.access import allow, current_person, own_path
from app.modules.sent_once import sent_once
from app.modules.web import see_other

SHOWN = 20


@allow(Role.EDITOR, whole_account=True)
def pause_all() -> ResponseReturnValue:
    """Nothing of the account starts until somebody resumes."""
    person = current_person()
    pause_account(db.session(), person.account, person.actor, datetime.now(UTC))
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
        "pages/automation/resume.html", waiting=waiting[:SHOWN], count=len(waiting), most=most
    )


@allow(Role.EDITOR, whole_account=True)
@sent_once
def resume_all_now() -> ResponseReturnValue:
    """Resume, and wake the runs that wait for it."""
    person = current_person()
    resume_account(db.session(), person.account, person.actor, datetime.now(UTC))
    db.session.commit()
    flash("Automation is resumed.", "success")
    return see_other(url_for(".dashboard"))
