"""Manual retry of a run: one that represents a failed delivery is delivered again, all others are retried."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.runs import commands
from app.business.automation.services.triggering import failed_deliveries
from app.business.automation.services.triggering.dispatch import redeliver
from app.business.database_faults import is_passing
from app.business.errors import Conflict


def retry(
    session: Session,
    run: ScheduledTask,
    now: datetime,
    *,
    failed_attempt: int | None = None,
    priority: int | None = None,
) -> None:
    """Retry a failed run, with the arguments of `commands.retry`. Raises Conflict where that is not possible."""
    delivery = failed_deliveries.delivery_of(session, run)
    if delivery is None:
        commands.retry(session, run, now, failed_attempt=failed_attempt, priority=priority)
        return
    try:
        with session.begin_nested():
            redeliver(session, delivery, now)
            failed_deliveries.settle(session, run.account_id, run.automation_rule_id, now)
    except Exception as error:
        if is_passing(error):
            raise
        raise Conflict(f"The rule can still not be read. {failed_deliveries.TO_DO}") from error
    session.refresh(run)
