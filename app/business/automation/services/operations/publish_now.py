"""Publishing one article for a person: a run like any other, of a rule that every account has and no list shows.

So it is in the history with who asked for it, is done by a step worker, outlives a worker's death, and is tried again.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.actions.publishing_handler import WISH
from app.business.automation.services.automation_service import Actor
from app.business.automation.services.catalogue.actions.publish_content import PUBLISH_CONTENT
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.rules.definition import parse_definition
from app.business.automation.services.rules.versions import keep_version, write
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.outlets.site_publisher import PostStatus
from app.business.writer.models import Content
from app.business.writer.services import publishing

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


def publish_now(
    session: Session,
    content: Content,
    actor: Actor,
    now: datetime,
    *,
    status: PostStatus | None = None,
    overwrite: bool = False,
) -> ScheduledTask:
    """Open the run that publishes the article, or updates its post. Raises Conflict where that cannot be.

    `status`: None keeps that of a published article, else it is the default of the site.
    """
    publishing.require_publishable(session, content)
    opening = Opening(
        actor.cause,
        now,
        record_type="content",
        records=[content.id],
        site_id=content.site_id,
        user_id=actor.user_id,
        api_key_id=actor.api_key_id,
        options={WISH: {"status": status, "overwrite": overwrite}},
    )
    run = open_run(session, _rule(session, content.account_id, now), opening)
    publishing.note_run(session, content, run.id, now)
    return run


def _rule(session: Session, account_id: int, now: datetime) -> AutomationRule:
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
