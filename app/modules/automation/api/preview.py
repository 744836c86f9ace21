"""REST: what a rule, or a part of one being edited, would do. Nothing is stored."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from flask import Response

from app.business.accounts.models import Role
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.triggers import TRIGGERS, subject_of
from app.business.automation.services.conditions.catalog import catalog
from app.business.automation.services.conditions.condition_evaluator import ConditionEvaluator
from app.business.automation.services.conditions.facts import context_facts
from app.business.automation.services.conditions.parser import Node, parse_conditions, parse_free
from app.business.automation.services.schedules.calendar import Schedule, parse_schedule, preview
from app.business.automation.services.schedules.description import describe
from app.business.automation.services.trials.dry_run import dry_run
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.api.bodies import Omittable
from app.modules.api.resource import report
from app.modules.automation.api.answers import (
    PreviewShown,
    TimesShown,
    TrialShown,
    VerdictShown,
)
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.catalog_answers import CatalogShown
from app.modules.automation.api.serializers import PreviewAsked, RuleTrial
from app.modules.automation.diff.edit_conflict import present_rule, require_records

Read = TypeVar("Read")
Errors = dict[str, list[str]]


@api.call(
    "POST",
    "/rules/<int:id>/test/",
    Role.OPERATOR,
    answers={200: TrialShown},
    if_match=True,
    repeated="asks again",
)
def try_rule(id: int, body: Omittable[RuleTrial]) -> Response:
    """All checks of a real run, the conditions leaf by leaf, and the price; nothing is written."""
    rule = present_rule(id)
    require_records(rule, [body.record_id] if body.record_id else ())
    trial = dry_run(db.session(), rule, datetime.now(UTC), record_id=body.record_id, values=body.context)
    db.session.rollback()
    return report(TrialShown.model_validate(trial))


@api.call("POST", "/preview/", Role.OPERATOR, answers={200: PreviewShown}, repeated="asks again")
def show_preview(body: PreviewAsked) -> Response:
    """The next times of a schedule, and the result of conditions on a context, from the request's body."""
    errors = dict[str, list[str]]()
    record_type = _noted(errors, lambda: _record_type(body))
    schedule = _noted(errors, lambda: _schedule(body))
    node = _noted(errors, lambda: _conditions(body, record_type)) if not errors.keys() & _WORDS else None
    if errors:
        raise Invalid(errors)
    now, shown = datetime.now(UTC), PreviewShown(errors={})
    if schedule:
        shown.schedule = _times(schedule, body.after or now, body.count)
    if node:
        shown.conditions = _verdict(node, body, record_type, _zone(schedule), now)
    return report(shown)


@api.call("GET", "/catalog/", Role.VIEWER, answers={200: CatalogShown})
def show_catalog() -> Response:
    """Triggers, record types with fields and operators, actions with parameters and price."""
    actions = [
        {
            "type": entry.key,
            "label": entry.label,
            "takes": list(entry.takes),
            "makes": entry.makes,
            "price": entry.price_text,
            "params": entry.params.model_json_schema(),
            "local": entry.local,
            "time_limit_seconds": entry.seconds,
            "events": list(entry.events),
        }
        for entry in CATALOGUE.values()
    ]
    return report(CatalogShown.model_validate(catalog() | {"actions": actions}))


_WORDS = {"trigger", "record_type"}


def _noted(errors: Errors, read: Callable[[], Read]) -> Read | None:
    try:
        return read()
    except Invalid as refusal:
        errors.update(refusal.errors)
        return None


def _record_type(asked: PreviewAsked) -> str | None:
    """The record type of the conditions: the trigger's, else the one sent."""
    if asked.trigger is not None and asked.trigger not in TRIGGERS:
        raise Invalid({"trigger": [f"Unknown trigger. Choose one of: {', '.join(TRIGGERS)}."]})
    if asked.record_type not in (None, *RECORD_TYPES):
        raise Invalid({"record_type": [f"Unknown record type. Choose one of: {', '.join(RECORD_TYPES)}."]})
    given = TRIGGERS[asked.trigger].record_type if asked.trigger else None
    if given and asked.record_type not in (None, given):
        raise Invalid(
            {"record_type": [f"With the trigger {asked.trigger} the rule works on {given} records."]}
        )
    return given or asked.record_type


def _schedule(asked: PreviewAsked) -> Schedule | None:
    if asked.schedule is None:
        return None
    zone = {} if asked.schedule.get("timezone") else {"timezone": current_person().account.timezone}
    return parse_schedule(asked.schedule | zone, shortest_interval_minutes=None)


def _conditions(asked: PreviewAsked, record_type: str | None) -> Node | None:
    if asked.conditions is None:
        return None
    if asked.trigger is None:
        return parse_free(asked.conditions)
    return parse_conditions(asked.conditions, record_type=subject_of(asked.trigger, record_type))


def _times(schedule: Schedule, after: datetime, count: int) -> TimesShown:
    found = preview(schedule, after, count)
    return TimesShown(description=describe(schedule), next=[time.local for time in found])


def _verdict(
    node: Node, asked: PreviewAsked, record_type: str | None, zone: ZoneInfo, now: datetime
) -> VerdictShown:
    facts, evaluator = (
        context_facts(asked.context, now=now, zone=zone, record_type=record_type),
        ConditionEvaluator(),
    )
    return VerdictShown(result=evaluator.evaluate(node, facts), trace=evaluator.trace(node, facts))


def _zone(schedule: Schedule | None) -> ZoneInfo:
    return ZoneInfo(schedule.timezone if schedule else current_person().account.timezone)
