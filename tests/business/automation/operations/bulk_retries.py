"""A retry of all failed runs of a filter, for tests: asked for, reported and executed."""

from datetime import timedelta
from typing import Any

from app.business.accounts.models import Account, Role
from app.business.automation.operation_models import Operation
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import bulk_retry, lifecycle
from app.business.automation.services.operations.bulk_retry import RetryReport
from tests.business.automation.machine import Machine
from tests.business.automation.run_rows import make_run
from tests.factories import NOW

EDITOR, OPERATOR = Actor(None, Role.EDITOR), Actor(None, Role.OPERATOR)
ALL = RunFilters()


def report_of(
    machine: Machine, account: Account, filters: RunFilters = ALL, actor: Actor = EDITOR
) -> RetryReport:
    return bulk_retry.dry_report(machine.session, account, filters, actor, machine.now)


def begin(machine: Machine, account: Account) -> Operation:
    operation = bulk_retry.begin_bulk_retry(
        machine.session, account, report_of(machine, account), EDITOR, machine.now
    )
    machine.session.commit()
    return operation


def execute(machine: Machine, transaction: Any = None) -> None:
    lifecycle.execute_next(transaction or machine.transaction, KINDS, machine.clock)
    machine.session.expire_all()


def failed_runs(machine: Machine, account: Account, count: int) -> list[ScheduledTask]:
    """Failed runs of a rule without price, each after its first attempt."""
    rule = machine.make_rule(account)
    runs = [
        make_run(machine.session, rule, NOW - timedelta(hours=1), Status.FAILED, attempt=1, admitted_at=NOW)
        for _ in range(count)
    ]
    machine.session.commit()
    return runs
