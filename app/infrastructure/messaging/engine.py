"""The rule engine of this process: its transactions, its provider, its clock and its heartbeat."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.business.automation.services.action_executor import ActionExecutor
from app.business.automation.services.actions.registry import make_works
from app.business.automation.services.rule_engine import RuleEngine
from app.business.automation.services.runs.lease import HEARTBEAT_SECONDS, Lease, LeaseLost, renew
from app.business.database_faults import in_one_line
from app.business.language_model import LanguageModel
from app.business.outlets.site_publisher import SitePublisher
from app.infrastructure.database import db, transaction

log = structlog.get_logger(__name__)


def utc_now() -> datetime:
    """The clock of every process."""
    return datetime.now(UTC)


def make_engine(
    language_model: LanguageModel, publisher: SitePublisher, worker: str, draining: Callable[[], bool]
) -> RuleEngine:
    """An engine whose runs are leased to `worker` and handed back between two units once `draining` is true."""
    executor = ActionExecutor(transaction, make_works(language_model, publisher), utc_now, draining)
    return RuleEngine(transaction, executor, utc_now, heartbeat, worker)


@contextmanager
def heartbeat(lease: Lease) -> Iterator[None]:
    """Renew the lease every 15 seconds while the block runs, on its own connection."""
    stop = threading.Event()
    renewals = threading.Thread(target=_renew, args=(db.engine, lease, stop), name="heartbeat", daemon=True)
    renewals.start()
    try:
        yield
    finally:
        stop.set()


def _renew(engine: Engine, lease: Lease, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        try:
            with Session(engine) as session, session.begin():
                renew(session, lease, utc_now())
        except LeaseLost:
            return
        except SQLAlchemyError as error:
            # The database is away for a moment; the lease outlasts three missed heartbeats.
            log.warning("heartbeat_failed", run=lease.run_id, error=in_one_line(error))
