"""The rule that publishes single articles: every account has it, and no list shows it.

So what a person asks for, and looking at a scheduled post once its time has come, are runs like any other.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause
from app.business.automation.services.catalogue.actions.publish_content import PUBLISH_CONTENT
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.definition import parse_definition
from app.business.automation.services.rules.versions import keep_version, write
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.writer.models import Content

WISH: Final = "publishing"
"""The option of a run that a person has asked for on an article's page: its `PublishOptions`."""
READ_BACK_AFTER = timedelta(minutes=1)
BUILT_IN = "publishing"
DEFINITION: JsonObject = {
    "name": "Publish by hand",
    "trigger": "status_changed",
    "trigger_options": {"record_type": "content"},
    # Whether an article is approved is asked when a person wants it published.
    "actions": [{"type": PUBLISH_CONTENT.key, "params": {"unapproved": True}}],
    "is_active": False,
    "max_executions_per_day": 100_000,
    "repeat": "always",
    "priority": 1,
}


def publishing_rule(session: Session, account_id: int, now: datetime) -> AutomationRule:
    query = select(AutomationRule).where(
        AutomationRule.account_id == account_id, AutomationRule.built_in == BUILT_IN
    )
    if found := session.scalar(query):
        return found
    rule = AutomationRule(
        account_id=account_id, built_in=BUILT_IN, archived_at=now, created_at=now, updated_at=now
    )
    write(rule, parse_definition(DEFINITION, shortest_interval_minutes=None))
    try:
        with session.begin_nested():
            keep_version(session, rule, now, None)
    except IntegrityError:
        # Another request was the first of the account at the same moment.
        return session.scalars(query).one()
    return rule


def read_back_later(session: Session, context: RunContext, content_id: int, at: datetime) -> None:
    """Open the run that looks, once the post's time has come, whether the site has published it."""
    content = session.get_one(Content, content_id)
    opening = Opening(
        Cause.MANUAL,
        at + READ_BACK_AFTER,
        record_type="content",
        records=[content.id],
        site_id=content.site_id,
        user_id=context.run.user_id,
        options={WISH: {"only_reads": True}},
    )
    open_run(session, publishing_rule(session, content.account_id, context.now), opening)
