"""A change of a rule that a second person approves: what it would change and cost, and the decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.rule_change_models import ChangeState, RuleChange
from app.business.automation.services.rule_changes import deciding
from app.business.automation.services.rule_changes.listing import find_change, name_of
from app.business.automation.services.rule_parts import Stored
from app.business.automation.services.rules.approval import is_live
from app.business.automation.services.rules.cost import most_per_run, most_runs_per_day
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.listing import version_of
from app.business.automation.services.rules.sentence import summary_of
from app.business.errors import Blocked, Conflict, Invalid
from app.business.outlets.services.ai_connections import is_connected
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.diff.proposed import differences_of
from app.modules.automation.rule_form.choices import load_choices
from app.modules.automation.rule_form.step_table import steps_of_rule
from app.modules.automation.views.rule_form import start_draft
from app.modules.run_actor import actor
from app.modules.web import see_other

Errors = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Price:
    """The most that the rule costs in a run and in a day; None while it does nothing for real."""

    per_run: int
    per_day: int


@allow(Role.VIEWER)
def show(id: int) -> ResponseReturnValue:
    """The change, and for those who may decide, the buttons."""
    return _page(_found(id))


@allow(Role.EDITOR)
def approve(id: int) -> ResponseReturnValue:
    """Apply it; refused where it cannot be saved any more, and it waits on."""
    change, session = _found(id), db.session()
    try:
        applied = deciding.approve(session, change, actor(), datetime.now(UTC))
    except (Invalid, Blocked) as refusal:
        session.rollback()
        return _page(_found(id), refusals=refusal.errors), refusal.status
    session.commit()
    if not applied:
        flash("The rule was changed since, so nothing was applied.", "warning")
        return see_other(url_for(".rule_change", id=id))
    flash("Approved. The rule works like this from now on.", "success")
    return see_other(url_for(".rule", id=change.rule_id))


@allow(Role.EDITOR)
def send_back(id: int) -> ResponseReturnValue:
    """Refuse it with a reason, which its proposer reads."""
    change, session = _found(id), db.session()
    try:
        deciding.send_back(session, change, actor(), request.form.get("reason", ""), datetime.now(UTC))
    except Invalid as refusal:
        session.rollback()
        return _page(_found(id), errors=refusal.errors), refusal.status
    session.commit()
    flash("Sent back. Whoever proposed it is told why.", "success")
    return see_other(url_for(".rule_change", id=id))


@allow(Role.EDITOR)
def withdraw(id: int) -> ResponseReturnValue:
    """End one's own change."""
    change, session = _found(id), db.session()
    deciding.withdraw(session, change, actor(), datetime.now(UTC))
    session.commit()
    flash("Withdrawn. The rule stays as it is.", "success")
    return see_other(url_for(".rule", id=change.rule_id))


@allow(Role.EDITOR)
def propose_anew(id: int) -> ResponseReturnValue:
    """Open the form with what the change says, on the rule as it is now."""
    change, session = _found(id), db.session()
    rule = session.get_one(AutomationRule, change.rule_id)
    if rule.archived_at:
        raise Conflict("This rule is archived. Restore it before you change it.")
    steps = steps_of_rule(change.definition, load_choices(session, current_person().scope))
    draft = start_draft(steps, rule)
    return see_other(url_for(".wizard", id=draft.id, step="check"))


def _found(id: int) -> RuleChange:
    return find_change(db.session(), current_person().scope, id)


def _page(change: RuleChange, errors: Errors | None = None, refusals: Errors | None = None) -> str:
    session, person, now = db.session(), current_person(), datetime.now(UTC)
    rule = session.get_one(AutomationRule, change.rule_id)
    base = version_of(session, rule, change.base_version)[0].definition
    proposed, choices = definition_from(change.definition), load_choices(session, person.scope)
    site = session.get(Site, proposed.site) if proposed.site else None
    is_waiting, is_own = change.state == ChangeState.WAITING, change.proposed_by_id == person.user.id
    return render_template(
        "pages/automation/rule_change.html",
        change=change,
        rule=rule,
        proposer=name_of(session, change.proposed_by_id),
        decider=name_of(session, change.decided_by_id),
        sentence=summary_of(proposed, site.name if site else None),
        changes=differences_of(session, [change], choices)[change.id],
        price_before=_price(base, now) if is_live(base) else None,
        price_after=_price(change.definition, now),
        decides=is_waiting and not is_own and person.can(Role.EDITOR),
        withdraws=is_waiting and is_own and person.can(Role.EDITOR),
        errors=errors or {},
        refusals=[sentence for sentences in (refusals or {}).values() for sentence in sentences],
    )


def _price(definition: Stored, now: datetime) -> Price:
    rule = definition_from(definition)
    per_run = most_per_run(rule, connected=is_connected(db.session(), current_person().account.id))
    return Price(per_run, per_run * most_runs_per_day(rule, now))
