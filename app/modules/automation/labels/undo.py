"""What undoing a run means, in words: credits, follow-ups, what has left the house, and whether it comes again."""

from collections.abc import Sequence

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import ScheduledTask
from app.business.automation.services.catalogue.actions.notify import NOTIFY
from app.business.automation.services.catalogue.actions.publish_content import PUBLISH_CONTENT
from app.business.automation.services.catalogue.actions.send_webhook import SEND_WEBHOOK
from app.business.automation.services.catalogue.actions.switch_rules import PAUSE_RULE, RESUME_RULE
from app.business.automation.services.catalogue.actions.update_records import UPDATE_RECORDS
from app.business.automation.services.rules.definition import RuleDefinition
from app.modules.display import plural

STAYS = {
    NOTIFY.key: "Notices and mails that it sent stay sent.",
    SEND_WEBHOOK.key: "Webhooks that it sent stay sent.",
    PUBLISH_CONTENT.key: "What it published stays published: take it down on the article's page.",
    PAUSE_RULE.key: "Rules that it switched off stay off.",
    RESUME_RULE.key: "Rules that it switched on stay on.",
    UPDATE_RECORDS.key: "Labels, notes, people and days that it set stay; only statuses are given back.",
}
MOST_NAMED = 5


def consequences(
    run: ScheduledTask,
    rule: AutomationRule,
    definition: RuleDefinition,
    followers: Sequence[ScheduledTask],
) -> list[str]:
    """What a person should know before undoing the run."""
    return [
        _credits(run),
        "Archived records leave every list and rule; their pages can no longer be opened. It starts no rule.",
        *dict.fromkeys(STAYS[action.type] for action in definition.actions if action.type in STAYS),
        *_follow_ups(followers),
        _again(rule, definition),
    ]


def _credits(run: ScheduledTask) -> str:
    used = plural(run.credits_used, "credit")
    return f"The {used} that it spent stay spent." if run.credits_used else "It spent no credits."


def _follow_ups(followers: Sequence[ScheduledTask]) -> list[str]:
    if not followers:
        return []
    named = ", ".join(str(follower.id) for follower in followers[:MOST_NAMED])
    more = f" and {len(followers) - MOST_NAMED} more" if len(followers) > MOST_NAMED else ""
    runs, are = ("Run", "is") if len(followers) == 1 else ("Runs", "are")
    return [
        f"{runs} {named}{more} went on with its work and {are} not undone with it: what was made there, and what "
        "that was made from, stays. To undo all of it, begin with the last one."
    ]


def _again(rule: AutomationRule, definition: RuleDefinition) -> str:
    kept = (
        "The records it worked on stay handled: only “Do it again” on its page, with its price, takes them."
    )
    if not rule.is_active or rule.archived_at or definition.repeat == "once":
        return kept
    often = (
        "each time"
        if definition.repeat == "always"
        else f"again after {plural(definition.repeat_after_days or 0, 'day')}"
    )
    return f"{kept} But this rule takes records {often}: switch it off, or it may do the same once more."
