"""The last of an account's first steps: what brings it from keywords to its first draft, and the one page to go to."""

from dataclasses import dataclass
from datetime import datetime

from flask import url_for

from app.business.accounts.models import Role
from app.business.automation.run_models import Status
from app.business.automation.services.catalogue.nouns import noun
from app.business.automation.services.history.first_steps import StageReached, rule_for, stage_reached
from app.business.automation.services.history.rule_figures import RuleFigures, rule_figures
from app.business.automation.services.rules.known_rules import ListedRule, RulesRead, rules_on
from app.modules.access import current_person
from app.modules.display import relative


@dataclass(frozen=True)
class FirstDraft:
    """What the step says, and its link for those with the role."""

    text: str
    action: str
    url: str
    role: Role = Role.OPERATOR


def first_draft(rules: RulesRead, now: datetime) -> FirstDraft:
    """For an account with keywords, a rule that is on, and no draft."""
    scope = current_person().scope
    stage = stage_reached(rules.session, scope)
    rule = rule_for(stage, rules_on(rules, scope))
    if rule is None:
        return _without_rule(stage)
    figures = rule_figures(rules.session, rules.account_id, [rule.id], now)[rule.id]
    return _of_rule(rule, figures, stage, now)


def _without_rule(stage: StageReached) -> FirstDraft:
    text = f"No rule that is on makes {noun(stage.made)}s of your {noun(stage.taken)}s yet. A template does."
    page = url_for("automation.templates", _anchor=f"stage_{stage.number}")
    return FirstDraft(text, "Choose a template", page, Role.EDITOR)


def _of_rule(rule: ListedRule, figures: RuleFigures, stage: StageReached, now: datetime) -> FirstDraft:
    page, run = url_for("automation.rule", id=rule.id), figures.last_run
    start = url_for("automation.ask_run", id=rule.id)
    if run and run.status in (Status.PENDING, Status.RUNNING):
        return FirstDraft(
            f"“{rule.name}” is at work. Drafts appear here and in My work, for a person to approve.",
            "See its run",
            url_for("automation.run", id=run.id),
        )
    if rule.definition.mode == "shadow":
        said = f"“{rule.name}” practises: it says what it would do, and makes nothing."
        return FirstDraft(said, "See what it would do", page)
    if run:
        said = f"“{rule.name}” has run and made no {noun(stage.made)}s. Its run says why."
        return FirstDraft(said, "See why", url_for("automation.run", id=run.id))
    if rule.definition.trigger == "schedule":
        soon = f" {relative(figures.next_run_at, now)}" if figures.next_run_at else ""
        return FirstDraft(
            f"“{rule.name}” starts by itself{soon}. You need not wait for it.", "Run it now", start
        )
    return FirstDraft(
        f"“{rule.name}” takes what comes from now on. Your {noun(stage.taken)}s wait until you start it on them.",
        "Start it on these",
        page,
    )
