"""REST: the versions of a rule, and going back: to an old version, or to a rule that was archived."""

from datetime import UTC, datetime

from flask import Response
from pydantic import Field

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.rule_changes.proposing import save_or_propose
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.listing import (
    definition_to_restore,
    savers_of,
    version_of,
    versions_page,
)
from app.business.automation.services.rules.sentence import summary_of
from app.business.automation.services.rules.versions import definition_of
from app.business.errors import Blocked
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.api.fields import JsonObject
from app.modules.api.records import Readable, show
from app.modules.api.resource import Listed, Window, answer, listed_as, saved
from app.modules.automation.api.answers import ChangeShown
from app.modules.automation.api.blueprint import api
from app.modules.automation.api.rule_changes import waits_for_approval
from app.modules.automation.api.rule_json import show_rule
from app.modules.automation.api.rules import SAVED_OR_WAITS, service
from app.modules.automation.api.serializers import RuleShown
from app.modules.automation.diff.edit_conflict import rule_to_change
from app.modules.automation.diff.rules import rule_changes
from app.modules.automation.diff.versions import changes_of_versions, restore_errors
from app.modules.automation.rule_form.choices import load_choices
from app.modules.changes import Change
from app.modules.run_actor import actor


class RuleVersionShown(Readable):
    """A version of a rule. `user`: who saved it, null for the console itself · `changes`: from the version before.

    Without changes it is the first version, or only its archiving changed.
    """

    version: int
    created_at: datetime
    user: int | None = Field(validation_alias="created_by_id")
    user_name: str | None = None
    changes: list[ChangeShown] = Field(default_factory=list)


class RuleVersionWhole(RuleVersionShown):
    """A version with what it said. `definition`: the rule as PUT takes it · `changes_since`: from it to the rule as it
    is now · `errors`: why it cannot be restored now, by field; empty where it can."""

    summary: str = ""
    definition: JsonObject
    changes_since: list[ChangeShown] = Field(default_factory=list)
    errors: dict[str, list[str]] = Field(default_factory=dict)


@api.call("GET", "/rules/<int:id>/versions/", Role.VIEWER, answers={200: Listed[RuleVersionShown]})
def list_versions(id: int, window: Window) -> Response:
    """The versions of a rule, newest first, each with what it changed."""
    session, rule = db.session(), owned_or_404(AutomationRule, id)
    page = versions_page(session, rule, cursor=window.cursor, limit=window.limit)
    names = savers_of(session, rule, page.rows)
    changes = changes_of_versions(session, rule, page.rows, load_choices(session, current_person().scope))
    shown = [
        show(RuleVersionShown, version).model_copy(
            update={"user_name": names.get(version.created_by_id), "changes": _shown(changed)}
        )
        for version, changed in zip(page.rows, changes, strict=True)
    ]
    return listed_as(window, page, shown)


@api.call(
    "GET",
    "/rules/<int:id>/versions/<int:number>/",
    Role.VIEWER,
    answers={200: RuleVersionWhole},
    if_match=True,
)
def get_version(id: int, number: int) -> Response:
    """One version of a rule: what it said, what it changed, and what has changed since."""
    session, rule = db.session(), owned_or_404(AutomationRule, id)
    version, saved_by = version_of(session, rule, number)
    choices = load_choices(session, current_person().scope)
    (changes,) = changes_of_versions(session, rule, [version], choices)
    whole = {
        "user_name": saved_by,
        "summary": summary_of(definition_from(version.definition)),
        "changes": _shown(changes),
        "changes_since": _shown(rule_changes(version.definition, definition_of(rule), choices)),
        "errors": restore_errors(session, rule, number),
    }
    return answer(show(RuleVersionWhole, version).model_copy(update=whole))


@api.call(
    "POST",
    "/rules/<int:id>/versions/<int:number>/restore/",
    Role.EDITOR,
    answers=SAVED_OR_WAITS,
    errors=(Blocked,),
    if_match=True,
)
def restore_version(id: int, number: int) -> Response:
    """Save what an old version said as a new one, checked like every change; the switch stays as it is.
    202: a second person must approve it first.

    If-Match names the version of the rule.
    """
    now, rule = datetime.now(UTC), rule_to_change(id)
    data = definition_to_restore(db.session(), rule, number)

    def save() -> AutomationRule:
        return service.update_rule(db.session(), rule, data, actor(), now)

    if change := save_or_propose(db.session(), rule, actor(), now, save):
        return waits_for_approval(change)
    return saved(answer(show_rule(rule, now), version=rule.version))


@api.call("POST", "/rules/<int:id>/restore/", Role.EDITOR, answers={200: RuleShown}, if_match=True)
def restore_rule(id: int) -> Response:
    """Bring an archived rule back, switched off; where its name is taken meanwhile, with a number behind it."""
    now, rule = datetime.now(UTC), rule_to_change(id)
    service.restore(db.session(), rule, actor(), now)
    return saved(answer(show_rule(rule, now), version=rule.version))


def _shown(changes: list[Change]) -> list[ChangeShown]:
    return [show(ChangeShown, change) for change in changes]
