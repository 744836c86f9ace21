"""REST: changes of rules that a second person approves. Keys propose and withdraw, people who are signed in decide."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from flask import Response, url_for
from pydantic import Field

from app.business.accounts.models import Role
from app.business.automation.rule_change_models import ChangeKind, ChangeState, RuleChange
from app.business.automation.services.rule_changes import deciding
from app.business.automation.services.rule_changes.listing import changes_page, find_change
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.sentence import summary_of
from app.business.errors import Blocked, Conflict
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.api.bodies import CheckedLater
from app.modules.api.fields import JsonObject
from app.modules.api.models import ApiModel
from app.modules.api.records import RowId, show
from app.modules.api.resource import (
    Listed,
    Query,
    Schema,
    Window,
    answer,
    checked,
    listed_as,
    require_present,
    saved,
)
from app.modules.automation.api.answers import ChangeShown
from app.modules.automation.api.blueprint import api
from app.modules.automation.diff.proposed import differences_of
from app.modules.automation.rule_form.choices import load_choices
from app.modules.changes import Change
from app.modules.gate.preconditions import if_match
from app.modules.run_actor import actor


class RuleChangeShown(ApiModel):
    """A definition that a rule is to have once a second person approves it. `kind`: what that makes of the rule ·
    `base_version`: the rule's version from which it was made; with a newer one it is outdated · `definition`: the rule
    as PUT takes it · `changes`: what differs from that version · `proposed_by`, `decided_by`: people · `by_key`: sent
    by a key of that person · `reason`: why it was not approved."""

    id: int
    url: str
    rule: int
    kind: ChangeKind
    state: ChangeState
    base_version: int
    note: str
    summary: str
    definition: JsonObject
    changes: list[ChangeShown]
    proposed_by: int
    by_key: bool
    proposed_at: datetime
    decided_by: int | None
    decided_at: datetime | None
    reason: str


class RuleChangeQuery(Query):
    """Filters of the list of changes."""

    state: ChangeState | None = None
    rule: RowId | None = Field(None, description="The id of the rule.")
    ordering: Literal["proposed_at", "-proposed_at"] = "-proposed_at"


class SendBackChange(Schema):
    """Why the change is not approved, for whoever has proposed it."""

    reason: Annotated[str, Field(min_length=1, max_length=deciding.REASON_LIMIT)]


@api.call("GET", "/rule-changes/", Role.VIEWER, answers={200: Listed[RuleChangeShown]})
def list_rule_changes(query: RuleChangeQuery, window: Window) -> Response:
    """Changes of rules that wait for a second person or did, newest first unless said otherwise."""
    page = changes_page(
        db.session(),
        current_person().scope,
        state=query.state,
        rule_id=query.rule,
        cursor=window.cursor,
        limit=window.limit,
        oldest=query.ordering == "proposed_at",
    )
    return listed_as(window, page, _shown(page.rows))


@api.call("GET", "/rule-changes/<int:id>/", Role.VIEWER, answers={200: RuleChangeShown}, if_match=True)
def get_rule_change(id: int) -> Response:
    """One change of a rule."""
    return answer(_show(_present(id)))


@api.call(
    "POST",
    "/rule-changes/<int:id>/approve/",
    Role.EDITOR,
    answers={200: RuleChangeShown},
    errors=(Blocked, Conflict),
    if_match=True,
)
def approve_rule_change(id: int) -> Response:
    """Apply the change as a new version of the rule, checked like every save; if the rule was changed since, it is
    outdated. Not for keys, nor for whoever has proposed it."""
    change = _present(id)
    deciding.approve(db.session(), change, actor(), datetime.now(UTC))
    return saved(answer(_show(change)))


@api.call(
    "POST",
    "/rule-changes/<int:id>/send-back/",
    Role.EDITOR,
    answers={200: RuleChangeShown},
    errors=(Conflict,),
    if_match=True,
)
def send_back_rule_change(id: int, body: CheckedLater[SendBackChange]) -> Response:
    """Refuse the change with a reason. Not for keys, nor for whoever has proposed it."""
    change = _present(id)
    reason = checked(SendBackChange, body.sent).reason
    deciding.send_back(db.session(), change, actor(), reason, datetime.now(UTC))
    return saved(answer(_show(change)))


@api.call(
    "POST",
    "/rule-changes/<int:id>/withdraw/",
    Role.EDITOR,
    answers={200: RuleChangeShown},
    errors=(Conflict,),
    if_match=True,
)
def withdraw_rule_change(id: int) -> Response:
    """End a change that oneself, or a key of one's own, has proposed."""
    change = _present(id)
    deciding.withdraw(db.session(), change, actor(), datetime.now(UTC))
    return saved(answer(_show(change)))


def waits_for_approval(change: RuleChange) -> Response:
    """202: what was asked for is not done yet, and waits as this change."""
    response = answer(_show(change), 202)
    response.location = _address(change)
    return saved(response)


def _present(id: int) -> RuleChange:
    """The change, in the state given by If-Match. Raises NotFound, Stale."""
    change = find_change(db.session(), current_person().scope, id)
    if if_match():
        require_present(_show(change))
    return change


def _show(change: RuleChange) -> RuleChangeShown:
    return _shown([change])[0]


def _shown(changes: Sequence[RuleChange]) -> list[RuleChangeShown]:
    session = db.session()
    choices = load_choices(session, current_person().scope) if changes else None
    differences = differences_of(session, changes, choices) if choices else {}
    return [_of(change, differences[change.id]) for change in changes]


def _of(change: RuleChange, differences: list[Change]) -> RuleChangeShown:
    return RuleChangeShown(
        id=change.id,
        url=_address(change),
        rule=change.rule_id,
        kind=ChangeKind(change.kind),
        state=ChangeState(change.state),
        base_version=change.base_version,
        note=change.note,
        summary=summary_of(definition_from(change.definition)),
        definition=change.definition,
        changes=[show(ChangeShown, difference) for difference in differences],
        proposed_by=change.proposed_by_id,
        by_key=change.api_key_id is not None,
        proposed_at=change.proposed_at,
        decided_by=change.decided_by_id,
        decided_at=change.decided_at,
        reason=change.reason,
    )


def _address(change: RuleChange) -> str:
    return url_for("automation_api.get_rule_change", id=change.id)
