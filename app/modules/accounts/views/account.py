"""Settings of the whole account: everyone reads them, owners change them."""

from datetime import UTC, datetime

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.accounts.services.settings import change_settings
from app.business.automation.services.history.time_saved import USUAL_MINUTES, minutes_by_record
from app.business.automation.services.rule_changes.deciding import end_waiting
from app.business.automation.services.rule_changes.listing import count_waiting
from app.business.automation.services.runs.waiting import wake_for_budget
from app.business.billing.services.plans import plan_of
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.accounts.forms import AccountForm
from app.modules.web import see_other

MINUTES = "minutes_"
FIELDS = (
    "name",
    "timezone",
    "daily_ceiling",
    "operator_credit_limit",
    "chain_notice_credits",
    "second_factor_required",
    "rule_approval_required",
)


@allow(Role.VIEWER, whole_account=True)
def show() -> ResponseReturnValue:
    account = current_person().account
    minutes = {f"{MINUTES}{key}": value for key, value in minutes_by_record(account).items()}
    return _page(AccountForm(obj=account, **minutes))


@allow(Role.OWNER, whole_account=True)
def save() -> ResponseReturnValue:
    """Save the settings, and record the change in the audit log."""
    form, person, now = AccountForm(), current_person(), datetime.now(UTC)
    if not form.validate():
        return _page(form), 422
    chosen = {name: form[name].data for name in FIELDS} | {"minutes_saved": _minutes(form)}
    try:
        changed = change_settings(db.session(), person.account, chosen, person.actor, now)
    except Invalid as refusal:
        for name, sentences in refusal.errors.items():
            form[name].errors = sentences
        return _page(form), refusal.status
    if "rule_approval_required" in changed and not chosen["rule_approval_required"]:
        end_waiting(db.session(), person.account.id, person.actor, now)
    if "daily_ceiling" in changed:
        wake_for_budget(db.session(), person.account.id)
    db.session.commit()
    flash("Saved.", "success")
    return see_other(url_for("accounts.settings"))


def _minutes(form: AccountForm) -> dict[str, int] | None:
    """The minutes that are not the usual ones; an empty field stands for the usual."""
    given = {key: form[f"{MINUTES}{key}"].data for key in USUAL_MINUTES}
    own = {key: value for key, value in given.items() if value not in (None, USUAL_MINUTES[key])}
    return own or None


def _page(form: AccountForm) -> str:
    plan = plan_of(db.session(), current_person().account)
    account = current_person().account
    minutes = minutes_by_record(account)
    waiting = count_waiting(db.session(), account.id) if account.rule_approval_required else 0
    return render_template(
        "pages/accounts/settings.html", form=form, plan=plan, minutes=minutes, waiting=waiting
    )
