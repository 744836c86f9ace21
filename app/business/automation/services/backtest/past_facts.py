"""Facts of records at a past moment, for the same evaluator that real runs use.

Sources: the record's own values from event snapshots; the clock from the moment; the account's credits from its ledger;
"last handled by this rule" from the replay. Everything else (site, parents, counts, long texts), and own values without
snapshot, as of today.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, tzinfo

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import RuleRecord
from app.business.automation.services.backtest.trial import Trial
from app.business.automation.services.catalogue.account_fields import CLOCK
from app.business.automation.services.catalogue.field_types import FieldType, FieldValue, RuleScope
from app.business.automation.services.catalogue.fields import fields_of
from app.business.automation.services.catalogue.incoming_fields import is_of_message
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.catalogue.record_relations import relations_of
from app.business.automation.services.catalogue.run_fields import RUN_FIELDS
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import Facts
from app.business.automation.services.conditions.nodes import AGE, Leaf, counts, field_names, walk
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.transactions import Transaction
from app.business.billing.models import CreditEntry, Plan
from app.business.planner.services.record_snapshot import CLUSTER_FIGURES, kept_names

AVAILABLE, PERCENT = "account.credits_available", "account.credits_percent"
CHUNK = 5_000
UNCHANGING = {"id", "site", "sector", "created_at"}

Values = Sequence[FieldValue]
"""Own values of a record, in the order of `PastConditions.columns`."""


class PastConditions:
    """Evaluates the rule's conditions on records at past moments."""

    def __init__(self, trial: Trial, read: Transaction) -> None:
        record_type = trial.definition.record_type
        self.trial, self.read, self.subject = trial, read, trial.definition.subject
        self.node = trial.definition.tree
        self.check = ConditionEvaluator().compiled(self.node)
        fields = fields_of(self.subject)
        # Values of messages are kept with their events.
        self.of_message = {name for name in field_names(self.node) if is_of_message(name)}
        asked = field_names(self.node) - self.of_message
        kept = kept_names(MODELS[record_type]) if record_type else frozenset()
        if trial.definition.trigger == "schedule":
            # A cluster's counts change without an event on the cluster: at planned times today's counts are closer.
            kept -= set(CLUSTER_FIGURES)
        own = {name: fields[name].column for name in sorted(asked) if fields[name].column in kept}
        self.names, self.columns = list(own), [str(column) for column in own.values()]
        self.clock = sorted(asked & CLOCK.keys())
        self.credits = asked & {AVAILABLE, PERCENT}
        self.handled = [name for name in asked if fields[name].type is FieldType.HANDLED]
        # Fields of a finished run never change.
        asked_of_run = asked & RUN_FIELDS.keys()
        elsewhere = asked - own.keys() - CLOCK.keys() - {AVAILABLE, PERCENT} - set(self.handled)
        self.as_today = sorted({fields[name].label for name in elsewhere - UNCHANGING - asked_of_run})
        self.as_today += sorted(
            {f"number of {relations_of(self.subject)[count.key].label}" for count in counts(self.node)}
        )
        self.needs_today = bool(elsewhere) or bool(counts(self.node))
        self._account: dict[tuple[int, int | None], Facts] = {}
        self._credits = _Credits(trial, read) if self.credits else None

    @property
    def is_timeless(self) -> bool:
        """Whether a result holds until the record itself changes."""
        ages = any(isinstance(item, Leaf) and item.operator in AGE for item in walk(self.node))
        return not (ages or self.clock or self.credits or self.handled or counts(self.node))

    def moment(self, at: datetime, site_id: int = 0) -> "Moment":
        """The evaluator for one moment."""
        zone = self.trial.zone(site_id)
        common: dict[str, FieldValue] = {name: CLOCK[name](at.astimezone(zone)) for name in self.clock}
        if self._credits is not None:
            common |= {name: value for name, value in self._credits.at(at).items() if name in self.credits}
        return Moment(self, at, zone, common)

    def account(self, site_id: int = 0, run_id: int | None = None) -> Facts:
        """Facts for rules without records, as of today; `Moment` adds clock and credits.

        site_id: the run's site, where the rule is split by site · run_id: the finished run that the rule follows.
        """
        asked = site_id, run_id
        if asked not in self._account:
            scope = replace(self.trial.scope, split_site_id=site_id or None)
            id, subject = (self.trial.account_id, None) if run_id is None else (run_id, self.subject)
            self._account[asked] = self._today([id], scope, subject)[id]
        return self._account[asked]

    def today(self, ids: Sequence[int]) -> dict[int, Facts]:
        """Today's facts that the conditions need, one transaction per chunk."""
        found: dict[int, Facts] = {}
        for start in range(0, len(ids), CHUNK):
            found |= self._today(ids[start : start + CHUNK], self.trial.scope, self.subject)
        return found

    def _today(self, ids: Sequence[int], scope: RuleScope, subject: str | None) -> dict[int, Facts]:
        with self.read() as session:
            return load_facts(
                session,
                subject,
                ids,
                scope=scope,
                now=self.trial.until,
                zone=self.trial.zone(),
                rule_id=self.trial.rule_id,
                conditions=[self.node],
            )


class Moment:
    """The conditions at one moment; values that are the same for all records are computed once."""

    def __init__(
        self, conditions: PastConditions, at: datetime, zone: tzinfo, common: dict[str, FieldValue]
    ) -> None:
        self.conditions, self.at, self.common = conditions, at, common
        self.day: date = at.astimezone(zone).date()

    def holds(
        self, values: Values | None, today: Facts | None = None, handled_at: datetime | None = None
    ) -> bool:
        """Whether a record with these own values (None: today's) matches; `today`: all its other facts."""
        conditions = self.conditions
        facts = Facts(today or {}, now=self.at, today=self.day)
        if today is not None:
            facts.counted, facts.numbers = today.counted, today.numbers
        if values is not None:
            facts.update(zip(conditions.names, values, strict=False))
        if self.common:
            facts.update(self.common)
        for name in conditions.handled:
            facts[name] = handled_at
        return conditions.check(facts)


def handled_before(trial: Trial, read: Transaction) -> dict[int, datetime]:
    """When the saved rule last handled each record before the period."""
    if trial.rule_id is None or trial.definition.record_type is None:
        return {}
    with read() as session:
        rows = session.execute(
            select(RuleRecord.record_id, RuleRecord.handled_at).where(
                RuleRecord.rule_id == trial.rule_id,
                RuleRecord.record_type == trial.definition.record_type,
                RuleRecord.handled_at <= trial.start,
            )
        ).all()
    return {record_id: handled_at for record_id, handled_at in rows if handled_at is not None}


class _Credits:
    """The account's balance over time, from its ledger. Credits held by runs at a past moment are not known."""

    def __init__(self, trial: Trial, read: Transaction) -> None:
        self.times: list[datetime] = []
        self.balances: list[int] = []
        last_id = 0
        while True:
            with read() as session:
                rows = self._more(session, trial.account_id, last_id)
            for _, at, balance in rows:
                self.times.append(at)
                self.balances.append(balance)
            if len(rows) < CHUNK:
                break
            last_id = rows[-1][0]
        with read() as session:
            monthly = select(Plan.monthly_credits).join(Account, Account.plan_id == Plan.id)
            self.monthly = session.scalar(monthly.where(Account.id == trial.account_id))

    @staticmethod
    def _more(session: Session, account_id: int, last_id: int) -> Sequence[Row[int, datetime, int]]:
        query = select(CreditEntry.id, CreditEntry.created_at, CreditEntry.balance_after)
        mine = query.where(CreditEntry.account_id == account_id, CreditEntry.id > last_id)
        return session.execute(mine.order_by(CreditEntry.id).limit(CHUNK)).all()

    def at(self, at: datetime) -> dict[str, float | None]:
        place = bisect_right(self.times, at) - 1
        balance = self.balances[place] if place >= 0 else 0
        percent = balance * 100.0 / self.monthly if self.monthly else None
        return {AVAILABLE: balance, PERCENT: percent}
