"""The page of an operation: its progress, then its result."""

from datetime import UTC, datetime

from flask import flash, g, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.operation_models import ENDED, Operation
from app.business.automation.services.operations import lifecycle
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation.labels.operations import KIND_PAGES
from app.modules.web import see_other


@allow(Role.VIEWER)
def show(id: int) -> ResponseReturnValue:
    """Progress, result, and the state of the runs it has started."""
    operation = _operation(id)
    kind, ended = KIND_PAGES[operation.kind], operation.state in ENDED
    g.menu_entry = kind.above[1]
    return render_template(
        "pages/automation/operation.html",
        operation=operation,
        kind=kind,
        ended=ended,
        following=kind.follow(operation) if kind.follow and ended else {},
        **(kind.more(operation) if operation.result else {}),
    )


@allow(Role.OPERATOR)
def cancel(id: int) -> ResponseReturnValue:
    """Cancel it; the kind of operation decides what happens to its results."""
    operation = _operation(id)
    lifecycle.cancel_operation(db.session(), operation, datetime.now(UTC))
    db.session.commit()
    flash(KIND_PAGES[operation.kind].stopping, "success")
    return see_other(url_for(".operation", id=operation.id))


def _operation(id: int) -> Operation:
    return lifecycle.find_operation(db.session(), current_person().scope, id)
