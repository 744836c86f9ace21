"""What the children do: the real work, as workers, the scheduler and the console do it."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from flask_migrate import upgrade

from app.business.accounts.services.scope import Scope
from app.business.automation.services.operations import keyword_import, lifecycle
from app.business.automation.services.triggering import deliveries
from app.business.events import Origin
from app.business.planner.models import Sector
from app.business.planner.services.import_file import read_import_file
from app.business.planner.services.import_parts import Destination, WritePace, choices_for
from app.business.planner.services.keyword_service import add_keyword
from app.infrastructure.database import transaction
from app.infrastructure.messaging import automation_tasks, queues, relay, sweep_steps
from app.infrastructure.messaging.scheduler import AutomationScheduler
from app.infrastructure.messaging.worker import ClockWorker


def work_off() -> None:
    """Take every ticket from every queue, and do what it says."""
    ClockWorker(queues.QUEUES, relay.server()).work(burst=True)


def heal() -> None:
    """What the next moments after a crash bring: a sweep, and workers that work."""
    automation_tasks.sweep()
    work_off()


def hand_over() -> None:
    """The scheduler starts and looks once."""
    scheduler = AutomationScheduler(relay.server())
    scheduler.begin()
    scheduler.pass_once()
    scheduler.remove_lock()


def type_keyword(sector_id: int, text: str) -> None:
    """A person adds one keyword."""
    with transaction() as session:
        sector = session.get_one(Sector, sector_id)
        origin = Origin(sector.account_id)
        add_keyword(session, sector, {"text": text}, origin=origin, now=datetime.now(UTC))


def import_many(sector_id: int, count: int) -> None:
    """A person imports a file of that many keywords, in a request; written a few at a time."""
    lines = ["Keyword", *(f"garden lamp {number}" for number in range(count))]
    WritePace.LARGEST = 200
    keyword_import.WritePace = partial(WritePace, timer=lambda: 0.0, rows=WritePace.LARGEST)
    with transaction() as session:
        sector = session.get_one(Sector, sector_id)
        to = Destination(sector.site, sector)
        choices = choices_for(session, Scope(sector.account_id), to)
    file = read_import_file("\n".join(lines).encode(), choices)
    with transaction() as session:
        operation = keyword_import.ask_import(
            session, file, to, account_id=sector.account_id, user_id=None, existing="update", here=True,
            now=datetime.now(UTC),
        )  # fmt: skip
    lifecycle.execute_here(transaction, operation, keyword_import.execute_import, lambda: datetime.now(UTC))


def work_off_in_parts(most: int) -> None:
    """As `work_off`; one transaction opens at most that many runs of a batch, and a busy machine opens all of them in
    one go, too."""
    deliveries.MOST_RUNS = most
    sweep_steps.DISPATCH_SECONDS = 600
    work_off()


WORKS: dict[str, Callable[..., None]] = {
    "work_off": work_off,
    "work_off_in_parts": work_off_in_parts,
    "heal": heal,
    "plan": automation_tasks.execute_scheduled_automation_rules,
    "sweep": automation_tasks.sweep,
    "replenish": automation_tasks.replenish_monthly_credits,
    "hand_over": hand_over,
    "type_keyword": type_keyword,
    "import_many": import_many,
    "migrate": upgrade,
}
