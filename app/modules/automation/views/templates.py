"""Rule templates: choose one, and review it in the form before it is saved."""

from dataclasses import dataclass

from flask import flash, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.services.catalogue.actions.base import FREE
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.rules.cost import most_per_run
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.naming import free_name
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.transfer import templates
from app.business.outlets.services.ai_connections import is_connected
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.rule_form.choices import load_choices
from app.modules.automation.rule_form.step_table import steps_of_rule
from app.modules.automation.views.rule_form import start_draft
from app.modules.web import see_other

TRIGGER_ICONS = {
    "schedule": "clock",
    "keyword_added": "tag",
    "cluster_created": "topology-star-3",
    "idea_created": "bulb",
    "task_created": "checklist",
    "content_generated": "file-text",
    "status_changed": "refresh",
    "run_finished": "history",
    "credits_granted": "coins",
}


@dataclass(frozen=True)
class Card:
    """A template on its card; `prices` of its paid actions, `most`: upper bound of one run's credits.

    flow: drawing and words of what starts it, and of each action.
    """

    template: templates.Template
    sentence: str
    prices: list[str]
    most: int
    flow: list[tuple[str, str]]

    @property
    def is_first(self) -> bool:
        """Whether it is the one that a new account begins with."""
        return self.template.key == templates.FIRST


@allow(Role.VIEWER)
def index() -> str:
    """All templates, by stage of the pipeline."""
    account = current_person().account
    connected = is_connected(db.session(), account.id)
    stages = [
        (title, [_card(entry, entry.definition(account.timezone), connected) for entry in found])
        for title, found in templates.by_stage()
    ]
    return render_template("pages/automation/templates.html", stages=stages, connected=connected)


@allow(Role.EDITOR)
def use(key: str) -> ResponseReturnValue:
    """Open it in the form, with everything answered except for the place."""
    account, session = current_person().account, db.session()
    definition = templates.template(key).definition(account.timezone)
    definition.name = free_name(session, account.id, definition.name)
    steps = steps_of_rule(definition.model_dump(mode="json"), load_choices(session, current_person().scope))
    draft = start_draft(steps)
    flash("Everything is filled in. Choose where it may work, then look at the summary.", "info")
    return see_other(url_for(".wizard", id=draft.id, step="where"))


def _card(template: templates.Template, definition: RuleDefinition, connected: bool) -> Card:
    prices = [CATALOGUE[action.type].price_text for action in definition.actions]
    paid = [price for price in dict.fromkeys(prices) if price != FREE]
    most = most_per_run(definition, connected=connected)
    return Card(template, summary_of(definition), paid, most, _flow(definition))


def _flow(definition: RuleDefinition) -> list[tuple[str, str]]:
    start = TRIGGERS[definition.trigger].label
    done = [(entry.icon, entry.label) for entry in (CATALOGUE[action.type] for action in definition.actions)]
    return [(TRIGGER_ICONS.get(definition.trigger, "bolt"), start), *done]
