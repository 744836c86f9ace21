"""The lines of a table of runs, ready to be drawn: consecutive skipped runs of one kind are merged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from markupsafe import Markup

from app.business.accounts.models import Role
from app.business.automation.run_models import Cause, Status
from app.business.automation.services.history.listed_runs import AnyRun
from app.modules.access import current_person
from app.modules.automation.labels.runs import CAUSES, outcome, run_state
from app.modules.display import ShownTime, TimeWriter, duration, number
from app.modules.navigation import addresses_of
from app.modules.sent_once import request_key

OPEN = (Status.PENDING, Status.RUNNING)
"""Statuses of runs that may still cost something."""

COLUMNS = {
    "what": "What happened",
    "site": "Site",
    "cause": "Started by",
    "who": "Person",
    "when": "When",
    "time": "Exact time",
    "took": "Took",
    "records": "Records",
    "credits": "Credits",
}
"""Columns to choose from, besides rule and status."""
USUAL_COLUMNS = ("what", "when", "credits")
Sentences = Mapping[tuple[int, int], str]
"""(rule, version) -> what the rule said then."""


@dataclass(frozen=True)
class RunLine:
    """A line of a table of runs; `count` consecutive skipped runs of one rule and reason share one line."""

    run: AnyRun
    count: int = 1
    oldest_at: datetime | None = None


@dataclass(frozen=True)
class Names:
    """Names of sites and people by their numbers, as text."""

    sites: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunRow:
    """A line as it is drawn: nothing is looked up, built or worked out in the template any more.

    state: the key of its pill · at: when it starts or started · planned_at: where that was moved, the planned time ·
    first_at: of folded lines · credits: empty for none · retry_url: empty where there is nothing to retry, or the
    person may not.
    """

    id: int
    url: str
    name: str
    said: str
    count: int
    state: str
    outcome: str
    not_before: ShownTime | None
    cause: str
    at: ShownTime
    planned_at: ShownTime | None
    first_at: ShownTime | None
    credits: str
    site: str
    who: str
    took: str
    records: str
    retry_url: str
    request_key: Markup


def folded(runs: Iterable[AnyRun]) -> list[RunLine]:
    lines: list[RunLine] = []
    for run in runs:
        last = lines[-1] if lines else None
        if last and run.status == Status.SKIPPED and _key(last.run) == _key(run):
            oldest_at = run.first_at or run.scheduled_at
            lines[-1] = replace(last, count=last.count + _times(run), oldest_at=oldest_at)
        else:
            lines.append(RunLine(run, _times(run), run.first_at))
    return lines


def run_rows(
    lines: Iterable[RunLine],
    now: datetime,
    *,
    sentences: Sentences | None = None,
    names: Names | None = None,
    with_rule: bool = True,
) -> list[RunRow]:
    """The lines ready to be drawn. `with_rule`: by the names of their rules, else by their numbers."""
    page, retry, write = addresses_of("automation.run"), addresses_of("automation.retry"), TimeWriter(now)
    may_retry, said = current_person().can(Role.OPERATOR), sentences or {}
    names = names or Names()

    def row(line: RunLine) -> RunRow:
        run = line.run
        retried = may_retry and run.status == Status.FAILED
        is_set_back = run.status == Status.PENDING and not run.waiting_for and not run.moved_to_at
        is_long = line.count > 1 and line.oldest_at is not None and line.oldest_at < run.scheduled_at
        return RunRow(
            id=run.id,
            url=page(run.id),
            name=run.rule_name if with_rule else f"Run {run.id}",
            said=said.get((run.automation_rule_id, run.rule_version), ""),
            count=line.count,
            state=run_state(run),
            outcome=outcome(run),
            not_before=write(run.not_before) if is_set_back and run.not_before else None,
            cause=CAUSES[run.cause],
            at=write(run.begins_at),
            planned_at=write(run.scheduled_at) if run.moved_to_at else None,
            first_at=write(line.oldest_at) if is_long and line.oldest_at else None,
            credits=number(run.credits_used) if run.credits_used or run.status not in OPEN else "",
            site=names.sites.get(str(run.site_id), "") if run.site_id else "",
            who=names.people.get(str(run.user_id), "") if run.user_id else "",
            took=_took(run),
            records=number(run.record_count) if run.record_count else "",
            retry_url=retry(run.id) if retried else "",
            request_key=request_key() if retried else Markup(),
        )

    return [row(line) for line in lines]


def _took(run: AnyRun) -> str:
    if run.status == Status.SKIPPED or not (run.finished_at and run.started_at):
        return ""
    return duration((run.finished_at - run.started_at).total_seconds())


def _times(run: AnyRun) -> int:
    """The number of planned times of the row; the count of an event's row is a number of records."""
    return (run.count or 1) if run.cause == Cause.SCHEDULE else 1


def _key(run: AnyRun) -> tuple[int, str, str | None]:
    return run.automation_rule_id, run.status, run.reason
