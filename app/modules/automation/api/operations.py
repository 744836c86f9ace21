"""REST: retry of all failed runs that match a filter, back-tests, and the state of operations."""

from datetime import UTC, datetime

from flask import Response, url_for

from app.business.accounts.models import Role
from app.business.automation.services.backtest.back_test import begin_back_test
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.operations import bulk_retry, lifecycle
from app.business.automation.services.operations.bulk_retry import RetryReport
from app.business.automation.services.operations.lifecycle import find_operation
from app.business.errors import Conflict
from app.infrastructure.database import db, only_reading
from app.modules.access import STARTING_RUNS, current_person
from app.modules.api.bodies import Omittable
from app.modules.api.records import in_zone, show
from app.modules.api.resource import answer, require_present, saved
from app.modules.automation.api.answers import RetryShown
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.serializers import BackTestAsked, OperationShown, RetryRuns
from app.modules.automation.diff.edit_conflict import present_rule
from app.modules.quotas import BACK_TESTS
from app.modules.run_actor import actor


@api.call("POST", "/scheduled-tasks/retry/", STARTING_RUNS, answers={200: RetryShown, 202: OperationShown})
def retry_runs(body: Omittable[RetryRuns]) -> Response:
    """Retry all failed runs that match a filter: 200 and a report, or with `"dry_run": false` 202 and the operation."""
    session, now = db.session(), datetime.now(UTC)
    filters = RunFilters(
        status=body.status,
        rules=body.automation_rule,
        after=in_zone(body.scheduled_after),
        before=in_zone(body.scheduled_before),
        cause=body.cause,
        reason=body.reason,
    )
    account, as_of = current_person().account, min(in_zone(body.as_of) or now, now)
    with only_reading():
        report = bulk_retry.dry_report(
            session, account, filters, actor(), as_of, scope=current_person().scope
        )
        session.commit()
    if body.dry_run:
        return answer(_report(report))
    operation = bulk_retry.begin_bulk_retry(session, account, report, actor(), now)
    return saved(answer(show(OperationShown, operation), 202))


@api.call(
    "POST",
    "/rules/<int:id>/back-test/",
    STARTING_RUNS,
    answers={202: OperationShown},
    if_match=True,
    quota=BACK_TESTS,
)
def back_test(id: int, body: Omittable[BackTestAsked]) -> Response:
    """Back-test a rule: 202 and the operation, which has the result when its state is done."""
    person, rule = current_person(), present_rule(id)
    if rule.archived_at:
        raise Conflict("This rule is archived. Restore it before you try it.")
    operation = begin_back_test(
        db.session(),
        person.account,
        days=body.days,
        user_id=person.user.id,
        now=datetime.now(UTC),
        rule=rule,
        data=body.definition,
        scope=person.scope,
    )
    response = answer(show(OperationShown, operation), 202)
    response.location = url_for(".get_operation", id=operation.id)
    return saved(response)


@api.call("GET", "/operations/<int:id>/", Role.VIEWER, answers={200: OperationShown}, if_match=True)
def get_operation(id: int) -> Response:
    """One operation: state, progress and result."""
    return answer(show(OperationShown, find_operation(db.session(), current_person().scope, id)))


@api.call("POST", "/operations/<int:id>/cancel/", STARTING_RUNS, answers={200: OperationShown}, if_match=True)
def cancel_operation(id: int) -> Response:
    """Cancel an operation: at once where it has not begun, else at its next progress; 409 once it has ended."""
    operation = find_operation(db.session(), current_person().scope, id)
    require_present(show(OperationShown, operation))
    lifecycle.cancel_operation(db.session(), operation, datetime.now(UTC))
    return saved(answer(show(OperationShown, operation)))


def _report(report: RetryReport) -> RetryShown:
    return RetryShown(
        dry_run=True,
        runs=len(report.runs),
        finished_units=report.finished_units,
        credits_most=report.credits_most,
        credits_added=report.adds,
        credits_available=report.credits_available,
        left_out={reason.value: count for reason, count in report.left_out.items()},
        beyond=report.beyond,
        as_of=report.as_of,
    )
