"""REST: the records that a rule leaves alone after failed runs."""

from datetime import UTC, datetime

from flask import Response
from pydantic import Field

from app.business.accounts.models import Role
from app.business.automation.models import AutomationRule
from app.business.automation.services.rules.set_aside import free_set_aside, set_aside_page
from app.infrastructure.database import db
from app.modules.access import owned_or_404
from app.modules.api.models import ApiModel
from app.modules.api.records import Readable, show
from app.modules.api.resource import Listed, Window, listed, report, saved
from app.modules.automation.api.blueprint import api
from app.modules.automation.diff.edit_conflict import rule_to_change


class SetAsideShown(Readable):
    """A record that the rule leaves alone since three of its runs failed on it. `run`: the last of them."""

    record_type: str
    record_id: int
    run: int = Field(validation_alias="run_id")
    failures: int
    updated_at: datetime


class GivenBackShown(ApiModel):
    """`records`: how many the rule may take again."""

    records: int


@api.call("GET", "/rules/<int:id>/set-aside/", Role.VIEWER, answers={200: Listed[SetAsideShown]})
def list_set_aside(id: int, window: Window) -> Response:
    """The records that a rule has set aside, by type and id, the highest first."""
    rule = owned_or_404(AutomationRule, id)
    page = set_aside_page(db.session(), rule, cursor=window.cursor, limit=window.limit)
    return listed(window, page, lambda record: show(SetAsideShown, record))


@api.call("POST", "/rules/<int:id>/give-back/", Role.EDITOR, answers={200: GivenBackShown}, if_match=True)
def give_back(id: int) -> Response:
    """Let a rule take again the records that it has set aside."""
    rule = rule_to_change(id)
    return saved(report(GivenBackShown(records=free_set_aside(db.session(), rule, datetime.now(UTC)))))
