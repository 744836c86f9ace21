"""All periodic work, on one screen. Cron lines are in UTC; customers' schedules are rows, not entries here."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from croniter import croniter

from app.infrastructure.messaging import queues


@dataclass(frozen=True)
class Periodic:
    """One recurring job: by a cron line, or at a fixed interval in seconds and at once after a start."""

    id: str
    function: str
    cron: str = ""
    seconds: int = 0

    def next_at(self, now: datetime) -> datetime:
        if self.cron:
            instant: datetime = croniter(self.cron, now).get_next(datetime)
            return instant
        return now + timedelta(seconds=self.seconds)

    def first_at(self, now: datetime) -> datetime:
        """When it is due if it was not scheduled at all."""
        return self.next_at(now) if self.cron else now

    @property
    def meta(self) -> dict[str, str | int]:
        """Its times in rq-scheduler's own terms, so that its tools show them."""
        return {"cron_string": self.cron} if self.cron else {"interval": self.seconds}


PERIODIC = (
    Periodic("execute-scheduled-automation-rules", queues.EXECUTE_RULES, cron="*/15 * * * *"),
    Periodic("replenish-monthly-credits", queues.REPLENISH, cron="0 0 1 * *"),
    Periodic("sweep", queues.SWEEP, seconds=15),
)
BY_ID = {entry.id: entry for entry in PERIODIC}
