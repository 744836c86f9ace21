"""Fields of the finished run that a rule follows, for conditions and texts: `{run.rule}`, `{run.reason}`."""

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased

from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.catalogue.field_types import (
    Choices,
    Expression,
    Field,
    FieldType,
    Frame,
    SqlValue,
)
from app.business.planner.models import Site

FINISHED_RUN = "run"
"""Key of these fields and counts in the catalogue, beside the record types."""
ENDS = tuple((status.value, status.value) for status in (Status.COMPLETED, Status.FAILED, Status.SKIPPED))


def _run(
    name: str,
    label: str,
    type: FieldType,
    of: Expression,
    choices: Choices = (),
    folded: Expression | None = None,
) -> Field:
    return Field(f"run.{name}", label, type, of, choices, folded=folded)


def _site(column: str) -> Expression:
    def of(run: type[ScheduledTask], _frame: Frame) -> SqlValue:
        site = aliased(Site)
        value = select(getattr(site, column)).where(site.id == run.site_id)
        return value.correlate_except(site).scalar_subquery()

    return of


def _failures_in_a_row(run: type[ScheduledTask], _frame: Frame) -> SqlValue:
    """Failed runs of its rule up to this one since the last completed one, ordered by scheduled time."""
    completed, failed = aliased(ScheduledTask), aliased(ScheduledTask)
    last = (
        select(func.max(completed.scheduled_at))
        .where(*_of_same_rule(completed, run), completed.status == Status.COMPLETED)
        .correlate_except(completed)
        .scalar_subquery()
    )
    counted = select(func.count()).where(
        *_of_same_rule(failed, run),
        failed.status == Status.FAILED,
        or_(last.is_(None), failed.scheduled_at > last),
    )
    return counted.correlate_except(failed).scalar_subquery()


def _of_same_rule(other: type[ScheduledTask], run: type[ScheduledTask]) -> tuple[ColumnElement[bool], ...]:
    return (
        other.account_id == run.account_id,
        other.automation_rule_id == run.automation_rule_id,
        other.scheduled_at <= run.scheduled_at,
    )


T = FieldType
RUN_FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        _run("rule", "rule of the finished run", T.TEXT, lambda run, _frame: run.rule_name),
        _run("number", "number of the finished run", T.REFERENCE, lambda run, _frame: run.id),
        _run("site", "site of the finished run", T.TEXT, _site("name"), folded=_site("name_folded")),
        _run("status", "how the run ended", T.CHOICE, lambda run, _frame: run.status, ENDS),
        _run("reason", "why it failed or was skipped", T.TEXT, lambda run, _frame: run.error_message),
        _run("credits", "credits it used", T.NUMBER, lambda run, _frame: run.credits_used),
        _run("records", "records it worked on", T.NUMBER, lambda run, _frame: run.record_count),
        _run("failures_in_a_row", "failed runs of its rule in a row", T.NUMBER, _failures_in_a_row),
    )
}
"""Name -> field, over a row of the runs."""
