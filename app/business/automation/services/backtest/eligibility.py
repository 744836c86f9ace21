"""Which matching records an action would have left out at a moment as finished ones: as `record_selection` does."""

from app.business.automation.services.backtest.past_facts import Values
from app.business.automation.services.backtest.trial import Trial
from app.business.automation.services.catalogue.actions.base import AnyAction
from app.business.automation.services.catalogue.actions.eligibility import PastEligibility
from app.business.automation.services.runs.record_selection import filtering_action
from app.business.automation.services.transactions import Transaction


def past_eligibility(trial: Trial, read: Transaction) -> tuple[AnyAction | None, PastEligibility]:
    """The rule's action that leaves records out, if there is one, and how it judged them."""
    action = filtering_action(trial.definition)
    if action is None:
        return None, PastEligibility()
    with read() as session:
        return action, action.past(session, trial.account_id)


def own_values(columns: list[str], values: Values) -> dict[str, object]:
    """Values by column."""
    return dict(zip(columns, values, strict=False))
