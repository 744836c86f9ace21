"""REST: why a rule took a record, or did not."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, jsonify

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.nodes import Count
from app.business.automation.services.why.explanation import Why, why
from app.business.automation.services.why.history import Happening
from app.business.automation.services.why.reading import Reading
from app.business.automation.services.why.smallest_change import Turn
from app.business.errors import Conflict
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.api.resource import BadQuery, read_query
from app.modules.automation.api.serializers import WhyQuery


@allow(Role.VIEWER)
def explain_rule(id: int) -> Response:
    """GET why: what happened between the rule and `record_id`, up to now or to `at`."""
    asked, now = read_query(WhyQuery), datetime.now(UTC)
    rule = owned_or_404(AutomationRule, id)
    if "record_id" not in asked:
        raise BadQuery({"record_id": ["Name the record."]})
    if rule.record_type is None:
        raise Conflict("This rule works on no records: it looks at account figures only.")
    record = owned_or_404(MODELS[rule.record_type], asked["record_id"])
    at = asked.get("at")
    if at is not None:
        at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(current_person().account.timezone))
        if at > now:
            raise BadQuery({"at": ["Choose a moment that has passed."]})
    return jsonify(_shown(why(db.session(), rule, record, now, at=at), record.id))


def _shown(answer: Why, record_id: int) -> dict[str, Any]:
    return {
        "rule": answer.rule.id,
        "record_type": answer.rule.record_type,
        "record_id": record_id,
        "verdict": answer.verdict,
        "headline": answer.headline,
        "happenings": [_happening(item) for item in answer.happenings],
        "gates": answer.checks,
        "then": _reading(answer.then),
        "now": _reading(answer.now),
    }


def _happening(item: Happening) -> dict[str, Any]:
    return {
        "at": item.at.isoformat(),
        "kind": item.kind,
        "sentence": item.sentence,
        "run": item.run.id if item.run else None,
        "rule_version": item.version,
        "count": item.count,
        "first_at": item.first_at.isoformat() if item.first_at else None,
    }


def _reading(reading: Reading | None) -> dict[str, Any] | None:
    if reading is None:
        return None
    return {
        "at": reading.at.isoformat(),
        "rule_version": reading.version,
        "source": reading.source,
        "as_now": reading.as_now,
        "result": reading.is_met,
        "conditions": reading.trace,
        "smallest_change": None if reading.turns is None else [_turn(turn) for turn in reading.turns],
        "advice": reading.advice,
    }


def _turn(turn: Turn) -> dict[str, Any]:
    question = turn.question
    about = (
        {"count": question.relation, "of": question.of}
        if isinstance(question, Count)
        else {"field": question.field}
    )
    actual = turn.actual.isoformat() if hasattr(turn.actual, "isoformat") else turn.actual
    told = {"operator": question.operator.value, "value": question.value, "actual": actual}
    return about | told | {"wanted": turn.wanted}
