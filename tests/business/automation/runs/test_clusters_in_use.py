"""Grouping leaves clusters alone that runs wait for or have worked on."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.runs.awaited_records import clusters_in_use
from app.business.automation.unit_models import ActionRun
from app.business.planner.models import Cluster, Sector
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_cluster

Use = Callable[[Session, AutomationRule, ScheduledTask, Cluster, datetime], object]


def _nothing(
    session: Session, rule: AutomationRule, maker: ScheduledTask, cluster: Cluster, now: datetime
) -> None:
    """The run that made it has ended, and no other knows it."""


def _taken(
    session: Session, rule: AutomationRule, maker: ScheduledTask, cluster: Cluster, now: datetime
) -> None:
    session.add(
        RuleRecord(
            account_id=rule.account_id, rule_id=rule.id, record_type="cluster", record_id=cluster.id,
            state="handled", run_id=maker.id, updated_at=now,
        )
    )  # fmt: skip


def _awaited(
    session: Session, rule: AutomationRule, maker: ScheduledTask, cluster: Cluster, now: datetime
) -> None:
    run = make_run(session, rule, now, Status.PENDING, record_type="cluster")
    session.query(RunDetail).where(RunDetail.run_id == run.id).update({"records": [cluster.id]})


def _maker_works(
    session: Session, rule: AutomationRule, maker: ScheduledTask, cluster: Cluster, now: datetime
) -> None:
    maker.status = Status.RUNNING


def _maker_tries_again(
    session: Session, rule: AutomationRule, maker: ScheduledTask, cluster: Cluster, now: datetime
) -> None:
    maker.status, maker.retry_at = Status.FAILED, now + timedelta(minutes=5)
    maker.reason, maker.error_message = "action_failed", "It failed."


def _maker_goes_on(
    session: Session, rule: AutomationRule, maker: ScheduledTask, cluster: Cluster, now: datetime
) -> None:
    make_run(session, rule, now, Status.PENDING, follows_id=maker.id)


def _maker_did_more(
    session: Session, rule: AutomationRule, maker: ScheduledTask, cluster: Cluster, now: datetime
) -> None:
    session.add(
        ActionRun(
            account_id=rule.account_id, run_id=maker.id, step=1, type="send_webhook", record_type="cluster",
            record_id=cluster.id, status="done", provider_key="r1-s1-1", started_at=now,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    "use", [_nothing, _taken, _awaited, _maker_works, _maker_tries_again, _maker_goes_on, _maker_did_more],
    ids=lambda use: use.__name__.strip("_"),
)  # fmt: skip
def test_which_clusters_runs_use(
    session: Session, account: Account, sector: Sector, now: datetime, use: Use
) -> None:
    rule = make_rule(session, account)
    maker = make_run(session, rule, now)
    ids = [make_cluster(session, sector, made_by_run_id=maker.id).id]
    ids.append(make_cluster(session, sector).id)
    use(session, rule, maker, session.get_one(Cluster, ids[0]), now)
    session.flush()
    assert set(clusters_in_use(session, account.id, ids)) == (set() if use is _nothing else {ids[0]})
    assert not clusters_in_use(session, account.id + 1, ids)
