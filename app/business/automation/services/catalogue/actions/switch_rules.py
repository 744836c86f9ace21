"""Switch other rules off or on."""

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params, RowId, Words


class PauseRule(Params):
    rule_id: RowId | None = None
    site: RowId | None = None
    action: Words | None = None
    reason: str = Field("", max_length=500)


class SwitchRulesAction(ActionType[PauseRule]):
    params = PauseRule
    unit_of = "run"


class PauseRuleAction(SwitchRulesAction):
    key = "pause_rule"
    label = "Switch rules off"


class ResumeRuleAction(SwitchRulesAction):
    key = "resume_rule"
    label = "Switch rules on"


PAUSE_RULE = PauseRuleAction()
RESUME_RULE = ResumeRuleAction()
