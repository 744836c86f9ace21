"""A rule described in a sentence: the AI service makes a draft of it, which opens in the rule form and is not saved."""

from flask import current_app, flash, render_template, url_for
from flask.typing import ResponseReturnValue
from wtforms import TextAreaField

from app.business.accounts.models import Role
from app.business.automation.services.rules import described
from app.business.automation.services.rules.described import DescribedRule, NamedPlace
from app.business.automation.services.rules.fields import longest_of
from app.business.automation.services.rules.naming import free_name
from app.business.errors import Conflict
from app.business.language_model import ProviderFault
from app.business.outlets.services.ai_connections import connection_of, is_connected
from app.business.planner.services.record_lists import places
from app.infrastructure.ai import make_language_model
from app.infrastructure.ai.probe import BOUNDS
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.rule_form.choices import load_choices
from app.modules.automation.rule_form.form import RuleForm
from app.modules.automation.rule_form.step_table import KEYS, STEP_OF, steps_of_rule
from app.modules.automation.views.rule_form import start_draft
from app.modules.counted_call import counted_call
from app.modules.forms import at_most, required
from app.modules.quotas import DESCRIPTIONS, limited
from app.modules.record_forms import ServiceForm
from app.modules.sent_once import sent_once
from app.modules.web import see_other

UNNAMED = "Described rule"
NOT_IN_IT = "Not in the draft:"
NOT_CONNECTED = (
    "No AI service is connected, so nobody can read the description. Start from a template instead."
)


class DescriptionForm(ServiceForm):
    text = TextAreaField(
        "What should it do, and when?",
        [required("what the rule should do"), at_most(described.LONGEST_TEXT)],
        description="In your own words and language: when it starts, which records it takes, what it does with them.",
    )


@allow(Role.EDITOR)
def ask() -> str:
    """The question; says so where there is no AI service."""
    return _page(DescriptionForm(formdata=None))


@allow(Role.EDITOR)
@limited(DESCRIPTIONS)
@sent_once
def draft() -> ResponseReturnValue:
    """Have the service make the draft, and open it at the first question that is still open."""
    session, person, form = db.session(), current_person(), DescriptionForm()
    if not is_connected(session, person.account.id):
        raise Conflict(NOT_CONNECTED)
    if not form.validate():
        return _page(form), 422
    text = str(form.text.data).strip()
    try:
        answer = _described(text)
    except ProviderFault as fault:
        form.refuse({"text": [f"{fault.message} Nothing was drafted."]})
        return _page(form), 422
    return _open(answer, text)


def _described(text: str) -> DescribedRule:
    """The service's answer; no transaction is open while it is awaited. Raises ProviderFault."""
    session, account = db.session(), current_person().account
    connection = connection_of(session, account.id)
    prompt = described.prompt_for(text, _places(), account.timezone, connection)
    # An unusable answer is requested once more, with the whole conversation.
    sent = described.most_sent(prompt)
    tokens = (2 * sent + described.MOST_WRITTEN, 2 * described.MOST_WRITTEN)
    with counted_call(account, connection, "describe", tokens) as call:
        completion = make_language_model(current_app.extensions["settings"], BOUNDS).write(prompt, call.key)
        call.use = completion.use(prompt)
    return DescribedRule.model_validate(completion.data)


def _open(answer: DescribedRule, text: str) -> ResponseReturnValue:
    session, person = db.session(), current_person()
    rule, left_out = described.as_rule(answer, _places(), person.account.timezone)
    missing = [*answer.not_possible, *left_out]
    name = free_name(session, person.account.id, answer.name or UNNAMED)
    # The note stays with the rule, where a message on the page goes.
    note = "\n".join([text, *(f"{NOT_IN_IT} {sentence}" for sentence in missing)])
    choices = load_choices(session, person.scope)
    steps = steps_of_rule(rule | {"name": name, "description": note[: longest_of("description")]}, choices)
    if not answer.actions:
        # Else the form would propose one that nobody asked for.
        steps.pop("do", None)
    still_open = RuleForm(session, person.account, steps, choices).open_steps()
    made = start_draft(steps)
    flash("This is a draft of what you described, and nothing is saved. Look at each answer.", "info")
    if missing:
        flash(f"{NOT_IN_IT} {' '.join(missing)}", "warning")
    if still_open:
        named = ", ".join(f"“{STEP_OF[key].title}”" for key in still_open)
        flash(f"The description does not answer everything. Still open: {named}.", "warning")
    first = still_open[0] if still_open else KEYS[-1]
    return see_other(url_for(".wizard", id=made.id, step=first, faults=1))


def _places() -> list[NamedPlace]:
    found = places(db.session(), current_person().scope)
    return [
        NamedPlace(site.id, site.name, {sector.name: sector.id for sector in sectors})
        for site, sectors in found
    ]


def _page(form: DescriptionForm) -> str:
    connected = is_connected(db.session(), current_person().account.id)
    return render_template("pages/automation/describe_rule.html", form=form, connected=connected)
