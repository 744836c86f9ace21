"""REST: why a rule took a record, or did not."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from flask import Response

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.nodes import Count
from app.business.automation.services.why.explanation import Why, why
from app.business.automation.services.why.history import RuleMoment
from app.business.automation.services.why.reading import Reading
from app.business.automation.services.why.smallest_change import Flip
from app.business.errors import Conflict
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.api.resource import BadQuery, report
from app.modules.automation.api.answers import GateShown, Happened, ReadingShown, SmallestChange, WhyShown
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.serializers import WhyQuery


@api.call("GET", "/rules/<int:id>/why/", Role.VIEWER, answers={200: WhyShown}, errors=(Conflict,))
def explain_rule(id: int, query: WhyQuery) -> Response:
    """What happened between the rule and `record_id`, up to now or to `at`."""
    rule, at, now = owned_or_404(AutomationRule, id), query.at, datetime.now(UTC)
    if query.record_id is None:
        raise BadQuery({"record_id": ["Name the record."]})
    if rule.record_type is None:
        raise Conflict("This rule works on no records: it looks at account figures only.")
    record = owned_or_404(MODELS[rule.record_type], query.record_id)
    if at is not None:
        at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(current_person().account.timezone))
        if at > now:
            raise BadQuery({"at": ["Choose a moment that has passed."]})
    return report(_shown(why(db.session(), rule, record, now, at=at), rule.record_type, record.id))


def _shown(answer: Why, record_type: str, record_id: int) -> WhyShown:
    return WhyShown(
        rule=answer.rule.id,
        record_type=record_type,
        record_id=record_id,
        verdict=answer.verdict,
        headline=answer.headline,
        happenings=[_moment(item) for item in answer.moments],
        gates=[GateShown(**check) for check in answer.checks],
        then=_reading(answer.then),
        now=_reading(answer.now),
    )


def _moment(item: RuleMoment) -> Happened:
    return Happened(
        at=item.at,
        kind=item.kind,
        sentence=item.sentence,
        run=item.run.id if item.run else None,
        rule_version=item.version,
        count=item.count,
        first_at=item.first_at,
    )


def _reading(reading: Reading | None) -> ReadingShown | None:
    if reading is None:
        return None
    return ReadingShown(
        at=reading.at,
        rule_version=reading.version,
        source=reading.source,
        as_now=reading.as_now,
        result=reading.is_met,
        conditions=reading.trace,
        smallest_change=None if reading.turns is None else [_turn(turn) for turn in reading.turns],
        advice=reading.advice,
    )


def _turn(turn: Flip) -> SmallestChange:
    question = turn.question
    about = (
        {"count": question.relation, "of": question.of}
        if isinstance(question, Count)
        else {"field": question.field}
    )
    actual = turn.actual.isoformat() if isinstance(turn.actual, date) else turn.actual
    return SmallestChange(
        **about, operator=question.operator.value, value=question.value, actual=actual, wanted=turn.wanted
    )
