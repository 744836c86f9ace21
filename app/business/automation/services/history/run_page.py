"""The data of one run's page, loaded in a fixed number of queries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import Select, bindparam, or_, select
from sqlalchemy.orm import Session, joinedload

from app.business.accounts.models import ApiKey, User
from app.business.accounts.services.scope import LARGEST_ID, Scope
from app.business.archived_rows import WITH_ARCHIVED
from app.business.automation.models import RuleVersion
from app.business.automation.run_documents import StepResult
from app.business.automation.run_models import Cause, RunAttempt, ScheduledTask
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.match_preview import title_of
from app.business.automation.services.history.record_trail import uses_in
from app.business.automation.services.history.run_chain import RunChain, chain_of
from app.business.automation.services.history.run_timeline import Span, StepProgress, progress_of, timeline_of
from app.business.automation.services.rules.definition import RuleDefinition, definition_from
from app.business.automation.services.runs.result import receipts_of, steps_from
from app.business.automation.services.runs.start_list import start_of
from app.business.automation.unit_models import ActionRun
from app.business.base import Id
from app.business.billing.models import CreditEntry
from app.business.errors import NotFound
from app.business.kept_queries import kept_queries
from app.business.language_model import ModelUse
from app.business.likelihood import usually
from app.business.planner.models import Site

_RUN_ID = bindparam("run_id", type_=Id)
KEPT = 64
"""Scopes for which a process keeps the query."""
NAMED = 20
"""Records of one type that are named; the others are counted."""


class RecordName(str):
    """What people call a record, with its status. The page of an archived one cannot be opened."""

    is_archived: bool
    status: str

    def __new__(cls, name: str, is_archived: bool, status: str) -> Self:
        found = super().__new__(cls, name)
        found.is_archived, found.status = is_archived, status
        return found


Names = dict[str, dict[int, RecordName]]


class LabelledStep(StepResult):
    """A step with the name of its action."""

    label: str


@dataclass(frozen=True)
class RunPage:
    """`names`: record type -> id -> title; `started_by`: name of a person or key · `beside`: runs of the same start
    for other sites."""

    run: ScheduledTask
    steps: list[LabelledStep]
    units: dict[int, list[ActionRun]]
    attempts: list[RunAttempt]
    entries: list[CreditEntry]
    uses: list[ModelUse]
    names: Names
    definition: RuleDefinition
    site: str | None
    started_by: str | None
    beside: Sequence[int]
    chain: RunChain
    timeline: Sequence[Span]
    progress: StepProgress | None


def find_run(session: Session, scope: Scope, run_id: int) -> ScheduledTask:
    """The run with its detail. Raises NotFound."""
    is_id = 0 < run_id <= LARGEST_ID
    found = _with_detail(scope).entities(session, {"run_id": run_id}) if is_id else ()
    if not found:
        raise NotFound()
    return found[0]


@kept_queries(KEPT)
def _with_detail(scope: Scope) -> Select[ScheduledTask]:
    query = select(ScheduledTask).where(ScheduledTask.id == _RUN_ID, scope.sees(ScheduledTask))
    return query.options(joinedload(ScheduledTask.detail))


def load_run_page(session: Session, run: ScheduledTask, now: datetime) -> RunPage:
    """Everything on the run's page. The run's detail is loaded."""
    version = {"rule_id": run.automation_rule_id, "version": run.rule_version}
    definition = definition_from(session.scalars(_DEFINITION, version).one())
    receipts = receipts_of(session, run)
    steps: list[LabelledStep] = [
        {**step, "label": CATALOGUE[step["type"]].label}
        for step in steps_from(run, definition.actions, receipts)
    ]
    units = _failed(receipts)
    attempts = list(session.scalars(_ATTEMPTS, {"run_id": run.id}))
    return RunPage(
        run=run,
        steps=steps,
        units=units,
        attempts=attempts,
        entries=list(session.scalars(_ENTRIES, {"account_id": run.account_id, "run_id": run.id})),
        uses=uses_in(unit for units in receipts.values() for unit in units),
        names=record_names(session, run.account_id, _ids(run, steps, units)),
        definition=definition,
        site=session.scalar(select(Site.name).where(Site.id == run.site_id)) if run.site_id else None,
        started_by=_started_by(session, run),
        beside=_beside(session, run),
        chain=chain_of(session, run),
        timeline=timeline_of(session, run, attempts, now),
        progress=progress_of(session, run, now),
    )


_DEFINITION = select(RuleVersion.definition).where(
    RuleVersion.rule_id == bindparam("rule_id", type_=Id), RuleVersion.version == bindparam("version")
)
_ATTEMPTS = select(RunAttempt).where(RunAttempt.run_id == _RUN_ID).order_by(RunAttempt.number)
_ENTRIES = (
    select(CreditEntry)
    .where(CreditEntry.account_id == bindparam("account_id", type_=Id), CreditEntry.run_id == _RUN_ID)
    .order_by(CreditEntry.id)
)


def _beside(session: Session, run: ScheduledTask) -> Sequence[int]:
    """Runs of the same start for other sites; the first run of each site."""
    if not run.split_site_id or run.follows_id or run.cause in (Cause.SCHEDULE, Cause.EVENT):
        return []
    first, other = start_of(run), ScheduledTask
    same_start = or_(other.id == first, other.start_id == first)
    query = select(other.id).where(same_start, usually(other.follows_id.is_(None)), other.id != run.id)
    return session.scalars(query.order_by(other.id).limit(NAMED)).all()


def record_names(session: Session, account_id: int, ids: Mapping[str, Iterable[int]]) -> Names:
    """Titles of the account's records, including archived ones, by type and id; one query for each type."""
    names: Names = {}
    for record_type, wanted in ids.items():
        model = MODELS.get(record_type)
        if model and wanted:
            query = select(model).where(model.account_id == account_id, model.id.in_(wanted))
            rows = session.scalars(query, execution_options=WITH_ARCHIVED)
            names[record_type] = {
                row.id: RecordName(title_of(row), row.archived_at is not None, row.status) for row in rows
            }
    return names


def lateness_seconds(run: ScheduledTask) -> float | None:
    """Seconds from the time at which it was to start to its start."""
    if run.started_at is None:
        return None
    return max(0.0, (run.started_at - run.begins_at).total_seconds())


def _failed(receipts: Mapping[int, list[ActionRun]]) -> dict[int, list[ActionRun]]:
    """The failed units of each step, which a retry repeats; the first of them."""
    failed = sorted(
        (unit for units in receipts.values() for unit in units if unit.status == "failed"),
        key=lambda unit: unit.id,
    )
    found: dict[int, list[ActionRun]] = {}
    for unit in failed[: NAMED * 5]:
        found.setdefault(unit.step, []).append(unit)
    return found


def _ids(
    run: ScheduledTask, steps: Sequence[StepResult], units: dict[int, list[ActionRun]]
) -> dict[str, set[int]]:
    wanted: dict[str, set[int]] = {}
    for step in steps:
        for record_type, made in step["made"].items():
            wanted.setdefault(record_type, set()).update(made[:NAMED])
    for unit in (unit for failed in units.values() for unit in failed[:NAMED]):
        wanted.setdefault(unit.record_type, set()).add(unit.record_id)
    samples = (run.detail.trace or {}).get("records", [])
    traced = {sample["id"] for sample in samples if sample["id"] is not None}
    if run.record_type:
        wanted.setdefault(run.record_type, set()).update(traced | set((run.detail.records or [])[:NAMED]))
    return wanted


def _started_by(session: Session, run: ScheduledTask) -> str | None:
    if run.api_key_id:
        return session.scalar(select(ApiKey.name).where(ApiKey.id == run.api_key_id))
    if run.user_id:
        user = session.get(User, run.user_id)
        return (user.name or user.email) if user else None
    return None
