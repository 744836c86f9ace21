"""REST: rules, and what can be done with them short of running them."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from flask import Response, jsonify, url_for

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.automation.services.rules.listing import RuleFilter, rules_page
from app.business.automation.services.rules.versions import definition_of
from app.business.automation.services.transfer import copies
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.api.records import row_to_change
from app.modules.api.resource import (
    answer,
    json_body,
    listed_as,
    read_optional,
    read_query,
    saved,
    window,
    writable,
)
from app.modules.automation.api.rule_json import show_rule, show_rules
from app.modules.automation.api.serializers import RULE_DERIVED, EnableRule, NothingAsked, RuleQuery
from app.modules.automation.diff.edit_conflict import present_rule, require_version, rule_to_change
from app.modules.automation.labels.findings import as_json, findings_of

Body = dict[str, Any]

service = AutomationService()
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@allow(Role.VIEWER)
def list_rules() -> Response:
    """GET rules, last made first."""
    chosen, part = read_query(RuleQuery), window()
    on = chosen.get("is_active")
    state = "archived" if chosen.get("archived") else None if on is None else "on" if on else "off"
    filters = RuleFilter(state, chosen.get("trigger"), chosen.get("site"), chosen.get("text"))
    account_id = current_person().account.id
    page = rules_page(db.session(), account_id, filters, cursor=part.cursor, limit=part.limit)
    return listed_as(show_rules(page.rows, datetime.now(UTC)), page.next_cursor)


@allow(Role.EDITOR)
def create_rule() -> Response:
    """POST rules: absent keys take the defaults that suit most rules."""
    now, account = datetime.now(UTC), current_person().account
    rule = service.create_rule(db.session(), account, _rule_body(), actor(), now)
    response = _shown(rule, now, 201)
    response.location = url_for(".get_rule", id=rule.id)
    return saved(response)


@allow(Role.VIEWER)
def get_rule(id: int) -> Response:
    """GET one rule; archived ones too."""
    return _shown(owned_or_404(AutomationRule, id), datetime.now(UTC))


@allow(Role.EDITOR)
def replace_rule(id: int) -> Response:
    """PUT one rule: an absent key takes its default."""
    return _change(id, lambda _rule, sent: sent)


@allow(Role.EDITOR)
def change_rule(id: int) -> Response:
    """PATCH one rule: an absent key stays as it is."""
    return _change(id, _merged)


@allow(Role.EDITOR)
def archive_rule(id: int) -> tuple[str, int]:
    """DELETE one rule: it never runs again, its history stays."""
    now, rule = datetime.now(UTC), rule_to_change(id)
    service.archive(db.session(), rule, actor(), now)
    db.session.commit()
    return "", 204


@allow(Role.EDITOR)
def enable_rule(id: int) -> Response:
    """POST enable: switch it on, and run it on what is here already when asked to."""
    asked, now, rule = read_optional(EnableRule), datetime.now(UTC), rule_to_change(id)
    service.enable(db.session(), rule, actor(), now, backfill=asked.backfill)
    return saved(_shown(rule, now))


@allow(Role.OPERATOR)
def look_over_rule(id: int) -> Response:
    """POST preflight: what would keep it from working, or make it work too much, once it is on."""
    read_optional(NothingAsked)
    return jsonify(as_json(findings_of(present_rule(id), datetime.now(UTC))))


@allow(Role.EDITOR)
def disable_rule(id: int) -> Response:
    """POST disable: switch it off; what was only planned is withdrawn."""
    read_optional(NothingAsked)
    now, rule = datetime.now(UTC), rule_to_change(id)
    service.disable(db.session(), rule, actor(), now)
    return saved(_shown(rule, now))


@allow(Role.EDITOR)
def copy_rule(id: int) -> Response:
    """POST copy: the same rule again, switched off, under a name of its own."""
    read_optional(NothingAsked)
    now, rule = datetime.now(UTC), present_rule(id)
    copy = copies.copy_rule(db.session(), rule, actor(), now)
    response = _shown(copy, now, 201)
    response.location = url_for(".get_rule", id=copy.id)
    return saved(response)


def actor() -> Actor:
    """Who asks, for the service: runs started by a key have the cause api."""
    person = current_person()
    return Actor(person.user.id, person.role, person.key.id if person.key else None)


def _change(id: int, definition: Callable[[AutomationRule, Body], Body]) -> Response:
    sent, now, rule = _rule_body(), datetime.now(UTC), row_to_change(AutomationRule, id)
    shown = show_rule(rule, now)
    require_version(rule, shown)
    changes = writable(RuleDefinition, sent, shown, RULE_DERIVED)
    service.update_rule(db.session(), rule, definition(rule, changes), actor(), now)
    return saved(_shown(rule, now))


def _merged(rule: AutomationRule, changes: Body) -> Body:
    kept = definition_of(rule)
    if changes.get("trigger", rule.trigger) != rule.trigger and TRIGGERS[rule.trigger].record_type:
        # The old trigger's record type was never the author's choice.
        del kept["record_type"]
    return kept | changes


def _shown(rule: AutomationRule, now: datetime, status: int = 200) -> Response:
    return answer(show_rule(rule, now), status, version=rule.version)


def _rule_body() -> Body:
    body = json_body()
    errors = {path: ["A character here cannot be stored. Remove it."] for path in _unstorable(body)}
    if errors:
        raise Invalid(errors)
    return body


def _unstorable(body: Body) -> Iterator[str]:
    """The top keys under which some text holds half a character pair or a NUL; level by level, never deep."""
    for key, value in body.items():
        level: list[Any] = [key, value]
        while level:
            if any(isinstance(item, str) and _UNSTORABLE.search(item) for item in level):
                yield key
                break
            level = [child for item in level for child in _children(item)]


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else []
