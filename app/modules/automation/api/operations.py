"""REST: the retry of all failed runs under a filter, rules tried on the past, and how far an operation is."""

from datetime import UTC, datetime
from typing import Any

from flask import Response, url_for

from app.business.accounts.models import Role
from app.business.automation.operation_models import Operation
from app.business.automation.services.backtest.back_test import begin_back_test
from app.business.automation.services.history.run_list import RunFilters
from app.business.automation.services.operations import bulk_retry
from app.business.automation.services.operations.bulk_retry import RetryReport
from app.business.errors import Conflict
from app.infrastructure.database import db, only_reading
from app.modules.access import allow, current_person, owned_or_404
from app.modules.api.resource import answer, read_optional, saved
from app.modules.automation.api.rules import actor
from app.modules.automation.api.runs import in_zone
from app.modules.automation.api.serializers import BackTestAsked, OperationShown, RetryRuns
from app.modules.automation.diff.edit_conflict import present_rule
from app.modules.quotas import BACK_TESTS, limited


@allow(Role.OPERATOR)
def retry_runs() -> Response:
    """POST scheduled-tasks/retry: 200 and what it would do, or with `"dry_run": false` 202 and the operation."""
    asked, session, now = read_optional(RetryRuns), db.session(), datetime.now(UTC)
    filters = RunFilters(
        status=asked.status,
        rules=asked.automation_rule,
        after=in_zone(asked.scheduled_after),
        before=in_zone(asked.scheduled_before),
        cause=asked.cause,
        reason=asked.reason,
    )
    account, as_of = current_person().account, min(in_zone(asked.as_of) or now, now)
    with only_reading():
        report = bulk_retry.dry_report(session, account, filters, actor(), as_of)
        session.commit()
    if asked.dry_run:
        return answer(_report(report))
    operation = bulk_retry.begin_bulk_retry(session, account, report, actor(), now)
    return saved(answer(_show(operation), 202))


@allow(Role.OPERATOR)
@limited(BACK_TESTS)
def back_test(id: int) -> Response:
    """POST back-test: 202 and the operation; its result is there when its state is done."""
    asked, person = read_optional(BackTestAsked), current_person()
    rule = present_rule(id)
    if rule.archived_at:
        raise Conflict("This rule is archived. Restore it before you try it.")
    operation = begin_back_test(
        db.session(), person.account, days=asked.days, user_id=person.user.id, now=datetime.now(UTC), rule=rule,
        data=asked.definition,
    )  # fmt: skip
    response = answer(_show(operation), 202)
    response.location = url_for(".get_operation", id=operation.id)
    return saved(response)


@allow(Role.VIEWER)
def get_operation(id: int) -> Response:
    """GET one operation: its state, how far it is, what came of it."""
    return answer(_show(owned_or_404(Operation, id)))


def _report(report: RetryReport) -> dict[str, Any]:
    return {
        "dry_run": True,
        "runs": len(report.runs),
        "finished_units": report.finished_units,
        "credits_most": report.credits_most,
        "credits_added": report.adds,
        "credits_available": report.credits_available,
        "left_out": dict(report.left_out),
        "beyond": report.beyond,
        "as_of": report.as_of.isoformat(),
    }


def _show(operation: Operation) -> dict[str, Any]:
    return OperationShown.model_validate(operation).model_dump(mode="json")
