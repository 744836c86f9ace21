"""One JSON line for each event, on standard error, with what is bound to it: request, account, run, job."""

import logging
import sys

import structlog

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
"""Libraries that tell what we tell already; only their warnings are kept."""


SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure(level: str) -> None:
    """Write events from `level` on, of structlog and of the standard library's logging, to standard error.

    Line breaks in texts are escaped by JSON. Standard output belongs to the answers of commands.
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
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It warns of every request that waits for a moment.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
