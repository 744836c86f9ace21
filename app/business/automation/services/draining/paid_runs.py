"""Runs that make ideas in this process, for credits, which a set of statements executes together.

The first ones of a batch, in their order, as long as all gates will let each of them pass after those before it. What
they read is read for all, so that it can be compared before they write.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from app.business.automation.models import RuleDay
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.actions.handler import Works
from app.business.automation.services.actions.provider_handlers import GenerateIdeasWork
from app.business.automation.services.catalogue.actions.generate_ideas import GENERATE_IDEAS, GenerateIdeas
from app.business.automation.services.draining.plain_run import PlainRun, PlainRuns, RunKind
from app.business.automation.services.draining.plain_runs import first_plain_runs
from app.business.automation.services.draining.set_records import SetRecords, read_records
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.record_selection import Choice
from app.business.automation.services.runs.steps import Step, steps_of
from app.business.automation.services.runs.unit_receipts import unit_key
from app.business.billing.models import BudgetScope
from app.business.billing.services.credit_service import Budget
from app.business.billing.services.set_charges import Charge, number_affordable
from app.business.language_model import answers_locally
from app.business.outlets.incident_models import Incident, IncidentStatus
from app.business.outlets.services.ai_connections import connected_among
from app.business.planner.models import Site
from app.business.planner.services.ideas_facts import ClusterFacts, IdeasFacts
from app.business.planner.services.ideas_service import IdeasService


@dataclass
class PaidRuns:
    """plain: the runs · records, choices: what they would take now · facts: what their ideas are made from · budgets:
    monthly budgets of the sites."""

    plain: PlainRuns = field(default_factory=PlainRuns)
    records: SetRecords = field(default_factory=SetRecords)
    choices: dict[int, Choice] = field(default_factory=dict)
    facts: IdeasFacts = field(default_factory=IdeasFacts)
    budgets: dict[int, tuple[str, int | None]] = field(default_factory=dict)

    @property
    def matching(self) -> dict[int, PlainRun]:
        """Those whose cluster matches, by run."""
        return {run_id: run for run_id, run in self.plain.runs.items() if self.choices[run_id].ids}

    def cluster(self, run: PlainRun) -> ClusterFacts:
        return self.facts.clusters[cluster_of(run)]

    def has_same_facts(self, other: "PaidRuns") -> bool:
        """Whether the same answers are right for both."""
        mine, theirs = (list(one.plain.runs) for one in (self, other))
        return mine == theirs and [*self.matching] == [*other.matching] and self.facts == other.facts

    def first(self, number: int) -> "PaidRuns":
        """Only so many of them, the first ones."""
        runs = dict(list(self.plain.runs.items())[:number])
        clusters = {cluster_of(run) for run in runs.values()}
        plain = PlainRuns(runs, self.plain.others)
        return replace(self, plain=plain, facts=self.facts.of_clusters(clusters))

    def cut(self, number: int) -> None:
        """Keep only so many; the run behind them is executed by itself."""
        runs = self.plain.runs
        if number < len(runs):
            self.plain.others = 1
            self.plain.runs = {run_id: runs[run_id] for run_id in list(runs)[:number]}


def local_ideas(works: Works) -> IdeasService | None:
    """What makes ideas without leaving this process; None where a service is asked for them."""
    work = works.get(GENERATE_IDEAS.key)
    if isinstance(work, GenerateIdeasWork) and answers_locally(work.service.language_model):
        return work.service
    return None


def first_paid_runs(
    session: Session,
    run_ids: Sequence[int],
    token: str,
    works: Works,
    service: IdeasService,
    now: datetime,
) -> PaidRuns:
    """The longest prefix of reserved runs that can be executed together; their rows are locked."""
    plain = first_plain_runs(session, run_ids, token, works, now, _makes_ideas, most_records=1)
    paid = PaidRuns(plain)
    if not plain.runs:
        return paid
    runs = list(plain.runs.values())
    paid.records = read_records(session, plain)
    paid.choices = {run.id: paid.records.choice(run) for run in runs}
    paid.facts = service.facts(session, [cluster_of(run) for run in runs])
    paid.cut(_number_of(runs, _is_simple(session, paid, runs)))
    paid.cut(_number_of(list(plain.runs.values()), _has_slot(session, paid)))
    paid.budgets = _site_budgets(session, paid)
    matching = list(paid.matching)
    affordable = number_affordable(session, [price_of(paid, one) for one in paid.matching.values()])
    if affordable < len(matching):
        paid.cut(list(plain.runs).index(matching[affordable]))
    paid.facts = paid.facts.of_clusters({cluster_of(one) for one in plain.runs.values()})
    return paid


def cluster_of(run: PlainRun) -> int:
    """The run's one record."""
    (cluster_id,) = run.records
    return cluster_id


def step_of(kind: RunKind) -> Step:
    """The one step of its runs."""
    (step,) = kind.steps
    return step


def key_of(run: PlainRun) -> str:
    """The key of the run's one unit."""
    return unit_key(run.id, step_of(run.kind).index, cluster_of(run))


def price_of(paid: PaidRuns, run: PlainRun, amount: int | None = None, reason: str = "") -> Charge:
    """What the run sets aside, of which `amount` is charged; None: all of it."""
    kind, site_id = run.kind, paid.cluster(run).site_id
    held = GENERATE_IDEAS.price(step_of(kind).params)
    name, limit = paid.budgets[site_id]
    site = Budget(
        BudgetScope.SITE, site_id, f"{kind.local_day:%Y-%m}", limit, held, f"{name}'s monthly budget"
    )
    return Charge(
        account_id=kind.scope.account_id,
        run_id=run.id,
        held=held,
        amount=held if amount is None else amount,
        key=key_of(run),
        reason=reason,
        budgets=(*kind.context.budgets, site),
    )


def _makes_ideas(context: RunContext, _works: Works) -> bool:
    steps = steps_of(context)
    step = steps[0]
    return (
        len(steps) == 1
        and step.entry is GENERATE_IDEAS
        and step.source == "records"
        and step.when is None
        and GENERATE_IDEAS.price(step.params) <= context.definition.credit_limit_per_execution
    )


def _number_of(runs: Sequence[PlainRun], holds: Callable[[PlainRun], bool]) -> int:
    """How many of them, the first ones, it holds for."""
    return next((place for place, run in enumerate(runs) if not holds(run)), len(runs))


def _is_simple(session: Session, paid: PaidRuns, runs: Sequence[PlainRun]) -> Callable[[PlainRun], bool]:
    """Whether a run asks no service, waits for nobody, and wakes nobody."""
    accounts = {run.kind.scope.account_id for run in runs}
    others = connected_among(session, accounts) | _with_faults(session, accounts)

    def is_simple(run: PlainRun) -> bool:
        choice, params = paid.choices[run.id], step_of(run.kind).params
        return (
            run.kind.scope.account_id not in others
            and not choice.held
            and not (choice.ids and _is_left_out(paid, cluster_of(run), params))
        )

    return is_simple


def _is_left_out(paid: PaidRuns, cluster_id: int, params: GenerateIdeas) -> bool:
    return cluster_id not in paid.facts.clusters or (not params.again and paid.facts.has_ideas(cluster_id))


def _with_faults(session: Session, account_ids: Collection[int]) -> set[int]:
    """Accounts in which the end of a run shows that a service answers again."""
    run, incident = ScheduledTask, Incident
    is_open = incident.status == IncidentStatus.OPEN
    found = union_all(
        select(run.account_id).where(run.account_id.in_(account_ids), run.retry_at.is_not(None)),
        select(incident.account_id).where(incident.account_id.in_(account_ids), is_open),
    )
    return set(session.scalars(found))


def _has_slot(session: Session, paid: PaidRuns) -> Callable[[PlainRun], bool]:
    """Whether the limit of today lets a run pass, after those before it."""
    row = RuleDay
    rules = {run.kind.context.rule.id for run in paid.matching.values()}
    counted = select(row.rule_id, row.local_day, row.used).where(
        row.rule_id.in_(rules), row.split_site_id == 0
    )
    days = {run.kind.local_day for run in paid.matching.values()}
    used: Counter[tuple[int, date]] = Counter()
    for rule_id, day, number in session.execute(counted.where(row.local_day.in_(days))):
        used[rule_id, day] = number

    def has_slot(run: PlainRun) -> bool:
        if run.id not in paid.matching:
            return True
        rule, day = run.kind.context.rule, run.kind.local_day
        used[rule.id, day] += 1
        return used[rule.id, day] <= rule.max_executions_per_day

    return has_slot


def _site_budgets(session: Session, paid: PaidRuns) -> dict[int, tuple[str, int | None]]:
    sites = select(Site.id, Site.name, Site.monthly_budget).where(Site.id.in_(set(_sites(paid))))
    return {site_id: (name, limit) for site_id, name, limit in session.execute(sites)}


def _sites(paid: PaidRuns) -> Iterator[int]:
    for run in paid.matching.values():
        yield paid.cluster(run).site_id
