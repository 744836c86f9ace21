"""Which matching records an action would have left out at a moment as finished ones: as `record_selection` does."""

from datetime import datetime

from sqlalchemy import func, select

from app.business.automation.services.backtest.past_facts import Values
from app.business.automation.services.backtest.trial import Trial
from app.business.automation.services.runs.record_selection import (
    CLUSTER_AGAIN_AFTER,
    TAKEABLE,
    choosy_action,
)
from app.business.automation.services.transactions import Transaction
from app.business.planner.models import Idea


class Eligibility:
    """`columns`: the own values that it needs besides those of the conditions."""

    def __init__(self, trial: Trial, read: Transaction) -> None:
        self.action = choosy_action(trial.definition)
        self.columns = {"cluster_keywords": ["status", "cluster_tried_at"]}.get(self.action or "", ["status"])
        self.statuses = TAKEABLE.get(self.action or "")
        self._first_ideas: dict[int | None, datetime] = {}
        if self.action == "generate_ideas":
            with read() as session:
                first = select(Idea.cluster_id, func.min(Idea.created_at)).where(
                    Idea.account_id == trial.account_id, Idea.cluster_id.is_not(None)
                )
                self._first_ideas = dict(session.execute(first.group_by(Idea.cluster_id)).all())

    @property
    def takes_all(self) -> bool:
        """Whether no matching record is ever left out."""
        return self.statuses is None and self.action != "generate_ideas"

    def holds(self, record_id: int, own: dict[str, object], at: datetime) -> bool:
        """Whether the action takes the record; `own`: its values then, by column."""
        if self.action == "generate_ideas":
            first_at = self._first_ideas.get(record_id)
            return first_at is None or first_at >= at
        if self.statuses is not None and own.get("status") not in self.statuses:
            return False
        tried_at = own.get("cluster_tried_at")
        # A time to come is today's value standing in: nothing is known of an earlier try.
        return not isinstance(tried_at, datetime) or tried_at > at or tried_at < at - CLUSTER_AGAIN_AFTER


def own_values(columns: list[str], values: Values) -> dict[str, object]:
    """Values by column."""
    return dict(zip(columns, values, strict=False))
