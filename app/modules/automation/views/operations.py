"""The page of an operation: its progress while it goes on, its result when it has ended."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import flash, g, render_template, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.operation_models import ENDED, Operation
from app.business.automation.services.operations import operations
from app.infrastructure.database import db
from app.modules.access import allow, current_person
from app.modules.automation import live
from app.modules.automation.operation_kinds import KIND_PAGES
from app.modules.web import htmx, see_other

POLL = "every 2s"


@allow(Role.VIEWER)
def show(id: int) -> ResponseReturnValue:
    """While it goes on, or the runs that it set going do, the page asks for news."""
    operation = _operation(id)
    follow = KIND_PAGES[operation.kind].follow
    following = follow(operation) if follow and operation.state in ENDED else {}
    tag = (
        f"{operation.state}-{operation.done}-{operation.total}-{operation.cancel_requested_at is not None}"
        f"-{following.get('tag', '')}"
    )
    if htmx().is_partial:
        return live.answer(
            tag, lambda: _rendered("partials/automation/operation_body.html", operation, tag, following)
        )
    return _rendered("pages/automation/operation.html", operation, tag, following)


@allow(Role.OPERATOR)
def cancel(id: int) -> ResponseReturnValue:
    """Stop it; what it has done stays."""
    operation = _operation(id)
    operations.cancel_operation(db.session(), operation, datetime.now(UTC))
    db.session.commit()
    flash("It stops. What is done already stays.", "success")
    return see_other(url_for(".operation", id=operation.id))


def _operation(id: int) -> Operation:
    return operations.find_operation(db.session(), current_person().account.id, id)


def _rendered(template: str, operation: Operation, tag: str, following: Mapping[str, Any]) -> str:
    ended = operation.state in ENDED
    kind = KIND_PAGES[operation.kind]
    g.menu_entry = kind.above[1]
    poll = None if ended and not following.get("moves") else POLL
    more = kind.more(operation) if operation.result else {}
    return render_template(
        template, operation=operation, kind=kind, tag=tag, ended=ended, poll=poll, following=following, **more
    )
