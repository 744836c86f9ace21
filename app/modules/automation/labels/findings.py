"""Findings of the preflight check, as pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.preflight.check import (
    Finding,
    Level,
    brought_by_change,
    preflight_check,
)
from app.business.automation.services.rules.known_rules import known_rule
from app.business.automation.services.rules.versions import read_definition
from app.infrastructure.database import db
from app.modules.automation.loop_diagram import Picture, picture_of
from app.modules.automation.rule_form.form import RuleForm
from app.modules.automation.rule_form.step_table import owner_of


@dataclass(frozen=True)
class CheckLine:
    """A finding with its step of the rule form (None: not in the form), and its diagram."""

    finding: Finding
    step: str | None
    picture: Picture | None


@dataclass(frozen=True)
class RuleCheck:
    """Most serious first; `is_blocked`: the rule cannot be switched on with these."""

    lines: tuple[CheckLine, ...]
    is_blocked: bool

    def without(self, code: str) -> "RuleCheck":
        """The same for a page that itself offers what that finding advises."""
        return replace(self, lines=tuple(line for line in self.lines if line.finding.code != code))


def of_rule(rule: AutomationRule, now: datetime) -> RuleCheck:
    """The preflight check of a saved rule as if it were on."""
    return _shown(findings_of(rule, now))


def findings_of(rule: AutomationRule, now: datetime) -> list[Finding]:
    """The findings only."""
    session, known = db.session(), known_rule(rule)
    account = session.get_one(Account, rule.account_id)
    return preflight_check(session, account, known.definition, now, rule.id, faults=known.errors)


def of_draft(form: RuleForm, now: datetime) -> RuleCheck | None:
    """The preflight check of the rule form's input; None while a step is not valid.

    While the rule that it changes is on, only findings that the change causes block saving.
    """
    if form.open_steps():
        return None
    session, account, rule, definition = form.session, form.account, form.rule, form.definition
    shown = _shown(preflight_check(session, account, definition, now, rule.id if rule else None))
    if rule is None or not rule.is_active:
        return shown
    before = read_definition(rule)
    brought = brought_by_change(session, account, before, definition, now, rule.id)
    return replace(shown, is_blocked=bool(brought))


def _shown(findings: Sequence[Finding]) -> RuleCheck:
    lines = [
        CheckLine(finding, _step_of(finding.field), picture_of(finding.loop) if finding.loop else None)
        for finding in findings
    ]
    return RuleCheck(tuple(lines), is_blocked(findings))


def is_blocked(findings: Sequence[Finding]) -> bool:
    """Whether one of them forbids switching the rule on."""
    return any(finding.level is Level.STOP for finding in findings)


def _step_of(field: str) -> str | None:
    owner = owner_of(field)
    return owner.key if owner else None
