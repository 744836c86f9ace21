"""Which matching records an action would not have accepted at a past moment; the past version of `record_selection`."""

from app.business.automation.services.backtest.past_facts import Values
from app.business.automation.services.backtest.trial import Trial
from app.business.automation.services.catalogue.actions.base import AnyAction
from app.business.automation.services.catalogue.actions.eligibility import PastEligibility
from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.runs.record_selection import filtering_action
from app.business.automation.services.transactions import Transaction


def past_eligibility(trial: Trial, read: Transaction) -> tuple[AnyAction | None, PastEligibility]:
    """The rule's filtering action, if there is one, and its past eligibility."""
    action = filtering_action(trial.definition)
    if action is None:
        return None, PastEligibility()
    with read() as session:
        return action, action.past(session, trial.account_id)


def own_values(columns: list[str], values: Values) -> dict[str, FieldValue]:
    return dict(zip(columns, values, strict=False))
