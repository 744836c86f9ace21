"""The context of one run: row, detail, rule, the definition of its version, account, clock."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import String, bindparam, cast, func, select
from sqlalchemy.orm import Session, aliased

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleRecord, RuleVersion
from app.business.automation.run_models import Cause, RunDetail, ScheduledTask
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.parser import Node
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.local_days import next_local_day
from app.business.billing.services.credit_service import Budget, BudgetScope
from app.business.billing.services.spend_counters import TOTAL
from app.business.events import Origin
from app.business.planner.models import Site

RunParts = tuple[RunDetail, AutomationRule, Account, Site | None, str, int | None, bool]
"""The rows that belong to a run, its definition as text, the limit of its start, and whether the rule may have begun
records without finishing them."""


@dataclass
class Parsed:
    """Data derived from a definition only: computed once, and shared by all runs of its version."""

    definition: RuleDefinition
    steps: dict[Any, Any] = field(default_factory=dict)
    """By record type and first step of a run."""


@dataclass
class RunContext:
    """One run while its gates are checked and while it is executed."""

    run: ScheduledTask
    detail: RunDetail
    rule: AutomationRule
    definition: RuleDefinition
    account: Account
    site: Site | None
    now: datetime
    max_credits: int | None = None
    """Credit limit of the run's start, including follow-ups and retries; None: no limit in total."""
    assumed: Facts | None = None
    """In a test: entered values that take the place of a record."""
    without_sites: frozenset[int] = frozenset()
    """Sites whose budget does not pay for any of their records: the run selects records of other sites."""
    has_unfinished: bool = True
    """Whether the rule may have begun records of the run's type without finishing them."""
    is_new: bool = False
    """Whether the run has just been admitted without taking over work, so that it has no receipts."""
    took_over: bool = False
    """Whether it has, in this attempt, taken over finished work of another run."""
    parsed: Parsed = field(init=False)

    def __post_init__(self) -> None:
        self.parsed = Parsed(self.definition)

    @property
    def conditions(self) -> Node:
        """The parsed conditions of the run's rule version."""
        return self.definition.tree

    @property
    def has_receipts(self) -> bool:
        """Whether the run may have receipts; while its gates are checked it has only those that it takes over."""
        is_at_gates = self.run.admitted_at is None and not self.took_over
        return not (self.is_new or is_at_gates)

    @property
    def zone(self) -> ZoneInfo:
        """Zone of `now` in conditions: the schedule's, else the site's, else the account's."""
        site_zone = self.site.timezone if self.site else None
        return ZoneInfo(self.definition.named_zone or site_zone or self.account.timezone)

    @property
    def scope(self) -> RuleScope:
        place = self.definition.site, self.definition.sector
        return RuleScope(self.account.id, *place, self.run.split_site_id or None, self.account.timezone)

    @property
    def local_day(self) -> date:
        """Today in the account's zone: the day of the daily limit."""
        return self.now.astimezone(ZoneInfo(self.account.timezone)).date()

    @property
    def next_local_day(self) -> datetime:
        """The first instant of tomorrow in the account's zone."""
        return next_local_day(self.now.astimezone(ZoneInfo(self.account.timezone)))

    @property
    def budgets(self) -> list[Budget]:
        """Counters for every credit of this run, in addition to its sites: the account's day, the rule's month.

        For the day on which this attempt reserved its credits, or would: see `start_of_spending`.
        """
        day = self.spending_day
        lines = [
            Budget(BudgetScope.ACCOUNT, self.account.id, day.isoformat(), self.account.daily_ceiling),
            Budget(BudgetScope.RULE, self.rule.id, f"{day:%Y-%m}", self.rule.monthly_budget),
        ]
        return [*lines, self.start_budget] if self.start_budget else lines

    @property
    def spending_day(self) -> date:
        """The day, in the account's zone, for which credits of this attempt count."""
        return self.run.budget_day or self.local_day

    @property
    def start_budget(self) -> Budget | None:
        """The counter of the run's start, where that has a total."""
        if self.max_credits is None:
            return None
        return Budget(BudgetScope.START, self.run.start_id or self.run.id, TOTAL, self.max_credits)

    def start_of_spending(self) -> None:
        """From now on credits count for today: a run that waited, or is retried, spends when it continues.

        Only while nothing is reserved, because credits are released on the day for which they were counted.
        """
        self.run.budget_day = self.local_day

    @property
    def is_followed(self) -> bool:
        """Whether a follow-up continues the work left over; after a planned run, that waits for the next planned
        time."""
        return self.run.cause != Cause.SCHEDULE

    @property
    def waits_when_limited(self) -> bool:
        """Whether a limit makes the run wait instead of ending it.

        Follow-ups always wait, because their records were promised.
        """
        if self.run.follows_id:
            return True
        if self.definition.when_limited:
            return self.definition.when_limited == "wait"
        return self.run.cause in (Cause.EVENT, Cause.BACKFILL)

    def origin(self, step: int, unit_key: str | None) -> Origin:
        """The origin of records created by a unit of this run."""
        return Origin(
            account_id=self.account.id,
            run_id=self.run.id,
            attempt=self.run.attempt,
            step=step,
            unit_key=unit_key,
            root_run_id=self.run.root_id or self.run.id,
            depth=self.run.depth + 1,
            chain=(*self.detail.chain, self.rule.id),
        )

    def plural(self, count: int) -> str:
        """`12 keywords`, with the noun of this run's record type."""
        return plural(count, self.run.record_type)


def handed_on(context: RunContext) -> set[tuple[int, int]]:
    """(step, record id) of work that earlier attempts passed on to a follow-up."""
    items = context.detail.options.get("handed_on", [])
    return {(item["from_step"], record_id) for item in items for record_id in item["records"]}


def context_of_start(
    session: Session, rule: AutomationRule, cause: Cause, now: datetime, site: Site | None = None
) -> RunContext:
    """The context of a hypothetical run of the present rule: nothing is added to the session.

    `site`: of the run, where the rule is split by site.
    """
    run = ScheduledTask(
        account_id=rule.account_id,
        automation_rule_id=rule.id,
        cause=cause,
        record_type=rule.record_type,
        site_id=site.id if site else rule.site_id,
        split_site_id=site.id if site else 0,
        from_step=0,
    )
    detail = RunDetail(account_id=rule.account_id, chain=[], options={})
    if site is None and rule.site_id:
        site = session.get(Site, rule.site_id)
    account = session.get_one(Account, rule.account_id)
    return RunContext(run, detail, rule, read_definition(rule), account, site, now)


def load_context(session: Session, run: ScheduledTask, now: datetime) -> RunContext:
    """Load the context of `run`. The live rule is reloaded, because it may have been switched off since."""
    row = session.execute(_PARTS, {"runs": [run.id]}, execution_options=_FRESH).one()
    detail, rule, account, site, stored, most, has_unfinished = row
    return context_of_parts(run, (detail, rule, account, site, stored, most, has_unfinished), now)


def load_runs(session: Session, run_ids: Sequence[int], now: datetime) -> list[RunContext]:
    """The contexts of runs, with their rows, in one statement."""
    rows = session.execute(_WHOLE, {"runs": list(run_ids)}, execution_options=_FRESH)
    return [context_of_parts(row[-1], tuple(row[:-1]), now) for row in rows]


_FRESH = {"populate_existing": True}


def context_of_parts(run: ScheduledTask, parts: RunParts, now: datetime) -> RunContext:
    """The context of a run from what belongs to it. Raises Invalid where the definition is not valid any more."""
    detail, rule, account, site, stored, max_credits, has_unfinished = parts
    parsed = _parsed(stored)
    context = RunContext(run, detail, rule, parsed.definition, account, site, now, max_credits)
    context.parsed, context.has_unfinished = parsed, has_unfinished
    return context


@lru_cache(maxsize=1024)
def _parsed(stored: str) -> Parsed:
    """Cached by the JSON text: versions never change, and callers must not modify a definition."""
    return Parsed(definition_from(json.loads(stored)))


_first = aliased(ScheduledTask)
_unfinished = select(RuleRecord.id).where(
    RuleRecord.rule_id == ScheduledTask.automation_rule_id,
    RuleRecord.record_type == ScheduledTask.record_type,
    RuleRecord.unfinished_run_id.is_not(None),
)
_PARTS = (
    select(
        RunDetail,
        AutomationRule,
        Account,
        Site,
        cast(RuleVersion.definition, String),
        _first.max_credits,
        _unfinished.exists(),
    )
    .join_from(ScheduledTask, RunDetail, RunDetail.run_id == ScheduledTask.id)
    .join(AutomationRule, AutomationRule.id == ScheduledTask.automation_rule_id)
    .join(Account, Account.id == ScheduledTask.account_id)
    .join(
        RuleVersion,
        (RuleVersion.rule_id == AutomationRule.id) & (RuleVersion.version == ScheduledTask.rule_version),
    )
    .join(_first, _first.id == func.coalesce(ScheduledTask.start_id, ScheduledTask.id))
    .outerjoin(Site, Site.id == ScheduledTask.site_id)
    .where(ScheduledTask.id.in_(bindparam("runs", expanding=True)))
)
_WHOLE = _PARTS.add_columns(ScheduledTask)
