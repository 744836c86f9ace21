"""`flask --app wsgi …` of builds without one of their safeguards: the outage trials must find them."""

import sys
from collections.abc import Callable

from flask.cli import main

from app.business.automation.services.triggering import dispatch
from app.infrastructure import logs
from app.infrastructure.messaging import sweep_steps


def write_tracebacks() -> None:
    """The log shows where a fault was met, with pages of frames."""
    logs.SHARED.remove(logs.keep_cause_only)


def lose_what_was_not_delivered() -> None:
    """What did not reach the queue server is never looked for again."""
    steps = {step.__name__: step for step in sweep_steps.RECOVERY_STEPS}
    del steps["dispatch_events"], steps["_wake_overdue"]
    sweep_steps.RECOVERY_STEPS = tuple(steps.values())
    dispatch.dispatch_batches = lambda *_, **__: dispatch.Dispatched()


PLANTS: dict[str, Callable[[], None]] = {
    "write_tracebacks": write_tracebacks,
    "lose_what_was_not_delivered": lose_what_was_not_delivered,
}

if __name__ == "__main__":
    for plant in sys.argv.pop(1).split(","):
        PLANTS[plant]()
    main()
