"""Switch other rules off or on."""

from typing import Annotated

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import Effects
from app.business.automation.services.catalogue.actions.parameters import (
    Input,
    Names,
    RowId,
    Said,
    Words,
    quoted,
)


def _rule(rule_id: Said, _type: str | None, rules: Names) -> str:
    return f"“{rules[rule_id]}”" if rule_id in rules else f"rule {rule_id}"


class PauseRule(Params):
    rule_id: Annotated[RowId | None, Input("This rule", names="rule", phrase=_rule)] = None
    site: Annotated[
        RowId | None,
        Input(
            "All rules of this site",
            names="site",
            phrase=lambda value, _type, _rules: f"all of site {value}",
        ),
    ] = None
    action: Annotated[
        Words | None,
        Input(
            "All rules with this action",
            names="action",
            phrase=lambda label, _type, _rules: f"all with the action “{label}”",
        ),
    ] = None
    reason: Annotated[
        str,
        Field(max_length=500),
        Input("Why", template=True, phrase=quoted("because "), only_in_full=True),
    ] = ""


class SwitchRulesAction(ActionType[PauseRule]):
    params = PauseRule
    unit_of = "run"
    texts_of_records = False
    may_repeat = True

    def effects(self, params: PauseRule, record_type: str | None) -> Effects:
        return Effects()


class PauseRuleAction(SwitchRulesAction):
    key = "pause_rule"
    label = "Switch rules off"
    explanation = "Switches one rule off, or all of a site or with an action."
    icon = "player-pause"
    done = "switched off"


class ResumeRuleAction(SwitchRulesAction):
    key = "resume_rule"
    label = "Switch rules on"
    explanation = "Switches them on again."
    icon = "player-play"
    done = "switched on"


PAUSE_RULE = PauseRuleAction()
RESUME_RULE = ResumeRuleAction()
