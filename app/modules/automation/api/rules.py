"""REST: rules, and all actions on them except running them."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from flask import Response, url_for
from pydantic import JsonValue

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import AutomationService
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.preflight.check import Finding
from app.business.automation.services.rule_changes.proposing import create_or_propose, save_or_propose
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.listing import RuleFilter, listed_rules_page
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.transfer import copies
from app.business.errors import Blocked, Invalid
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.api.bodies import CheckedLater, Omittable
from app.modules.api.fields import JsonObject
from app.modules.api.records import row_to_change
from app.modules.api.resource import Listed, Window, answer, json_of, listed_as, report, saved, writable
from app.modules.automation.api.answers import FindingShown, PreflightShown, RuleInLoop
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.rule_changes import RuleChangeShown, waits_for_approval
from app.modules.automation.api.rule_json import show_rule, show_rules
from app.modules.automation.api.serializers import (
    RULE_DERIVED,
    EnableRule,
    RuleListQuery,
    RuleQuery,
    RuleShown,
)
from app.modules.automation.diff.edit_conflict import present_rule, require_version, rule_to_change
from app.modules.automation.labels.findings import findings_of, is_blocked
from app.modules.run_actor import actor

Body = JsonObject

SAVED_OR_WAITS = {200: RuleShown, 202: RuleChangeShown}
service = AutomationService()
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@api.call("GET", "/rules/", Role.VIEWER, answers={200: Listed[RuleShown]})
def list_rules(query: RuleListQuery, window: Window) -> Response:
    """Rules, newest first unless said otherwise."""
    page = listed_rules_page(
        db.session(),
        current_person().scope,
        rule_filter(query),
        ordering=query.ordering,
        cursor=window.cursor,
        limit=window.limit,
    )
    return listed_as(window, page, show_rules(page.rows, datetime.now(UTC)))


@api.call("POST", "/rules/", Role.EDITOR, answers={201: RuleShown, 202: RuleChangeShown}, errors=(Blocked,))
def create_rule(body: CheckedLater[RuleDefinition]) -> Response:
    """Create a rule. Missing keys take their defaults. Where a second person must approve that it is on: 202, and the
    rule is there, switched off."""
    sent, now, account = storable(body.sent), datetime.now(UTC), current_person().account
    rule, change = create_or_propose(db.session(), account, sent, actor(), now)
    if change:
        return waits_for_approval(change)
    response = _shown(rule, now, 201)
    response.location = url_for(".get_rule", id=rule.id)
    return saved(response)


@api.call("GET", "/rules/<int:id>/", Role.VIEWER, answers={200: RuleShown}, if_match=True)
def get_rule(id: int) -> Response:
    """One rule, archived or not."""
    return _shown(owned_or_404(AutomationRule, id), datetime.now(UTC))


@api.call("PUT", "/rules/<int:id>/", Role.EDITOR, answers=SAVED_OR_WAITS, errors=(Blocked,), if_match=True)
def replace_rule(id: int, body: CheckedLater[RuleDefinition]) -> Response:
    """Replace one rule. Missing keys take their defaults. 202: a second person must approve it first."""
    return _change(id, storable(body.sent), lambda _rule, sent: sent)


@api.call("PATCH", "/rules/<int:id>/", Role.EDITOR, answers=SAVED_OR_WAITS, errors=(Blocked,), if_match=True)
def change_rule(id: int, body: CheckedLater[RuleDefinition]) -> Response:
    """Change one rule. Missing keys stay unchanged. 202: a second person must approve it first."""
    return _change(id, storable(body.sent), _merged)


@api.call("DELETE", "/rules/<int:id>/", Role.EDITOR, answers={204: None}, if_match=True)
def archive_rule(id: int) -> tuple[str, int]:
    """Archive one rule: it never runs again, its history stays."""
    now, rule = datetime.now(UTC), rule_to_change(id)
    service.archive(db.session(), rule, actor(), now)
    db.session.commit()
    return "", 204


@api.call(
    "POST", "/rules/<int:id>/enable/", Role.EDITOR, answers=SAVED_OR_WAITS, errors=(Blocked,), if_match=True
)
def enable_rule(id: int, body: Omittable[EnableRule]) -> Response:
    """Switch a rule on, and run it over existing records if requested. 202: a second person must approve it first, and
    existing records are left alone."""
    now, rule = datetime.now(UTC), rule_to_change(id)

    def enable() -> None:
        service.enable(db.session(), rule, actor(), now, backfill=body.backfill)

    if change := save_or_propose(db.session(), rule, actor(), now, enable):
        return waits_for_approval(change)
    return saved(_shown(rule, now))


@api.call("POST", "/rules/<int:id>/disable/", Role.EDITOR, answers={200: RuleShown}, if_match=True)
def disable_rule(id: int) -> Response:
    """Switch a rule off; planned runs are withdrawn."""
    now, rule = datetime.now(UTC), rule_to_change(id)
    service.disable(db.session(), rule, actor(), now)
    return saved(_shown(rule, now))


@api.call(
    "POST",
    "/rules/<int:id>/preflight/",
    Role.OPERATOR,
    answers={200: PreflightShown},
    if_match=True,
    repeated="asks again",
)
def preflight_rule(id: int) -> Response:
    """What would keep a rule from working, or make it do too much, once it is on."""
    findings = findings_of(present_rule(id), datetime.now(UTC))
    return report(PreflightShown(can_enable=not is_blocked(findings), findings=list(map(_finding, findings))))


@api.call("POST", "/rules/<int:id>/copy/", Role.EDITOR, answers={201: RuleShown}, if_match=True)
def copy_rule(id: int) -> Response:
    """Create a copy under a free name, switched off."""
    now, rule = datetime.now(UTC), present_rule(id)
    copy = copies.copy_rule(db.session(), rule, actor(), now)
    response = _shown(copy, now, 201)
    response.location = url_for(".get_rule", id=copy.id)
    return saved(response)


def rule_filter(query: RuleQuery) -> RuleFilter:
    """Converts the query parameters of the list of rules for the service."""
    on = None if query.is_active is None else "on" if query.is_active else "off"
    return RuleFilter("archived" if query.archived else on, query.trigger, query.site, query.text)


def _change(id: int, sent: Body, definition: Callable[[AutomationRule, Body], Body]) -> Response:
    now, rule = datetime.now(UTC), row_to_change(AutomationRule, id)
    shown = show_rule(rule, now)
    require_version(rule, shown)
    changes = writable(RuleDefinition, sent, json_of(shown), RULE_DERIVED)
    data = definition(rule, changes)

    def save() -> AutomationRule:
        return service.update_rule(db.session(), rule, data, actor(), now)

    if change := save_or_propose(db.session(), rule, actor(), now, save):
        return waits_for_approval(change)
    return saved(_shown(rule, now))


def _merged(rule: AutomationRule, changes: Body) -> Body:
    kept = definition_of(rule)
    if changes.get("trigger", rule.trigger) != rule.trigger and TRIGGERS[rule.trigger].record_type:
        # Do not keep the old trigger's record type: its author did not choose it.
        del kept["record_type"]
    return kept | changes


def _shown(rule: AutomationRule, now: datetime, status: int = 200) -> Response:
    return answer(show_rule(rule, now), status, version=rule.version)


def _finding(finding: Finding) -> FindingShown:
    return FindingShown(
        code=finding.code,
        level=finding.level.value,
        message=finding.sentence,
        advice=finding.advice,
        field=finding.field,
        loop=[
            RuleInLoop(rule=edge.source.rule_id, name=edge.source.name, what=edge.what)
            for edge in finding.loop
        ],
    )


def storable(body: Body) -> Body:
    """The body as sent. Raises Invalid for texts that the databases cannot store."""
    errors = {path: ["A character here cannot be stored. Remove it."] for path in _unstorable(body)}
    if errors:
        raise Invalid(errors)
    return body


def _unstorable(body: Body) -> Iterator[str]:
    """Top-level keys with text that contains an unpaired surrogate or NUL; iterative, because input may be nested
    deeply."""
    for key, value in body.items():
        level: list[JsonValue] = [key, value]
        while level:
            if any(isinstance(item, str) and _UNSTORABLE.search(item) for item in level):
                yield key
                break
            level = [child for item in level for child in _children(item)]


def _children(item: JsonValue) -> list[JsonValue]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else []
