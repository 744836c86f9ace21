"""Handlers that work in our own database only: update and create records, switching rules."""

from collections.abc import Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.services.audit_log import AuditActor, record
from app.business.accounts.services.scope import Scope, owned, owned_and_locked
from app.business.automation.models import AutomationRule
from app.business.automation.services.actions.handler import Handlers, LocalWork, SetWork
from app.business.automation.services.actions.inheritance import Inherited, inherited
from app.business.automation.services.actions.templates import fill
from app.business.automation.services.catalogue.actions.create_record import CREATE_RECORD, CreateRecord
from app.business.automation.services.catalogue.actions.create_tasks import CREATE_TASKS, CreateTasks
from app.business.automation.services.catalogue.actions.registry import stored_actions
from app.business.automation.services.catalogue.actions.switch_rules import PAUSE_RULE, RESUME_RULE, PauseRule
from app.business.automation.services.catalogue.actions.update_records import UPDATE_RECORDS, UpdateRecords
from app.business.automation.services.catalogue.field_types import FieldValue
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.catalogue.record_models import MODELS, record_type_of
from app.business.automation.services.rules.approval import may_act
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.steps import Step
from app.business.automation.services.runs.unit_receipts import Done, LeftOut, Refused, Unit
from app.business.automation.services.triggering.rule_switch import switch
from app.business.errors import Conflict, NotFound
from app.business.events import Origin
from app.business.planner.models import Idea, Record, Sector
from app.business.planner.services.idea_service import create_idea
from app.business.planner.services.record_labels import relabel
from app.business.writer.services import task_service
from app.business.writer.services.record_editors import update_record

LONGEST_NOTE = 2000
OWN_LABELS = ("keyword", "cluster", "task")
"""Record types of which an edit of labels changes nothing but the record."""
UPDATED = Done(message="Updated")
GONE = LeftOut("It was archived or removed before its turn came.")
SWITCHED = {True: "switched on", False: "switched off"}
UNAPPROVED = "left off: changed since it was last on, and nobody has approved that"


class UpdateRecordsWork(SetWork):
    """Sets labels, person, note, due day and status of one record."""

    def takes(self, step: Step) -> bool:
        """Whether it changes labels only, of records of which nothing follows from them."""
        params: UpdateRecords = step.params
        return params.changes_labels_only and step.record_type in OWN_LABELS

    def save_all(self, session: Session, context: RunContext, units: Sequence[Unit]) -> list[Done | LeftOut]:
        """Left out where a record is gone."""
        step = units[0].step
        found = relabel(
            session,
            MODELS[step.record_type or ""],
            context.account.id,
            [unit.record_id for unit in units],
            lambda present: changed_labels(present, step.params),
            run_id=context.run.id,
            now=context.now,
        )
        return [UPDATED if unit.record_id in found else GONE for unit in units]

    def save(self, session: Session, context: RunContext, unit: Unit, answer: None) -> Done | LeftOut:
        """Left out when the record's present status does not allow the change."""
        params: UpdateRecords = unit.step.params
        # Labels are added to the present ones, which are read under the lock.
        try:
            row = owned_and_locked(
                session, MODELS[unit.record_type], unit.record_id, Scope(context.account.id)
            )
            changes = _changes(session, context, row, params)
            update_record(session, row, changes, origin=_origin(context, unit), now=context.now)
        except NotFound:
            raise Refused(GONE.message) from None
        except Conflict as refusal:
            raise Refused(refusal.message) from None
        return UPDATED


def _changes(
    session: Session, context: RunContext, row: Record, params: UpdateRecords
) -> dict[str, FieldValue]:
    changes: dict[str, FieldValue] = {}
    if params.labels_add or params.labels_remove:
        changes["labels"] = [*changed_labels(row.labels, params)]
    if params.note is not None:
        whose = record_type_of(row)
        changes["note"] = fill(session, context, params.note, whose, [row.id])[:LONGEST_NOTE]
    if params.assignee is not None:
        changes["assignee"] = params.assignee
    if params.due_in_days is not None and hasattr(row, "due_on"):
        changes["due_on"] = due_day(context, params.due_in_days)
    if params.status is not None:
        changes["status"] = params.status
    return changes


def changed_labels(present: Sequence[str], params: UpdateRecords) -> list[str]:
    """A record's labels after the change."""
    kept = [label for label in present if label not in params.labels_remove]
    return list(dict.fromkeys([*kept, *params.labels_add]))


def due_day(context: RunContext, days: int) -> date:
    """The account's local day in `days` days."""
    return (context.now.astimezone(ZoneInfo(context.account.timezone)) + timedelta(days=days)).date()


class CreateRecordWork(LocalWork):
    """Creates one idea or task for each record, in its sector; texts may contain fields of the record: `{name}`."""

    def save(self, session: Session, context: RunContext, unit: Unit, answer: None) -> Done | LeftOut:
        """Left out where there is no sector for it."""
        params: CreateRecord = unit.step.params
        source = None
        if unit.record_type != "run":
            try:
                source = owned(session, MODELS[unit.record_type], unit.record_id, Scope(context.account.id))
            except NotFound:
                return GONE
        place = _place(session, context, source)
        if place is None:
            return LeftOut("There is no site and sector to put it in. Give the rule a site.")
        whose: tuple[str | None, list[int]] = (
            (unit.record_type, [unit.record_id]) if source is not None else (None, [])
        )
        fields: dict[str, FieldValue] = {"title": fill(session, context, params.title, *whose)[:255]}
        description = fill(session, context, params.description, *whose)
        taken = inherited(session, source) if params.inherit and source is not None else Inherited()
        fields["main_keyword"] = taken.main_keyword
        if params.type == "idea":
            fields |= {
                "description": description,
                "content_type": params.content_type,
            }
            idea = create_idea(
                session,
                taken.cluster or place,
                fields,
                origin=_origin(context, unit),
                now=context.now,
                ordinal=1,
            )
            return Done(made={"idea": [idea.id]}, message=f"Idea “{idea.title}”")
        fields |= {
            "brief": description,
            "word_count": params.word_count,
            "task_type": params.task_type,
        }
        if params.due_in_days is not None:
            fields["due_on"] = due_day(context, params.due_in_days)
        task = task_service.create_task(
            session,
            place,
            fields,
            idea_id=taken.idea_id,
            origin=_origin(context, unit),
            now=context.now,
            ordinal=1,
        )
        return Done(made={"task": [task.id]}, message=f"Task “{task.title}”")


def _place(session: Session, context: RunContext, source: Record | None) -> Sector | None:
    if source is not None:
        return session.get(Sector, source.sector_id)
    query = select(Sector).where(Sector.account_id == context.account.id)
    if context.definition.sector is not None:
        return session.scalar(query.where(Sector.id == context.definition.sector))
    if context.run.site_id is None:
        return None
    return session.scalar(query.where(Sector.site_id == context.run.site_id).order_by(Sector.id).limit(1))


class CreateTasksWork(LocalWork):
    """Creates a queued task from one idea."""

    def save(self, session: Session, context: RunContext, unit: Unit, answer: None) -> Done | LeftOut:
        """Left out when the idea is rejected or used already."""
        params: CreateTasks = unit.step.params
        due_on = None if params.due_in_days is None else due_day(context, params.due_in_days)
        tasks = task_service.create_tasks(
            session,
            [unit.record_id],
            word_count=params.word_count,
            task_type=params.task_type,
            due_on=due_on,
            inherit=params.inherit,
            origin=_origin(context, unit),
            now=context.now,
        )
        if not tasks:
            if session.scalar(select(Idea.id).where(Idea.id == unit.record_id)) is None:
                return GONE
            return LeftOut("The idea was rejected or has its task already.")
        return Done(made={"task": [task.id for task in tasks]}, message=f"Task “{tasks[0].title}”")


class SwitchWork(LocalWork):
    """Switches other rules on or off: one by id, those of a site, or those with an action."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def save(self, session: Session, context: RunContext, unit: Unit, answer: None) -> Done:
        """Rules already in that state are not touched; a rule never switches itself on."""
        params: PauseRule = unit.step.params
        rules = [
            rule
            for rule in _named_rules(session, context, params)
            if rule.id != context.rule.id or not self.on
        ]
        allowed = [rule for rule in rules if not self.on or may_act(session, rule, definition_of(rule))]
        changed = [rule for rule in allowed if switch(session, rule, self.on, context.now, resumed=True)]
        for rule in changed:
            action = "rule.enabled" if self.on else "rule.disabled"
            data = {"run": context.run.id, "reason": fill(session, context, params.reason)}
            record(session, context.account.id, AuditActor(), action, rule, data, context.now)
        left = (
            f"; {plural(len(rules) - len(allowed), 'rule')} {UNAPPROVED}" if len(allowed) < len(rules) else ""
        )
        return Done(records=len(changed), message=f"{plural(len(changed), 'rule')} {SWITCHED[self.on]}{left}")


def _named_rules(session: Session, context: RunContext, params: PauseRule) -> list[AutomationRule]:
    query = select(AutomationRule).where(
        AutomationRule.account_id == context.account.id, AutomationRule.archived_at.is_(None)
    )
    if params.rule_id is not None:
        query = query.where(AutomationRule.id == params.rule_id)
    if params.site is not None:
        query = query.where(AutomationRule.site_id == params.site)
    rules = session.scalars(query.order_by(AutomationRule.id)).all()
    if params.action is None:
        return list(rules)
    return [
        rule for rule in rules if any(action.type == params.action for action in stored_actions(rule.actions))
    ]


def _origin(context: RunContext, unit: Unit) -> Origin:
    return context.origin(unit.step.index, unit.key)


HANDLERS: Handlers = {
    CREATE_TASKS.key: lambda _model: CreateTasksWork(),
    UPDATE_RECORDS.key: lambda _model: UpdateRecordsWork(),
    CREATE_RECORD.key: lambda _model: CreateRecordWork(),
    PAUSE_RULE.key: lambda _model: SwitchWork(on=False),
    RESUME_RULE.key: lambda _model: SwitchWork(on=True),
}
