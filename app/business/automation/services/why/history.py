"""The history of a rule and a record: runs that took it or did not, and events that did not match the rule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.business.automation.models import AutomationRule, RuleVersion
from app.business.automation.run_models import Cause, Reason, RunDetail, ScheduledTask, Status
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.nouns import noun, plural
from app.business.automation.services.catalogue.record_order import OLDEST, order_words
from app.business.automation.services.catalogue.triggers import TRIGGERS, statuses_to, stored_options
from app.business.automation.services.rule_parts import Stored
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.runs.start_list import start_of, stretch_of
from app.business.events import Event, EventBatch
from app.business.planner.models import Record

MOST_RUNS = 100
MOST_EVENTS = 50
OTHERS = "Runs chose other records, or none."

Kind = Literal["taken", "waiting", "not_taken"]


@dataclass(frozen=True)
class RuleMoment:
    """One moment at which the rule took the record, will take it, or did not. `count`: equal moments in a row.

    first_at: the oldest of these · event: with the record's values then, if stored · passed_by: by a run that selects
    records itself and did not select this one.
    """

    at: datetime
    kind: Kind
    sentence: str
    run: ScheduledTask | None = None
    version: int | None = None
    event: Event | None = None
    count: int = 1
    first_at: datetime | None = None
    passed_by: bool = False


@dataclass(frozen=True)
class RecordEvent:
    """An event of the record with its batch."""

    event: Event
    batch: EventBatch


def rule_moments(
    session: Session, rule: AutomationRule, record: Record, events: Sequence[RecordEvent], until: datetime
) -> list[RuleMoment]:
    """From the rule's last hundred runs since the record was created, and the record's events; newest first."""
    runs = _runs(session, rule, record, until)
    record_event = {record_event.batch.id: record_event for record_event in events}
    listed = _lists(session, runs, record.id)
    versions = _versions(session, rule)
    orders = {version.version: _order_of(version) for version in versions}
    found = [
        item
        for run in runs
        for item in _of_run(
            run, rule, record, record_event, listed, orders.get(run.rule_version, order_words(OLDEST, None))
        )
    ]
    known = {run.batch_id for run in runs if run.batch_id}
    found += [
        item for one in events if one.batch.id not in known for item in _without_run(one, rule, versions)
    ]
    return _folded(sorted(found, key=lambda item: item.at, reverse=True))


def events_of(session: Session, record: Record, record_type: str, until: datetime) -> list[RecordEvent]:
    """The record's last events up to then, newest first."""
    query = (
        select(Event, EventBatch)
        .join(EventBatch, EventBatch.id == Event.batch_id)
        .where(
            Event.account_id == record.account_id,
            Event.record_type == record_type,
            Event.record_id == record.id,
            EventBatch.created_at <= until,
        )
        .order_by(Event.id.desc())
        .limit(MOST_EVENTS)
    )
    return [RecordEvent(event, batch) for event, batch in session.execute(query)]


def version_at(versions: Sequence[RuleVersion], at: datetime) -> RuleVersion | None:
    """The version in force at that moment; None before the rule was created."""
    return next((version for version in versions if version.created_at <= at), None)


def _versions(session: Session, rule: AutomationRule) -> Sequence[RuleVersion]:
    query = select(RuleVersion).where(RuleVersion.rule_id == rule.id).order_by(RuleVersion.version.desc())
    return session.scalars(query).all()


def _order_of(version: RuleVersion) -> str:
    """The order of records in that version, in words."""
    said = definition_from({"order": OLDEST, **version.definition})
    return order_words(said.order, said.record_type)


def _runs(session: Session, rule: AutomationRule, record: Record, until: datetime) -> Sequence[ScheduledTask]:
    query = (
        select(ScheduledTask)
        .where(
            ScheduledTask.account_id == rule.account_id,
            ScheduledTask.automation_rule_id == rule.id,
            ScheduledTask.status.in_(list(Status)),
            ScheduledTask.scheduled_at >= record.created_at,
            ScheduledTask.scheduled_at <= until,
        )
        .options(joinedload(ScheduledTask.detail))
        .order_by(ScheduledTask.scheduled_at.desc(), ScheduledTask.id.desc())
        .limit(MOST_RUNS)
    )
    return session.scalars(query).all()


def _lists(session: Session, runs: Sequence[ScheduledTask], record_id: int) -> dict[int, int]:
    """Run id -> the record's position in the list of its start; only for the last run of each start."""
    listed = [run for run in reversed(runs) if stretch_of(run.detail).total]
    last = {(start_of(run), run.split_site_id): run for run in listed}
    query = select(RunDetail.run_id, RunDetail.start_records).where(
        RunDetail.run_id.in_({start_id for start_id, _ in last}), RunDetail.start_records.is_not(None)
    )
    places = {
        start_id: records.index(record_id)
        for start_id, records in session.execute(query)
        if records and record_id in records
    }
    return {run.id: places[start_id] for (start_id, _), run in last.items() if start_id in places}


def _of_run(
    run: ScheduledTask,
    rule: AutomationRule,
    record: Record,
    record_event: dict[int, RecordEvent],
    listed: Mapping[int, int],
    first: str,
) -> Iterator[RuleMoment]:
    """What this run did with the record; nothing for a run over other records."""
    chosen, left = run.detail.records, run.detail.options.get("left_over") or []
    of_event = record_event.get(run.batch_id or 0)
    event = of_event.event if of_event else None

    def happened(kind: Kind, sentence: str) -> RuleMoment:
        return RuleMoment(run.scheduled_at, kind, sentence, run, run.rule_version, event)

    if run.record_type != rule.record_type or run.from_step:
        return
    if record.id in (chosen or []):
        yield happened(*_taken(run))
    elif record.id in left:
        yield happened("not_taken", f"It was left over: this run could take no more records. {_later(run)}")
    elif stretch_of(run.detail).end <= listed.get(run.id, -1) < stretch_of(run.detail).total:
        kind: Kind = "not_taken" if run.remaining else "waiting"
        yield happened(kind, f"It is among the records of this start, further down. {_later(run)}")
    elif run.batch_id:
        if event and run.part == 0:
            yield happened("not_taken", "It did not match the conditions when it came.")
    elif _selects_records(run):
        yield replace(happened(*_passed_by(run, record, first)), passed_by=True)


def _later(run: ScheduledTask) -> str:
    """When a record left over by the run is worked on."""
    if run.cause == Cause.SCHEDULE:
        return "It waits for the next planned time."
    return f"A person can let it go on from run {run.id}." if run.remaining else "A follow-up run takes it."


def _selects_records(run: ScheduledTask) -> bool:
    """Whether it selects its records; a run over given records says nothing about others."""
    if run.follows_id or run.cause == Cause.EVENT:
        return False
    if run.detail.records is None or run.cause in (Cause.SCHEDULE, Cause.BACKFILL):
        return True
    options = run.detail.options
    return (options.get("matched") or 0) > run.record_count + len(options.get("left_over") or [])


def _taken(run: ScheduledTask) -> tuple[Kind, str]:
    match run.status:
        case Status.COMPLETED:
            return "taken", f"Taken. {run.result.get('summary') or 'Done.'}"
        case Status.FAILED:
            return "taken", f"Taken, but the run failed: {run.error_message}"
        case Status.RUNNING:
            return "taken", "It is being worked on now."
        case Status.SKIPPED:
            return "not_taken", run.error_message
    return "waiting", "A run of it waits to start."


def _passed_by(run: ScheduledTask, record: Record, first: str) -> tuple[Kind, str]:
    """A run that selected other records."""
    if run.split_site_id and run.split_site_id != record.site_id:
        return "not_taken", "The run was for another site."
    if run.status == Status.SKIPPED:
        return "not_taken", run.error_message or "The run was skipped."
    if run.status == Status.PENDING:
        return "waiting", "A run that has not chosen its records yet waits to start."
    matched = run.detail.options.get("matched") or 0
    if matched > run.record_count:
        taken, all_of_them = plural(run.record_count, run.record_type), f"{matched:,}"
        return "not_taken", f"The run took {taken} of the {all_of_them} that matched, {first}."
    return (
        "not_taken",
        f"The run took {plural(run.record_count, run.record_type)}; this one was not among them.",
    )


def _without_run(
    record_event: RecordEvent, rule: AutomationRule, versions: Sequence[RuleVersion]
) -> Iterator[RuleMoment]:
    """An event of a trigger type of the rule, and why it opened no run."""
    at = record_event.batch.dispatched_at or record_event.batch.created_at
    version = version_at(versions, at)
    triggers = {rule.trigger} | {item.definition["trigger"] for item in versions}
    if record_event.batch.type not in triggers:
        return
    number = version.version if version else None
    kind: Kind = "not_taken" if record_event.batch.dispatched_at else "waiting"
    yield RuleMoment(
        record_event.batch.created_at,
        kind,
        _why_without_run(record_event, version),
        None,
        number,
        record_event.event,
    )


def _why_without_run(record_event: RecordEvent, version: RuleVersion | None) -> str:
    if record_event.batch.dispatched_at is None:
        return "What happened is being handed to the rules now."
    if version is None:
        return "The rule did not exist yet."
    return _why_not_for(record_event, version.version, version.definition)


def _why_not_for(record_event: RecordEvent, number: int, said: Stored) -> str:
    """Why the event did not match this version of the rule's trigger."""
    event = record_event.event
    if said["trigger"] != record_event.batch.type:
        return f"Version {number} of the rule was started otherwise: {TRIGGERS[str(said['trigger'])].label.lower()}."
    if not said["is_active"]:
        return f"The rule was switched off then (version {number})."
    if said["site"] not in (None, event.site_id) or said["sector"] not in (None, event.sector_id):
        return "It belongs to another place than the one the rule works on."
    wanted = statuses_to(stored_options(said["trigger"], said["trigger_options"]))
    if not wanted:
        return f"The rule did not look at this {noun(event.record_type)}."
    words, to = dict(choices_of(event.record_type, "status")), str((event.data or {}).get("to"))
    waits_for = " or ".join(f"“{words.get(status, status)}”" for status in wanted)
    return f"Its status became “{words.get(to, to)}”; the rule waits for {waits_for}."


def _folded(found: Sequence[RuleMoment]) -> list[RuleMoment]:
    """Merges equal neighbours to one with a count."""
    lines: list[RuleMoment] = []
    for item in found:
        last = lines[-1] if lines else None
        if last and last.kind == item.kind == "not_taken" and _is_alike(last, item):
            same = last.sentence == item.sentence
            sentence = last.sentence if same else OTHERS
            lines[-1] = replace(last, count=last.count + 1, first_at=item.at, sentence=sentence)
        else:
            lines.append(item)
    return lines


def _is_alike(one: RuleMoment, other: RuleMoment) -> bool:
    """Runs that found nothing and runs that found others are merged; runs that were stopped are not."""
    if not (one.passed_by and other.passed_by):
        return one.sentence == other.sentence
    return one.sentence == other.sentence or (was_free(one.run) and was_free(other.run))


def was_free(run: ScheduledTask | None) -> bool:
    """Whether the run could have selected the record: nothing but its conditions stopped it."""
    return run is not None and run.reason in (None, Reason.CONDITIONS)
