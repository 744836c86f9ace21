"""The rule form, step by step. Every submission is stored, so nothing is lost by going back or continuing later."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule, RuleDraft
from app.business.automation.services.rules import drafts as rule_drafts
from app.business.automation.services.rules.known_rules import known_rule
from app.business.automation.services.rules.versions import definition_of
from app.business.errors import Blocked, Conflict, NotFound, Refusal, Stale, TooLarge
from app.business.outlets.services.ai_connections import is_connected
from app.infrastructure.database import db, only_reading
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation import activation_preview
from app.modules.automation.asking_approval import AskApproval, asking_approval, sent_for_approval
from app.modules.automation.diff.edit_conflict import meanwhile
from app.modules.automation.draft_saving import save_draft
from app.modules.automation.labels import findings
from app.modules.automation.rule_form.base import (
    Pairs,
    PartForm,
    StepForm,
    ask_again,
    focus_first_error,
    is_forged,
)
from app.modules.automation.rule_form.choices import load_choices
from app.modules.automation.rule_form.forged_rows import forged_inputs, refuse
from app.modules.automation.rule_form.form import RuleForm, has_errors
from app.modules.automation.rule_form.step_table import KEYS, STEP_OF, STEPS, StepInfo, steps_of_rule
from app.modules.automation.views import rule_form_preview
from app.modules.sent_once import sent_once
from app.modules.web import Context, htmx, see_other

NOT_TYPED = (
    "csrf_token",
    "request_key",
    "change",
    "go",
    "on",
    "faulty",
    "backfill",
    "max_credits",
    "ceiling",
    "note",
)
MOST_TYPED = 200_000


@allow(Role.EDITOR)
def new() -> ResponseReturnValue:
    """The first question; nothing is stored before it is answered."""
    person = current_person()
    drafts = rule_drafts.open_drafts(db.session(), account_id=person.account.id, user_id=person.user.id)
    return _page(
        _rule_form(),
        "name",
        drafts=[(draft, _draft_name(draft)) for draft in drafts],
        connected=is_connected(db.session(), person.account.id),
    )


@allow(Role.EDITOR)
def begin() -> ResponseReturnValue:
    """The first answer creates a draft."""
    rule_form = _rule_form(name=_typed())
    form = rule_form.checked_form("name")
    if has_errors(form):
        return _page(rule_form, "name", form), 422
    draft = start_draft(rule_form.answers)
    return see_other(url_for(".wizard", id=draft.id, step="when"))


@allow(Role.EDITOR)
def edit(id: int) -> ResponseReturnValue:
    """Create a draft with all steps filled from the rule."""
    rule = owned_or_404(AutomationRule, id)
    if rule.archived_at:
        raise Conflict("This rule is archived. Restore it before you change it.")
    choices = load_choices(db.session(), current_person().scope)
    draft = start_draft(steps_of_rule(definition_of(rule), choices), rule)
    step = request.args.get("step")
    step = step if step in KEYS else "check"
    faults = 1 if known_rule(rule).errors else None
    return see_other(url_for(".wizard", id=draft.id, step=step, faults=faults))


@allow(Role.EDITOR)
def show(id: int, step: str) -> ResponseReturnValue:
    """One step with its stored input."""
    draft = _draft(id, step)
    rule_form = _rule_form(draft)
    reachable = rule_form.reachable(step)
    if reachable != step:
        return see_other(url_for(".wizard", id=id, step=reachable))
    # Who comes from what needs an answer sees why; elsewhere nothing is wrong before it is sent.
    form = rule_form.checked_form(step) if "faults" in request.args and step in draft.steps else None
    return _page(rule_form, step, form, draft)


@allow(Role.EDITOR)
def keep(id: int, step: str) -> ResponseReturnValue:
    """Store the answer; then continue, go back, or change the rows of conditions or actions."""
    draft, typed, focus = _draft(id, step), _typed(), ""
    change = request.form.get("change")
    change_rows = STEP_OF[step].change_rows
    if change and change_rows:
        typed, focus = change_rows(typed, change)
    rule_form = _rule_form(draft, **{step: typed})
    refused = _refused(rule_form, step, draft)
    if refused:
        return _page(rule_form, step, refused, draft), 422
    rule_drafts.keep_step(db.session(), draft, step, typed, datetime.now(UTC))
    # Rendered before the commit: input that breaks a page must not be stored, or it would break the following ones.
    answer = _kept(draft, step, rule_form, change, focus)
    db.session.commit()
    return answer


def _refused(rule_form: RuleForm, step: str, draft: RuleDraft) -> StepForm | None:
    """The step with errors for forged values, which are not stored."""
    form = rule_form.form(step)
    forged = forged_inputs(form, draft.steps.get(step, []), lambda kept: rule_form.build(step, kept))
    if not forged and not (isinstance(form, PartForm) and is_forged(form)):
        return None
    checked = rule_form.checked_form(step)
    refuse(forged)
    focus_first_error(checked.fields_by_path().values())
    return checked


def _kept(
    draft: RuleDraft, step: str, rule_form: RuleForm, change: str | None, focus: str
) -> ResponseReturnValue:
    if change:
        return _rows(rule_form, step, draft, focus)
    if request.form.get("go") == "try":
        return see_other(url_for(".try_draft", id=draft.id))
    if request.form.get("go") in KEYS:
        return see_other(url_for(".wizard", id=draft.id, step=request.form["go"]))
    form = rule_form.checked_form(step)
    if has_errors(form):
        return _page(rule_form, step, form, draft), 422
    return see_other(url_for(".wizard", id=draft.id, step=_following(draft, step)))


@allow(Role.EDITOR)
def preview(id: int, step: str) -> ResponseReturnValue:
    """Preview of matching records, or of the next times, for the current input. Writes nothing."""
    with only_reading():
        draft = _draft(id, step)
        rule_form = _rule_form(draft, **{step: _typed()})
        return rule_form_preview.fragment(rule_form, step, datetime.now(UTC))


@allow(Role.EDITOR)
@sent_once
def save(id: int) -> ResponseReturnValue:
    """Save the rule, on or off, if every step is valid."""
    draft, now, session = _draft(id, "check"), datetime.now(UTC), db.session()
    rule_drafts.keep_step(session, draft, "check", _typed(), now)
    rule_form = _rule_form(draft)
    if open_steps := rule_form.open_steps():
        first = open_steps[0]
        flash("Answer this question before the rule can be saved.", "warning")
        page = _page(rule_form, first, rule_form.checked_form(first), draft)
        session.commit()
        return page, 422
    definition = rule_form.definition.model_copy(update={"is_active": request.form.get("on") == "1"})
    try:
        rule, change = save_draft(draft, definition, now)
    except Conflict as refusal:
        session.rollback()
        if not isinstance(refusal, Blocked):
            flash(refusal.message, "warning")
        rule_drafts.keep_step(session, draft, "check", _typed(), now)
        page = _page(rule_form, "check", draft=draft)
        session.commit()
        return page, refusal.status
    except Stale as refusal:
        session.rollback()
        return _meanwhile(_draft(id, "check"), rule_form, refusal), refusal.status
    session.delete(draft)
    if change:
        return sent_for_approval(change)
    session.commit()
    flash(f"“{rule.name}” is saved and switched {'on' if rule.is_active else 'off'}.", "success")
    return see_other(url_for(".rule", id=rule.id))


@allow(Role.EDITOR)
def discard(id: int) -> ResponseReturnValue:
    """Delete the draft."""
    draft = _draft(id, "check")
    rule_id = draft.rule_id
    db.session.delete(draft)
    db.session.commit()
    flash("Thrown away. No rule was changed.", "info")
    return see_other(url_for(".rule", id=rule_id) if rule_id else url_for(".rules"))


def _approval(rule_form: RuleForm) -> AskApproval | None:
    return None if rule_form.errors else asking_approval(rule_form.definition, rule_form.rule)


def _rule_of(draft: RuleDraft) -> AutomationRule | None:
    return owned_or_404(AutomationRule, draft.rule_id) if draft.rule_id else None


def _meanwhile(draft: RuleDraft, rule_form: RuleForm, refusal: Stale) -> str:
    """Who saved what since this change was begun, and how it differs from the input."""
    rule = owned_or_404(AutomationRule, draft.rule_id or 0)
    difference = meanwhile(rule, draft.version or 1, rule_form.data(), rule_form.choices)
    return _page(rule_form, "check", draft=draft, refusal=refusal, meanwhile=difference)


def start_draft(steps: dict[str, Pairs], rule: AutomationRule | None = None) -> RuleDraft:
    """Store these answers as the person's draft and commit; `rule` is the one that it changes."""
    person = current_person()
    draft = rule_drafts.begin_draft(
        db.session(),
        account_id=person.account.id,
        user_id=person.user.id,
        steps=steps,
        now=datetime.now(UTC),
        rule=rule,
    )
    db.session.commit()
    return draft


def _draft(id: int, step: str) -> RuleDraft:
    if step not in KEYS:
        raise NotFound()
    person = current_person()
    return rule_drafts.own_draft(db.session(), id, account_id=person.account.id, user_id=person.user.id)


def _draft_name(draft: RuleDraft) -> str:
    named = (value for name, value in draft.steps.get("name", []) if name == "name" and value)
    return next(named, "Without a name")


def _rule_form(draft: RuleDraft | None = None, **typed: Pairs) -> RuleForm:
    """The form with the draft's input, replaced by the current input where given."""
    session, person = db.session(), current_person()
    answers, rule = (draft.steps, _rule_of(draft)) if draft else ({}, None)
    return RuleForm(session, person.account, answers | typed, load_choices(session, person.scope), rule)


def _typed() -> Pairs:
    pairs = [
        [name, value.replace("\0", "")]
        for name, value in request.form.items(multi=True)
        if name not in NOT_TYPED
    ]
    if sum(len(name) + len(value) for name, value in pairs) > MOST_TYPED:
        raise TooLarge("This step holds more text than a rule can keep. Shorten it.")
    return pairs


def _following(draft: RuleDraft, step: str) -> str:
    if draft.rule_id or request.form.get("go") == "summary":
        return KEYS[-1]
    return KEYS[min(KEYS.index(step) + 1, len(KEYS) - 1)]


def _rows(rule_form: RuleForm, step: str, draft: RuleDraft, focus: str) -> ResponseReturnValue:
    """The step again. `focus`: id of the element that gets the focus."""
    info = STEP_OF[step]
    # htmx requests a full page where it selects a part of it: see _redrawn.
    is_redrawn = htmx().is_partial if info.change_rows else bool(htmx()) and not htmx().boosted
    if not is_redrawn:
        return see_other(url_for(".wizard", id=draft.id, step=step, _anchor=focus or None))
    form = rule_form.form_without(step, request.form.getlist("faulty"))
    if not info.change_rows:
        return _page(rule_form, step, form, draft)
    context = _context(rule_form, step, form, draft)
    return render_template(info.template, **context | {"focused": focused_on(focus)})


def _redrawn(step: StepInfo) -> dict[str, str]:
    """The part of the page that the answer to a change replaces."""
    if step.change_rows:
        return {"hx-target": f"#step_{step.key}"}
    return {"hx-target": "closest form", "hx-select": ".wizard-form"}


def focused_on(focus: str) -> Callable[[str], dict[str, bool]]:
    """Returns a function from an element's id to its attributes, which set the focus."""
    return lambda id: {"autofocus": True} if id == focus else {}


def _page(
    rule_form: RuleForm,
    step: str,
    form: StepForm | None = None,
    draft: RuleDraft | None = None,
    refusal: Refusal | None = None,
    **more: Any,
) -> str:
    context = _context(rule_form, step, form or rule_form.form(step), draft)
    return render_template("pages/automation/rule_form.html", refusal=refusal, **context, **more)


def _context(rule_form: RuleForm, step: str, form: StepForm, draft: RuleDraft | None) -> Context:
    now, number = datetime.now(UTC), KEYS.index(step)
    if draft:
        ask_again(
            form.fields_by_path().values(), url_for(".keep", id=draft.id, step=step), _redrawn(STEPS[number])
        )
    answered = [key for key in KEYS if key in rule_form.answers]
    action = url_for(".keep", id=draft.id, step=step) if draft else url_for(".begin_rule")
    addresses = [
        (
            info.title,
            url_for(".wizard", id=draft.id, step=info.key) if draft and info.key in answered else None,
        )
        for info in STEPS
    ]
    preview = rule_form_preview.context(rule_form, step, now) if draft else {}
    check = findings.of_draft(rule_form, now) if draft and step == "check" else None
    return {
        "rule_form": rule_form,
        "form": form,
        "focused": focused_on(""),
        "step": STEPS[number],
        "number": number + 1,
        "draft": draft,
        "name": _draft_name(draft) if draft else "",
        "action": action,
        "addresses": addresses,
        "before": KEYS[number - 1] if number else None,
        "check": activation_preview.without_offered(check, preview) if check else None,
        "preview": preview,
        "approval": _approval(rule_form) if draft and step == "check" else None,
        "so_far": rule_form_preview.so_far(rule_form, step) if draft and step != "check" else {},
    }
