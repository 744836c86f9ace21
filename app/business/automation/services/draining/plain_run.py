"""Runs of a set, and what many of them have in common."""

from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from app.business.automation.run_models import Cause
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.opening import Opening, values_of_rule
from app.business.automation.services.runs.steps import Step, steps_of
from app.business.base import RowValues
from app.business.billing.services.spend_counters import Budget


@dataclass(eq=False)
class RunKind:
    """What plain runs of one rule, version, place, cause and chain have in common: all that gates and steps read but
    the records. context: of one of these runs, which stands for all of them; nothing that is noted on it is written."""

    context: RunContext

    @cached_property
    def steps(self) -> list[Step]:
        return steps_of(self.context)

    @cached_property
    def values(self) -> RowValues:
        """The columns that are the same in the rows of all its runs."""
        return values_of_rule(self.context.rule, Cause(self.context.run.cause))

    @cached_property
    def record_type(self) -> str:
        return str(self.context.run.record_type)

    @cached_property
    def scope(self) -> RuleScope:
        return self.context.scope

    @cached_property
    def budgets(self) -> tuple[Budget, ...]:
        """What counts the credits of each of its runs, beside the budgets of sites."""
        return tuple(self.context.budgets)

    @cached_property
    def local_day(self) -> date:
        """Of the account."""
        return self.context.local_day

    @cached_property
    def today(self) -> date:
        """In the zone in which the conditions see the time."""
        return self.context.now.astimezone(self.context.zone).date()


@dataclass(frozen=True, slots=True)
class PlainRun:
    """A run of a set. started_at: when it was claimed before, and given back · promised: records that its start has to
    process (None: nothing was promised) · opening: of a run that has no row yet."""

    id: int
    kind: RunKind
    records: list[int]
    root_id: int | None
    promised: int | None
    started_at: datetime | None
    opening: Opening | None = None

    @property
    def keys(self) -> set[tuple[str, int]]:
        """Its records, with their type."""
        return {(self.kind.record_type, record_id) for record_id in self.records}


@dataclass
class PlainRuns:
    """runs: by id, in order · others: the number of the runs behind them that are not plain."""

    runs: dict[int, PlainRun] = field(default_factory=dict)
    others: int = 0

    @property
    def kinds(self) -> list[RunKind]:
        return list(dict.fromkeys(run.kind for run in self.runs.values()))
