"""Records that runs use: those that unfinished runs are to work on, and clusters that any run has worked on."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from app.business.automation.models import RuleRecord
from app.business.automation.run_models import CLOSED, RunDetail, ScheduledTask, Status
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Cluster


def awaited_by_runs(
    session: Session, account_id: int, record_type: str, ids: Sequence[int]
) -> Collection[int]:
    """Records among `ids` that an unfinished run is to work on."""
    awaited = (
        select(RunDetail.records, RunDetail.start_records)
        .join(ScheduledTask, ScheduledTask.id == RunDetail.run_id)
        .where(
            ScheduledTask.account_id == account_id,
            ScheduledTask.status.in_((Status.PENDING, Status.RUNNING)),
            ScheduledTask.record_type == record_type,
            RunDetail.records.is_not(None),
        )
    )
    return {id for row in session.execute(awaited) for records in row for id in records or ()}.intersection(
        ids
    )


def clusters_in_use(session: Session, account_id: int, ids: Sequence[int]) -> Collection[int]:
    """Clusters among `ids` that a rule has taken, an unfinished run waits for, or the run that made them goes on with.

    Such a run is open, tried again, continued by another one, or has done a later step with them.
    """
    follower = aliased(ScheduledTask)
    goes_on = or_(
        ScheduledTask.status.not_in(CLOSED),
        ScheduledTask.retry_at.is_not(None),
        exists().where(follower.follows_id == ScheduledTask.id, follower.status.not_in(CLOSED)),
    )
    used = or_(
        exists().where(
            RuleRecord.account_id == account_id,
            RuleRecord.record_type == "cluster",
            RuleRecord.record_id == Cluster.id,
        ),
        exists().where(
            ScheduledTask.account_id == account_id, ScheduledTask.id == Cluster.made_by_run_id, goes_on
        ),
        exists().where(
            and_(ActionRun.account_id == account_id, ActionRun.run_id == Cluster.made_by_run_id),
            ActionRun.record_type == "cluster",
            ActionRun.record_id == Cluster.id,
        ),
    )
    query = select(Cluster.id).where(Cluster.account_id == account_id, Cluster.id.in_(ids), used)
    return {*session.scalars(query), *awaited_by_runs(session, account_id, "cluster", ids)}
