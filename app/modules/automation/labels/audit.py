"""The audit log in words: what was done, to what, and the names of what differs."""

from collections.abc import Mapping

KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "rules": ("Rules", ("automation_rule", "rule_change")),
    "people": ("People and sign-ins", ("user",)),
    "keys": ("API keys", ("api_key",)),
    "account": ("Account, plan and budgets", ("account",)),
    "sites": ("Sites", ("site", "site_calendar")),
    "connections": (
        "Connections",
        ("ai_connection", "wordpress_connection", "webhook", "incoming_address"),
    ),
    "records": ("Records", ("keyword", "cluster", "idea", "task", "content")),
    "runs": ("Runs and incidents", ("scheduled_task", "operation", "incident")),
}
"""What people filter by: its words, and the tables."""

ACTIONS: Mapping[str, str] = {
    "account.changed": "changed the settings of",
    "account.closed": "closed",
    "account.made": "made",
    "account.paused": "paused all automation of",
    "account.resumed": "resumed all automation of",
    "ai_connection.changed": "changed",
    "ai_connection.removed": "removed",
    "api_key.changed": "changed",
    "api_key.made": "made",
    "api_key.revoked": "revoked",
    "calendar.changed": "changed",
    "calendar.removed": "removed",
    "content.share_ended": "ended a share link of",
    "content.shared": "made a share link of",
    "credits.adjusted": "adjusted the credits of",
    "incident.muted": "muted",
    "incident.unmuted": "reports again",
    "incoming.ended": "ended",
    "incoming.made": "made",
    "incoming.renewed": "renewed",
    "plan.changed": "changed the plan of",
    "rule.archived": "archived",
    "rule.changed": "changed",
    "rule.created": "made",
    "rule.disabled": "switched off",
    "rule.enabled": "switched on",
    "rule.restored": "restored",
    "rule_change.approved": "approved",
    "rule_change.proposed": "asked for approval of",
    "rule_change.sent_back": "sent back",
    "rule_change.withdrawn": "withdrew",
    "rule.stopped": "switched off, after failures in a row,",
    "run.answered": "answered the question of",
    "run.undone": "began to undo",
    "runs.retried": "retried runs in",
    "site.changed": "changed",
    "site.made": "made",
    "user.added": "added",
    "user.link_made": "made a sign-in link for",
    "user.passkey_added": "added a passkey of",
    "user.passkey_refused": "refused a passkey, which may be a copy, of",
    "user.passkey_removed": "removed a passkey of",
    "user.passkey_renamed": "renamed a passkey of",
    "user.password_changed": "changed the password of",
    "user.password_reset": "reset the password of",
    "user.recovery_codes_made": "made new recovery codes for",
    "user.role_changed": "changed the role of",
    "user.second_factor_off": "switched off the second factor of",
    "user.second_factor_on": "switched on the second factor of",
    "user.signed_in": "signed in",
    "user.signed_out": "signed browsers out of",
    "user.sites_changed": "changed the sites of",
    "user.switched_off": "switched off",
    "user.switched_on": "switched on",
    "webhook.changed": "changed",
    "webhook.made": "made",
    "webhook.removed": "removed",
    "webhook.secret_rotated": "renewed the secret of",
    "wordpress.connected": "connected",
    "wordpress.disconnected": "disconnected",
}
"""What stands between who did it and what it was done to."""

OF_RECORDS: Mapping[str, str] = {
    "archived": "archived",
    "restored": "restored",
    "undone": "took back",
    "given_back": "gave its status back to",
}

NOUNS: Mapping[str, str] = {
    "account": "the account",
    "ai_connection": "the AI service",
    "api_key": "the key",
    "automation_rule": "the rule",
    "content": "the article",
    "incident": "the incident",
    "incoming_address": "the address for messages",
    "operation": "operation",
    "rule_change": "the change of",
    "scheduled_task": "run",
    "site_calendar": "the calendar of",
    "user": "",
    "wordpress_connection": "the WordPress of",
}

FIELDS: Mapping[str, str] = {
    "address": "Address",
    "amount": "Credits",
    "api_key": "Key",
    "approved": "Approved",
    "base_url": "Address",
    "browsers": "Browsers signed out",
    "chain_notice_credits": "Warn when a chain of runs uses more within an hour",
    "change": "By the approved change",
    "changes_per_minute": "Changes a minute",
    "copy_of": "Copy of rule",
    "country": "Public holidays of",
    "daily_ceiling": "Daily ceiling",
    "default_status": "Articles arrive as",
    "events": "Told when",
    "expires_at": "Last moment",
    "failures": "Failures in a row",
    "is_active": "Switched on",
    "keys_ended": "Keys ended",
    "may_approve": "May approve articles",
    "minutes_saved": "Minutes that a person takes",
    "monthly_budget": "Monthly budget",
    "operator_credit_limit": "Largest run an operator may start",
    "passkey": "Passkey",
    "passkeys_removed": "Passkeys removed",
    "pauses": "Pauses",
    "region": "Region",
    "reason": "Why",
    "requests_per_minute": "Requests a minute",
    "role": "Role",
    "rule_approval_required": "Rule changes need a second person",
    "second_factor": "Second factor",
    "second_factor_required": "Everybody needs a second factor",
    "site_ids": "Sites",
    "timezone": "Time zone",
    "url": "Address",
    "username": "User name",
    "working_hours": "Working hours",
}
"""Names of values in entries; others read as they are stored, without underscores."""

NOT_SHOWN = ("name", "share", "site_id", "operation", "version", "rule_id")
"""Said by the subject already, or numbers that say nothing to people."""
COUNTS = ("browsers", "keys_ended", "passkeys_removed")
"""What is worth a word only where there was any."""


def action_words(action: str) -> str:
    """`archived` for `keyword.archived`; what has no words of its own reads as it is stored."""
    done = action.partition(".")[2]
    return ACTIONS.get(action) or OF_RECORDS.get(done) or done.replace("_", " ")


def field_words(name: str) -> str:
    return FIELDS.get(name) or name.replace("_", " ").capitalize()


ADDED = (
    "made",
    "added",
    "created",
    "connected",
    "enabled",
    "switched_on",
    "second_factor_on",
    "passkey_added",
    "restored",
    "resumed",
)
ENDED = (
    "removed",
    "revoked",
    "archived",
    "closed",
    "ended",
    "share_ended",
    "disabled",
    "stopped",
    "paused",
    "switched_off",
    "second_factor_off",
    "passkey_removed",
    "passkey_refused",
    "disconnected",
    "undone",
)
SIGNED = ("signed_in", "signed_out")


def look_of(action: str) -> tuple[str, str]:
    """The tone and drawing that stand before an entry: what came, what went, who signed in, or what changed."""
    done = action.partition(".")[2]
    if done in ADDED:
        return "good", "plus"
    if done in ENDED:
        return "bad", "x"
    return ("quiet", "key") if done in SIGNED else ("info", "pencil")
