"""Retries all failed runs that match a filter of the history: first a report of what is kept and its price, then the
work.

Retried runs get the lowest priority in their queue (`BEHIND_ALL`): they are old, and with their rule's priority
hundreds of them would run before whatever becomes due in the meantime.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role
from app.business.accounts.services import audit_log
from app.business.accounts.services.scope import Scope
from app.business.automation.operation_models import Operation
from app.business.automation.run_models import RunDetail, ScheduledTask, Status
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.history.run_filters import RunFilters, failed_runs
from app.business.automation.services.operations.lifecycle import OperationRequest, Progress, begin_operation
from app.business.automation.services.operations.retry_chain import retry_chain
from app.business.automation.services.operations.retry_price import MOST_RUNS as PRICED_TOGETHER
from app.business.automation.services.operations.retry_price import retry_prices
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs import commands
from app.business.automation.services.runs.start_list import start_of
from app.business.automation.services.runs.start_total import allow
from app.business.automation.services.transactions import Clock, Transaction
from app.business.automation.services.triggering import redelivery
from app.business.base import AccountOwned
from app.business.errors import Conflict, Forbidden
from app.business.planner.models import Site, SiteStatus

Owned = TypeVar("Owned", bound=AccountOwned)
KIND = "bulk_retry"
MOST_RUNS = 2000
"""Runs of one operation; the newest are taken first."""
CHUNK = 50
"""Runs retried in one transaction."""


class RetrySkip(StrEnum):
    """Why a failed run is not retried."""

    PAUSED = "paused"
    SITE_PAUSED = "site_paused"
    RULE_INVALID = "rule_invalid"
    TOO_DEAR = "too_dear"


@dataclass
class OfRule:
    """The part of one rule: runs, finished units that are kept, upper bound of credits; `adds` as in the report."""

    name: str
    runs: int = 0
    finished_units: int = 0
    credits_most: int = 0
    adds: int = 0


@dataclass
class OfStart:
    """The part of one start with a total. `left`: what it may still spend."""

    left: int
    needs: int = 0
    most: int = 0

    @property
    def adds(self) -> int:
        """Credits beyond the total."""
        return max(self.needs - self.left, 0)


@dataclass
class RetryReport:
    """The result that a retry of all would have.

    `runs`: (id, number of the failed attempt) · `left_out`: reason -> number of runs · `adds`: part of `credits_most`
    beyond the totals of starts · `by_rule`: highest price first · `beyond`: failed runs above the limit of one
    operation · `as_of`: runs that failed later are not included · `sites`: those of its runs.
    """

    as_of: datetime
    credits_available: int
    runs: list[tuple[int, int]] = field(default_factory=list)
    finished_units: int = 0
    credits_most: int = 0
    adds: int = 0
    left_out: Counter[RetrySkip] = field(default_factory=Counter)
    by_rule: dict[int, OfRule] = field(default_factory=dict)
    beyond: int = 0
    sites: set[int | None] = field(default_factory=set)


class RetryParams(BaseModel):
    """The runs to retry, each with the number of its failed attempt, and what was shown of them."""

    runs: list[tuple[int, int]]
    finished_units: int
    credits_most: int


def dry_report(
    session: Session,
    account: Account,
    filters: RunFilters,
    actor: Actor,
    as_of: datetime,
    *,
    scope: Scope | None = None,
) -> RetryReport:
    """What retrying the failed runs in scope that match `filters` keeps, and its upper price; nothing is changed.

    Three queries, and fifteen for each 500 runs.
    """
    clauses = failed_runs(scope or Scope(account.id), filters, as_of)
    newest = select(ScheduledTask.id).where(*clauses).order_by(ScheduledTask.scheduled_at.desc())
    ids = session.scalars(newest.limit(MOST_RUNS)).all()
    report = RetryReport(as_of, account.credits_available)
    if len(ids) == MOST_RUNS:
        total = session.scalar(select(func.count()).select_from(ScheduledTask).where(*clauses)) or 0
        report.beyond = total - MOST_RUNS
    paused = set(session.scalars(_paused_sites(account.id)))
    starts: dict[tuple[int, int], OfStart] = {}
    for runs in _loaded(session, ids):
        _add_to_report(session, account, runs, actor, paused, report, starts)
    for (rule_id, _), start in starts.items():
        # Runs of one start share the rest of its total: together they spend at most that and what they add.
        shared = start.most - min(start.most, start.left + start.adds)
        for part in (report, report.by_rule[rule_id]):
            part.credits_most -= shared
            part.adds += start.adds
    report.by_rule = dict(sorted(report.by_rule.items(), key=_dearest_first))
    # All operations retry runs in the same order, so two of them cannot deadlock.
    report.runs.sort()
    return report


def begin_bulk_retry(
    session: Session,
    account: Account,
    report: RetryReport,
    actor: Actor,
    now: datetime,
    *,
    named: int | None = None,
) -> Operation:
    """Request the retry of exactly the report's runs. `named`: the upper price that was shown.

    Raises Conflict, also where the price is higher now.
    """
    require_as_named(report.credits_most, named)
    if not report.runs:
        raise Conflict(nothing_to_retry(report))
    params = RetryParams(
        runs=list(report.runs), finished_units=report.finished_units, credits_most=report.credits_most
    )
    operation = begin_operation(
        session,
        account_id=account.id,
        kind=KIND,
        params=params.model_dump(mode="json"),
        user_id=actor.user_id,
        sites=report.sites,
        now=now,
    )
    operation.total = len(report.runs)
    who = audit_log.AuditActor(actor.user_id, actor.api_key_id)
    counts: JsonObject = {"runs": len(report.runs), "credits_most": report.credits_most}
    audit_log.record(session, account.id, who, "runs.retried", operation, counts, now)
    return operation


def retry_alone(
    session: Session,
    account: Account,
    run: ScheduledTask,
    actor: Actor,
    now: datetime,
    *,
    named: int | None = None,
) -> None:
    """Retry one run for a person, with the credits it needs beyond the total of its start.

    `named`: the upper price that was shown. Raises Conflict, also where the price is higher now, and Forbidden above
    the limit of operators.
    """
    price = retry_chain(session, account, run, now)
    require_as_named(price.most if price else 0, named)
    if actor.role == Role.OPERATOR and price and price.most > account.operator_credit_limit:
        raise Forbidden(
            f"This retry may cost up to {price.most:,} credits; operators may start runs of up to "
            f"{account.operator_credit_limit:,}. Ask an editor to retry it."
        )
    redelivery.retry(session, run, now)
    if price:
        allow(session, account.id, {run.id: price.needs})


def require_as_named(most: int, named: int | None) -> None:
    """Raises Conflict where a retry costs more than the price that was confirmed."""
    if named is not None and most > named:
        raise Conflict(
            f"This retry may cost up to {most:,} credits by now, more than the {named:,} that were named. "
            "Look at it once more, then retry."
        )


def nothing_to_retry(report: RetryReport) -> str:
    """Why there is nothing to retry, and what to do."""
    if report.left_out[RetrySkip.PAUSED]:
        return "All automation is paused. Resume it first, then retry."
    if report.left_out:
        return "None of the failed runs under this filter can be retried as it is. See what is left out."
    return "No failed run fits this filter."


def run_bulk_retry(
    transaction: Transaction, asked: OperationRequest, progress: Progress, clock: Clock
) -> JsonObject:
    """Retry the runs, chunk by chunk; runs retried by others in the meantime are left alone."""
    runs = RetryParams.model_validate(asked.params).runs
    progress.report(0, len(runs))
    for start in range(0, len(runs), CHUNK):
        chunk = runs[start : start + CHUNK]
        with transaction() as session:
            _refuse_when_paused(session, asked.account_id, start)
            _retry_chunk(session, asked, chunk, clock())
        progress.report(start + len(chunk))
    with transaction() as session:
        retried = _retried_by(session, asked)
    return {"retried": retried, "left_alone": len(runs) - retried}


def runs_of(
    session: Session, operation: Operation, limit: int
) -> tuple[Counter[str], Sequence[ScheduledTask]]:
    """The number of the operation's runs by state (waiting ones separately), and the runs to check first."""
    ids = [run_id for run_id, _ in RetryParams.model_validate(operation.params).runs]
    mine = [ScheduledTask.account_id == operation.account_id, ScheduledTask.id.in_(ids)]
    state = case((ScheduledTask.waiting_for.is_not(None), "waiting"), else_=ScheduledTask.status)
    counts = session.execute(select(state, func.count()).where(*mine).group_by(state))
    worst_first = (
        ScheduledTask.status != Status.FAILED,
        ScheduledTask.status == Status.COMPLETED,
        ScheduledTask.id.desc(),
    )
    shown = session.scalars(select(ScheduledTask).where(*mine).order_by(*worst_first).limit(limit)).all()
    return Counter({str(name): count for name, count in counts}), shown


def _loaded(session: Session, ids: Sequence[int]) -> Iterator[Sequence[ScheduledTask]]:
    for start in range(0, len(ids), PRICED_TOGETHER):
        chosen = ScheduledTask.id.in_(ids[start : start + PRICED_TOGETHER])
        yield session.scalars(select(ScheduledTask).where(chosen)).all()


def _add_to_report(
    session: Session,
    account: Account,
    runs: Sequence[ScheduledTask],
    actor: Actor,
    paused_sites: set[int],
    report: RetryReport,
    starts: dict[tuple[int, int], OfStart],
) -> None:
    prices = retry_prices(session, account, runs, report.as_of)
    for run in runs:
        price = prices[run.id]
        if account.paused_at:
            report.left_out[RetrySkip.PAUSED] += 1
        elif run.site_id in paused_sites:
            report.left_out[RetrySkip.SITE_PAUSED] += 1
        elif price is None:
            report.left_out[RetrySkip.RULE_INVALID] += 1
        elif actor.role == Role.OPERATOR and price.most > account.operator_credit_limit:
            report.left_out[RetrySkip.TOO_DEAR] += 1
        else:
            report.runs.append((run.id, run.attempt))
            report.sites.add(run.site_id)
            of_rule = report.by_rule.setdefault(run.automation_rule_id, OfRule(run.rule_name))
            for part in (report, of_rule):
                part.finished_units += price.finished
                part.credits_most += price.most
            of_rule.runs += 1
            if price.left is not None:
                of_start = starts.setdefault((run.automation_rule_id, start_of(run)), OfStart(price.left))
                of_start.needs += price.needs
                of_start.most += price.most


def _dearest_first(item: tuple[int, OfRule]) -> tuple[int, int, str, int]:
    rule_id, part = item
    return -part.credits_most, -part.runs, part.name, rule_id


def _paused_sites(account_id: int) -> Select[int]:
    return select(Site.id).where(Site.account_id == account_id, Site.status == SiteStatus.PAUSED)


def _refuse_when_paused(session: Session, account_id: int, done: int) -> None:
    if session.scalar(select(Account.paused_at).where(Account.id == account_id)):
        raise Conflict(
            f"All automation was paused after {done:,} runs. Resume it, then retry those that are left."
        )


def _retry_chunk(
    session: Session, asked: OperationRequest, chunk: Sequence[tuple[int, int]], now: datetime
) -> None:
    attempts: dict[int, int] = dict(chunk)
    retried = []
    own = _own(ScheduledTask, asked).where(ScheduledTask.id.in_(attempts)).order_by(ScheduledTask.id)
    runs = session.scalars(own).all()
    prices = retry_prices(session, session.get_one(Account, asked.account_id), runs, now)
    for run in runs:
        try:
            redelivery.retry(session, run, now, failed_attempt=attempts[run.id], priority=commands.BEHIND_ALL)
        except Conflict:
            continue
        retried.append(run.id)
    for detail in session.scalars(_own(RunDetail, asked).where(RunDetail.run_id.in_(retried))):
        detail.options = detail.options | {"operation": asked.id}
    needs = {run_id: price.needs for run_id in retried if (price := prices[run_id])}
    allow(session, asked.account_id, needs)


def _own(model: type[Owned], asked: OperationRequest) -> Select[Owned]:
    return select(model).where(model.account_id == asked.account_id).execution_options(populate_existing=True)


def _retried_by(session: Session, asked: OperationRequest) -> int:
    ids = [run_id for run_id, _ in RetryParams.model_validate(asked.params).runs]
    options = session.scalars(
        select(RunDetail.options).where(RunDetail.account_id == asked.account_id, RunDetail.run_id.in_(ids))
    )
    return sum(1 for chosen in options if chosen.get("operation") == asked.id)
