"""Explanation pages of a record: all rules that could have taken it, and one of them in detail."""

from datetime import UTC, datetime

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.record_models import MODELS
from app.business.automation.services.conditions.match_preview import title_of
from app.business.automation.services.rules.known_rules import known_rule
from app.business.automation.services.why.explanation import Why, why, why_each
from app.business.automation.services.why.reading import Reading
from app.business.errors import NotFound
from app.business.planner.models import Record
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.automation.labels.explanations import as_now_words
from app.modules.automation.labels.repairs import repair_text
from app.modules.automation.labels.traces import TraceLine, trace_lines
from app.modules.automation.views.rules import place_of

PLACES = {
    "keyword": ("Keywords", "planner.keywords", "planner.keyword"),
    "cluster": ("Clusters", "planner.clusters", "planner.cluster"),
    "idea": ("Ideas", "planner.ideas", "planner.idea"),
    "task": ("Tasks", "writer.tasks", "writer.task"),
    "content": ("Content", "writer.contents", "writer.content"),
}
"""Record type -> its list and its page."""


@allow(Role.VIEWER)
def index(record_type: str, id: int) -> ResponseReturnValue:
    """Every rule that works on such records, with its result for this one."""
    record = record_of(record_type, id)
    answers = why_each(db.session(), current_person().scope, record, record_type, datetime.now(UTC))
    return render_template(
        "pages/automation/why.html",
        record=record,
        record_type=record_type,
        title=title_of(record),
        crumbs=_breadcrumbs(record_type, record),
        answers=[(answer, *_said(answer.rule)) for answer in answers],
    )


@allow(Role.VIEWER)
def show(record_type: str, id: int, rule_id: int) -> ResponseReturnValue:
    """One rule: what happened, the conditions as they were, and the smallest change."""
    record, rule = record_of(record_type, id), owned_or_404(AutomationRule, rule_id)
    if rule.record_type != record_type:
        raise NotFound()
    answer = why(db.session(), rule, record, datetime.now(UTC), at=_asked())
    sentence, may_test = _said(rule)
    return render_template(
        "pages/automation/why_rule.html",
        record=record,
        record_type=record_type,
        title=title_of(record),
        rule=rule,
        crumbs=_breadcrumbs(record_type, record),
        answer=answer,
        sentence=sentence,
        may_test=may_test,
        readings=_readings(answer),
    )


def _said(rule: AutomationRule) -> tuple[str, bool]:
    """What the rule says, and whether this person may test it."""
    known = known_rule(rule)
    if known.errors:
        return repair_text(known.errors), False
    may_test = current_person().can(Role.OPERATOR) and not rule.archived_at
    return known.summary(place_of(rule), {}), may_test


def record_of(record_type: str, id: int) -> Record:
    """The account's record. Raises NotFound, also for an unknown type."""
    if record_type not in MODELS:
        raise NotFound()
    return owned_or_404(MODELS[record_type], id)


def _breadcrumbs(record_type: str, record: Record) -> list[tuple[str, str]]:
    """The list of such records, and this one."""
    word, many, one = PLACES[record_type]
    return [(word, url_for(many)), (title_of(record), url_for(one, id=record.id))]


def _readings(answer: Why) -> list[tuple[str, Reading, list[TraceLine], str]]:
    """(heading, reading, its lines, note on values that are as of now)."""
    found = [("then", answer.then), ("now", answer.now)]
    return [
        (name, reading, trace_lines(reading.trace, answer.rule.record_type), as_now_words(reading))
        for name, reading in found
        if reading is not None
    ]


def _asked() -> datetime | None:
    """A moment given in the address; anything else is ignored."""
    try:
        at = datetime.fromisoformat(request.args.get("at", ""))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo and 1 < at.year < 9999 else None
