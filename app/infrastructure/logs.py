"""One JSON line for each event, on standard error, with its context: request, account, run, job.

Many events of one kind, at one moment, are logged by one call, with `each`.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from redis import RedisError

from app.business.database_faults import fault_of, in_one_line, is_passing

QUIET = (
    "rq",
    "rq.worker",
    "rq.job",
    "rq_scheduler.scheduler",
    "alembic",
    "waitress",
    "httpx2",
    "openai",
)
"""Libraries that log what we log already; only their warnings are kept."""


def keep_cause_only(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Of a fault of the database or the queue server log only the cause: where it occurred says nothing about it."""
    given = event.get("exc_info")
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException) and (is_passing(error) or isinstance(error, RedisError)):
        del event["exc_info"]
        fault = fault_of(error)
        event["cause"] = f"database {fault.state}" if fault else "queue server away"
        event["error"] = in_one_line(error)
    return event


def in_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    """One line, or one for each of the entries that many events have in `each`."""
    entries: Sequence[Mapping[str, object]] = event.pop("each", [{}])
    return "\n".join(json.dumps({**entry, **event}, default=str) for entry in entries)


SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    keep_cause_only,
    structlog.processors.format_exc_info,
]


def configure(level: str) -> None:
    """Write events from `level` on, of structlog and of the standard library's logging, to standard error.

    JSON escapes line breaks in texts. Standard output is reserved for the results of commands.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                in_json,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of every request that waits for a moment.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
