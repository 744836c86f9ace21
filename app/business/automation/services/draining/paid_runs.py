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
from app.business.automation.services.draining.plain_runs import PlainRuns, first_plain_runs
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
    def matching(self) -> dict[int, RunContext]:
        """Those whose cluster matches, by run."""
        contexts = self.plain.contexts
        return {run_id: context for run_id, context in contexts.items() if self.choices[run_id].ids}

    def cluster(self, context: RunContext) -> ClusterFacts:
        return self.facts.clusters[cluster_of(context)]

    def has_same_facts(self, other: "PaidRuns") -> bool:
        """Whether the same answers are right for both."""
        mine, theirs = (list(one.plain.contexts) for one in (self, other))
        return mine == theirs and [*self.matching] == [*other.matching] and self.facts == other.facts

    def first(self, number: int) -> "PaidRuns":
        """Only so many of them, the first ones."""
        contexts = dict(list(self.plain.contexts.items())[:number])
        clusters = {cluster_of(context) for context in contexts.values()}
        plain = PlainRuns(contexts, self.plain.others)
        return replace(self, plain=plain, facts=self.facts.of_clusters(clusters))

    def cut(self, number: int) -> None:
        """Keep only so many; the run behind them is executed by itself."""
        contexts = self.plain.contexts
        if number < len(contexts):
            self.plain.others = 1
            self.plain.contexts = {run_id: contexts[run_id] for run_id in list(contexts)[:number]}


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
    plain = first_plain_runs(session, run_ids, token, works, now, _makes_ideas_of_one_cluster)
    paid = PaidRuns(plain)
    if not plain.contexts:
        return paid
    contexts = list(plain.contexts.values())
    paid.records = read_records(session, contexts)
    paid.choices = {context.run.id: paid.records.choice(context) for context in contexts}
    paid.facts = service.facts(session, [cluster_of(context) for context in contexts])
    paid.cut(_number_of(contexts, _is_simple(session, paid, contexts)))
    paid.cut(_number_of(list(plain.contexts.values()), _has_slot(session, paid)))
    paid.budgets = _site_budgets(session, paid)
    matching = list(paid.matching)
    affordable = number_affordable(session, [price_of(paid, one) for one in paid.matching.values()])
    if affordable < len(matching):
        paid.cut(list(plain.contexts).index(matching[affordable]))
    paid.facts = paid.facts.of_clusters({cluster_of(one) for one in plain.contexts.values()})
    return paid


def cluster_of(context: RunContext) -> int:
    """The run's one record."""
    (cluster_id,) = context.detail.records or [0]
    return cluster_id


def step_of(context: RunContext) -> Step:
    """The run's one step."""
    (step,) = steps_of(context)
    return step


def key_of(context: RunContext) -> str:
    """The key of the run's one unit."""
    return unit_key(context.run.id, step_of(context).index, cluster_of(context))


def price_of(paid: PaidRuns, context: RunContext, amount: int | None = None, reason: str = "") -> Charge:
    """What the run sets aside, of which `amount` is charged; None: all of it."""
    held = GENERATE_IDEAS.price(step_of(context).params)
    name, limit = paid.budgets[paid.cluster(context).site_id]
    site_id, month = paid.cluster(context).site_id, f"{context.local_day:%Y-%m}"
    site = Budget(BudgetScope.SITE, site_id, month, limit, held, f"{name}'s monthly budget")
    return Charge(
        account_id=context.account.id,
        run_id=context.run.id,
        held=held,
        amount=held if amount is None else amount,
        key=key_of(context),
        reason=reason,
        budgets=(*context.budgets, site),
    )


def _makes_ideas_of_one_cluster(context: RunContext, _works: Works) -> bool:
    steps = steps_of(context)
    step = steps[0]
    return (
        len(steps) == 1
        and step.entry is GENERATE_IDEAS
        and step.source == "records"
        and step.when is None
        and len(context.detail.records or ()) == 1
        and GENERATE_IDEAS.price(step.params) <= context.definition.credit_limit_per_execution
    )


def _number_of(contexts: Sequence[RunContext], holds: Callable[[RunContext], bool]) -> int:
    """How many of them, the first ones, it holds for."""
    return next((place for place, context in enumerate(contexts) if not holds(context)), len(contexts))


def _is_simple(
    session: Session, paid: PaidRuns, contexts: Sequence[RunContext]
) -> Callable[[RunContext], bool]:
    """Whether a run asks no service, waits for nobody, and wakes nobody."""
    accounts = {context.account.id for context in contexts}
    others = connected_among(session, accounts) | _with_faults(session, accounts)

    def is_simple(context: RunContext) -> bool:
        choice, params = paid.choices[context.run.id], step_of(context).params
        return (
            context.account.id not in others
            and not choice.held
            and not (choice.ids and _is_left_out(paid, context, params))
        )

    return is_simple


def _is_left_out(paid: PaidRuns, context: RunContext, params: GenerateIdeas) -> bool:
    cluster_id = cluster_of(context)
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


def _has_slot(session: Session, paid: PaidRuns) -> Callable[[RunContext], bool]:
    """Whether the limit of today lets a run pass, after those before it."""
    row = RuleDay
    rules = {context.rule.id for context in paid.matching.values()}
    counted = select(row.rule_id, row.local_day, row.used).where(
        row.rule_id.in_(rules), row.split_site_id == 0
    )
    days = {context.local_day for context in paid.matching.values()}
    used: Counter[tuple[int, date]] = Counter()
    for rule_id, day, number in session.execute(counted.where(row.local_day.in_(days))):
        used[rule_id, day] = number

    def has_slot(context: RunContext) -> bool:
        if context.run.id not in paid.matching:
            return True
        used[context.rule.id, context.local_day] += 1
        return used[context.rule.id, context.local_day] <= context.rule.max_executions_per_day

    return has_slot


def _site_budgets(session: Session, paid: PaidRuns) -> dict[int, tuple[str, int | None]]:
    sites = select(Site.id, Site.name, Site.monthly_budget).where(Site.id.in_(set(_sites(paid))))
    return {site_id: (name, limit) for site_id, name, limit in session.execute(sites)}


def _sites(paid: PaidRuns) -> Iterator[int]:
    for context in paid.matching.values():
        yield paid.cluster(context).site_id
