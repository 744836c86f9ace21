"""Everything one run knows about itself: row, detail, rule, the definition of its version, account, clock."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import Cause, RunDetail, ScheduledTask
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.parser import Node
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.rules.versions import read_definition
from app.business.billing.services.credit_service import Budget, BudgetScope
from app.business.billing.services.spend_counters import TOTAL
from app.business.events import Origin
from app.business.planner.models import Site


@dataclass
class RunContext:
    """One run while it is decided on and executed."""

    run: ScheduledTask
    detail: RunDetail
    rule: AutomationRule
    definition: RuleDefinition
    account: Account
    site: Site | None
    now: datetime
    max_credits: int | None = None
    """The most that the run's start may spend, follow-ups and retries together; None: it has no total."""
    assumed: Facts | None = None
    """In a test: typed values that stand for the record."""
    without_sites: frozenset[int] = frozenset()
    """Sites whose budget pays for none of their records: the run looks for those of others."""

    @property
    def conditions(self) -> Node:
        """The parsed tree of the run's rule version."""
        return self.definition.tree

    @property
    def zone(self) -> ZoneInfo:
        """Zone of `now` in conditions: the schedule's, else the site's, else the account's."""
        site_zone = self.site.timezone if self.site else None
        return ZoneInfo(self.definition.named_zone or site_zone or self.account.timezone)

    @property
    def scope(self) -> RuleScope:
        """What the run may read."""
        place = self.definition.site, self.definition.sector
        return RuleScope(self.account.id, *place, self.run.split_site_id or None, self.account.timezone)

    @property
    def local_day(self) -> date:
        """Today in the account's zone: the day that the daily limit counts."""
        return self.now.astimezone(ZoneInfo(self.account.timezone)).date()

    @property
    def next_local_day(self) -> datetime:
        """The first instant of tomorrow in the account's zone."""
        local = self.now.astimezone(ZoneInfo(self.account.timezone))
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return (midnight + timedelta(days=1)).astimezone(UTC)

    @property
    def budgets(self) -> list[Budget]:
        """Counters that every credit of this run passes, beside its sites: the account's day, the rule's month.

        They are those of the day on which this attempt set its credits aside, or would: see `start_of_spending`.
        """
        day = self.spending_day
        lines = [
            Budget(BudgetScope.ACCOUNT, self.account.id, day.isoformat(), self.account.daily_ceiling),
            Budget(BudgetScope.RULE, self.rule.id, f"{day:%Y-%m}", self.rule.monthly_budget),
        ]
        return [*lines, self.start_budget] if self.start_budget else lines

    @property
    def spending_day(self) -> date:
        """The account's day on which credits of this attempt count."""
        return self.run.budget_day or self.local_day

    @property
    def start_budget(self) -> Budget | None:
        """The counter of the run's start, where that has a total."""
        if self.max_credits is None:
            return None
        return Budget(BudgetScope.START, self.run.start_id or self.run.id, TOTAL, self.max_credits)

    def start_of_spending(self) -> None:
        """From here on credits count for today: a run that waited, or is retried, spends when it continues.

        Only while nothing is set aside, for credits are given back where they were counted.
        """
        self.run.budget_day = self.local_day

    @property
    def is_followed(self) -> bool:
        """Whether what this run leaves over continues in a follow-up; of a planned run it waits for the next time."""
        return self.run.cause != Cause.SCHEDULE

    @property
    def waits_when_limited(self) -> bool:
        """Whether a limit makes the run wait instead of ending it. A follow-up owes its records: it always waits."""
        if self.run.follows_id:
            return True
        if self.definition.when_limited:
            return self.definition.when_limited == "wait"
        return self.run.cause in (Cause.EVENT, Cause.BACKFILL)

    def origin(self, step: int, unit_key: str | None) -> Origin:
        """Who makes what a unit of this run makes."""
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
        """`12 keywords`, in the words of this run's record type."""
        return plural(count, self.run.record_type)


def handed_on(context: RunContext) -> set[tuple[int, int]]:
    """(step, record id) of the work that earlier attempts left to a follow-up."""
    items = context.detail.options.get("handed_on", [])
    return {(item["from_step"], record_id) for item in items for record_id in item["records"]}


def context_of_start(
    session: Session, rule: AutomationRule, cause: Cause, now: datetime, site: Site | None = None
) -> RunContext:
    """A run of the rule as it stands, that is only thought of: nothing is added to the session.

    `site`: the one whose run it is, of a rule that is split by site.
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
    """Read what belongs to `run`. The live rule is read afresh: it may have been switched off since."""
    rule = session.get_one(AutomationRule, run.automation_rule_id, populate_existing=True)
    stored: dict[str, Any] = session.scalars(
        select(RuleVersion.definition).where(
            RuleVersion.rule_id == rule.id, RuleVersion.version == run.rule_version
        )
    ).one()
    return RunContext(
        run=run,
        detail=session.scalars(
            select(RunDetail).where(RunDetail.run_id == run.id).execution_options(populate_existing=True)
        ).one(),
        rule=rule,
        definition=definition_from(stored),
        account=session.get_one(Account, run.account_id, populate_existing=True),
        site=session.get(Site, run.site_id) if run.site_id else None,
        now=now,
        max_credits=_total_of_start(session, run),
    )


def _total_of_start(session: Session, run: ScheduledTask) -> int | None:
    first = ScheduledTask.id == (run.start_id or run.id)
    return session.scalar(select(ScheduledTask.max_credits).where(first))
