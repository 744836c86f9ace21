"""Back-test of a rule, or of a change of it: number of days first, then an operation with a report."""

from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule, RuleDraft
from app.business.automation.services.backtest.back_test import begin_back_test
from app.business.automation.services.rules.drafts import own_draft
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import read_definition
from app.business.errors import Conflict
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.filters import BackTestForm
from app.modules.automation.rule_form.choices import load_choices
from app.modules.automation.rule_form.form import RuleForm
from app.modules.automation.views import rule_form_preview
from app.modules.automation.views.rules import place_of
from app.modules.quotas import BACK_TESTS, limited
from app.modules.sent_once import sent_once
from app.modules.web import see_other


@allow(Role.OPERATOR)
def ask(id: int) -> ResponseReturnValue:
    """The number of days to test."""
    rule = _rule(id)
    return _page(
        BackTestForm(formdata=None), rule=rule, sentence=summary_of(read_definition(rule), place_of(rule))
    )


@allow(Role.OPERATOR)
@limited(BACK_TESTS)
@sent_once
def begin(id: int) -> ResponseReturnValue:
    """Test the saved rule."""
    rule, form = _rule(id), BackTestForm()
    if not form.validate():
        return _page(form, rule=rule, sentence=summary_of(read_definition(rule), place_of(rule))), 422
    return _begun(form, rule=rule)


@allow(Role.EDITOR)
def ask_draft(id: int) -> ResponseReturnValue:
    """The number of days to test, for a rule being edited."""
    return _draft_page(_draft(id), BackTestForm(formdata=None))


@allow(Role.EDITOR)
@limited(BACK_TESTS)
@sent_once
def begin_draft(id: int) -> ResponseReturnValue:
    """Test the rule as entered; for a change, in comparison with the saved rule."""
    draft, form = _draft(id), BackTestForm()
    if not form.validate():
        return _draft_page(draft, form, 422)
    rule = owned_or_404(AutomationRule, draft.rule_id) if draft.rule_id else None
    return _begun(form, rule=rule, data=_rule_form(draft).data(), draft_id=draft.id)


def _draft_page(draft: RuleDraft, form: BackTestForm, status: int = 200) -> ResponseReturnValue:
    preview = rule_form_preview.context(_rule_form(draft), "check", datetime.now(UTC))
    if "open_steps" in preview:
        flash("Answer this question before the rule can be tried.", "warning")
        return see_other(url_for(".wizard", id=draft.id, step=preview["open_steps"][0].key))
    return _page(form, draft=draft, sentence=preview["sentence"]), status


def _rule_form(draft: RuleDraft) -> RuleForm:
    account, session = current_person().account, db.session()
    rule = owned_or_404(AutomationRule, draft.rule_id) if draft.rule_id else None
    return RuleForm(session, account, draft.steps, load_choices(session, current_person().scope), rule)


def _rule(id: int) -> AutomationRule:
    rule = owned_or_404(AutomationRule, id)
    if rule.archived_at:
        raise Conflict("This rule is archived. Restore it before you try it.")
    return rule


def _draft(id: int) -> RuleDraft:
    person = current_person()
    return own_draft(db.session(), id, account_id=person.account.id, user_id=person.user.id)


def _begun(form: BackTestForm, **what: Any) -> ResponseReturnValue:
    person = current_person()
    operation = begin_back_test(
        db.session(),
        person.account,
        days=form.days.data,
        user_id=person.user.id,
        now=datetime.now(UTC),
        scope=person.scope,
        **what,
    )
    db.session.commit()
    return see_other(url_for(".operation", id=operation.id))


def _page(form: BackTestForm, **context: Any) -> str:
    return render_template("pages/automation/back_test.html", form=form, **context)
