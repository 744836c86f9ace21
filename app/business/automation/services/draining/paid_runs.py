"""Runs that make ideas in this process, for credits, which a set of statements executes together.

The first ones of a batch, in their order, as long as all gates will let each of them pass after those before it. What
they read is read for all; before they write, what can have changed is compared.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import BindParameter, CompoundSelect, bindparam, select, union_all
from sqlalchemy.orm import Session

from app.business.automation.models import RuleDay
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.actions.handler import Works
from app.business.automation.services.actions.provider_handlers import GenerateIdeasWork
from app.business.automation.services.catalogue.actions.generate_ideas import GENERATE_IDEAS, GenerateIdeas
from app.business.automation.services.draining.plain_run import PlainRun, PlainRuns, RunKind
from app.business.automation.services.draining.plain_runs import first_plain_runs
from app.business.automation.services.draining.set_execution import Unexpected
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


class SiteValues(NamedTuple):
    """What a site's own row says of the runs' price and ideas."""

    name: str
    monthly_budget: int | None
    language: str


@dataclass
class PaidRuns:
    """plain: the runs · records, choices: what they would take now · facts: what their ideas are made from · sites:
    whose budgets pay for them."""

    plain: PlainRuns = field(default_factory=PlainRuns)
    records: SetRecords = field(default_factory=SetRecords)
    choices: dict[int, Choice] = field(default_factory=dict)
    facts: IdeasFacts = field(default_factory=IdeasFacts)
    sites: dict[int, "SiteValues"] = field(default_factory=dict)

    @property
    def matching(self) -> dict[int, PlainRun]:
        """Those whose cluster matches, by run."""
        return {run_id: run for run_id, run in self.plain.runs.items() if self.choices[run_id].ids}

    def cluster(self, run: PlainRun) -> ClusterFacts:
        return self.facts.clusters[cluster_of(run)]

    def part(self, run_ids: Collection[int]) -> "PaidRuns":
        """Only these of them."""
        runs = {run_id: self.plain.runs[run_id] for run_id in run_ids}
        clusters = {cluster_of(run) for run in runs.values()}
        return replace(self, plain=PlainRuns(runs), facts=self.facts.of_clusters(clusters))

    def first(self, number: int) -> "PaidRuns":
        """Only so many of them; the run behind them is executed by itself."""
        if number == len(self.plain.runs):
            return self
        first = self.part(list(self.plain.runs)[:number])
        first.plain.others = 1
        return first


def still_the_same(
    session: Session,
    before: PaidRuns,
    token: str,
    works: Works,
    service: IdeasService,
    now: datetime,
) -> PaidRuns:
    """The same runs as they are now; their rows, sites and clusters are locked. Raises Unexpected where something that
    they or their ideas depend on has changed.

    What is counted, credits and runs of the day, is left to the guards of what counts it.
    """
    plain = first_plain_runs(
        session, list(before.plain.runs), token, works, now, _makes_ideas, most_records=1
    )
    paid = PaidRuns(plain, facts=before.facts)
    if _given(paid) != _given(before):
        raise Unexpected("Not all of the runs can be executed together any more")
    # Whoever saves ideas of a site locks it first: from here on no others are added.
    paid.sites = _site_values(session, paid.facts.sites, locked=True)
    paid.records = read_records(session, plain, is_locked=True)
    paid.choices = {run.id: paid.records.choice(run) for run in plain.runs.values()}
    is_same = (
        paid.records.seen.items() <= before.records.seen.items()
        and [*paid.matching] == [*before.matching]
        and paid.sites.items() <= before.sites.items()
        and service.has_same_sources(session, paid.facts)
    )
    if not is_same or _entangled(session, {run.kind.scope.account_id for run in plain.runs.values()}):
        raise Unexpected("Something that they were made from has changed meanwhile")
    return paid


def _given(paid: PaidRuns) -> list[tuple[int, list[int]]]:
    return [(run.id, run.records) for run in paid.plain.runs.values()]


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
    paid = paid.first(_number_of(paid, _is_simple(session, paid)))
    paid = paid.first(_number_of(paid, _has_slot(session, paid)))
    paid.sites = _site_values(session, paid.facts.sites)
    affordable = number_affordable(session, [price_of(paid, one) for one in paid.matching.values()])
    payable = set(list(paid.matching)[:affordable])
    return paid.first(_number_of(paid, lambda run: run.id in payable or run.id not in paid.matching))


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
    name, limit, _ = paid.sites[site_id]
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
        budgets=(*kind.budgets, site),
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


def _number_of(paid: PaidRuns, holds: Callable[[PlainRun], bool]) -> int:
    """How many of them, the first ones, it holds for."""
    runs = paid.plain.runs.values()
    return next((place for place, run in enumerate(runs) if not holds(run)), len(runs))


def _is_simple(session: Session, paid: PaidRuns) -> Callable[[PlainRun], bool]:
    """Whether a run asks no service, waits for nobody, and wakes nobody."""
    others = _entangled(session, {run.kind.scope.account_id for run in paid.plain.runs.values()})

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


def _entangled(session: Session, account_ids: Collection[int]) -> set[int]:
    """Accounts that ask a service, and those in which the end of a run shows that one answers again."""
    return set(session.scalars(_ENTANGLED, {"accounts": list(account_ids)}))


def _entangling() -> CompoundSelect[int]:
    run, incident = ScheduledTask, Incident
    accounts: BindParameter[int] = bindparam("accounts", expanding=True)
    return union_all(
        connected_among(accounts),
        select(run.account_id).where(run.account_id.in_(accounts), run.retry_at.is_not(None)),
        select(incident.account_id).where(
            incident.account_id.in_(accounts), incident.status == IncidentStatus.OPEN
        ),
    )


_ENTANGLED = _entangling()


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


def _site_values(
    session: Session, site_ids: Collection[int], *, locked: bool = False
) -> dict[int, SiteValues]:
    query = _SITES.with_for_update(key_share=True) if locked else _SITES
    rows = session.execute(query, {"sites": list(site_ids)})
    return {site_id: SiteValues(name, budget, language) for site_id, name, budget, language in rows}


_SITES = (
    select(Site.id, Site.name, Site.monthly_budget, Site.language)
    .where(Site.id.in_(bindparam("sites", expanding=True)))
    .order_by(Site.id)
)
