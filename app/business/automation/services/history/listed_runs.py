"""Runs as lists show them: the columns of a line, and what their rules said then."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Select, String, bindparam, cast, literal_column, select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleVersion
from app.business.automation.run_documents import ExhaustedBudget, RunResult
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.sentence import summary_of
from app.business.base import Id
from app.business.kept_queries import kept_queries
from app.business.plain_rows import AnyQuery, plain_rows
from app.business.ready_statements import Values
from app.business.sql_functions import is_among

MOST_VERSIONS = 2**20
"""Of a rule."""
SENTENCES = 2000
"""Definitions of which a process remembers the sentence."""


@dataclass(slots=True)
class ListedRun:
    """A run that is read for a list, by the names of its columns."""

    id: int
    automation_rule_id: int
    rule_name: str
    rule_version: int
    site_id: int | None
    user_id: int | None
    cause: str
    status: str
    reason: str | None
    waiting_for: str | None
    waits_for_run_id: int | None
    credits_needed: int | None
    budget: ExhaustedBudget | None
    scheduled_at: datetime
    moved_to_at: datetime | None
    not_before: datetime | None
    first_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    attempt: int
    rescues: int
    auto_retries: int
    count: int | None
    record_count: int
    credits_used: int
    result: RunResult
    error_message: str

    @property
    def begins_at(self) -> datetime:
        """When it was to start: its planned time, or the one it was moved to."""
        return self.moved_to_at or self.scheduled_at


AnyRun = ScheduledTask | ListedRun

LISTED = tuple(getattr(ScheduledTask, field.name) for field in fields(ListedRun))
"""The columns of a `ListedRun`."""


def listed_runs(session: Session, query: AnyQuery, values: Values) -> list[ListedRun]:
    """The runs of a query of the columns LISTED."""
    return [ListedRun(*row) for row in plain_rows(session, query, values)]


def sentences_of(session: Session, account_id: int, runs: Sequence[AnyRun]) -> dict[tuple[int, int], str]:
    """(rule, version) -> the rule in words when these runs were opened; one query."""
    pairs = {(run.automation_rule_id, run.rule_version) for run in runs}
    wanted = {
        "account_id": account_id,
        "rules": [rule_id for rule_id, _ in pairs],
        "pairs": [rule_id * MOST_VERSIONS + number for rule_id, number in pairs],
    }
    rows = plain_rows(session, _definitions(), wanted) if pairs else ()
    return {(rule_id, number): _sentence(said) for rule_id, number, said in rows}


@kept_queries(1)
def _definitions() -> Select[int, int, str]:
    """Pairs of rule and version as one number each: of a list of pairs no query is kept ready."""
    of = RuleVersion
    pair = of.rule_id * literal_column(str(MOST_VERSIONS)) + of.version
    return select(of.rule_id, of.version, cast(of.definition, String)).where(
        of.account_id == bindparam("account_id", type_=Id),
        is_among(of.rule_id, "rules"),
        is_among(pair, "pairs"),
    )


@lru_cache(maxsize=SENTENCES)
def _sentence(definition: str) -> str:
    """Of a definition as it is stored: reading and checking one takes longer than drawing its run."""
    return summary_of(definition_from(json.loads(definition)))
