"""What the parameters of actions are called in the rule form."""

from app.business.writer.models import TASK_TYPES

LABELS = {
    "keyword_ids": "Only these keywords, by number",
    "cluster_ids": "Only these clusters, by number",
    "idea_ids": "Only these ideas, by number",
    "task_ids": "Only these tasks, by number",
    "task_id": "Only this task, by number",
    "content_ids": "Only this content, by number",
    "min_cluster_size": "Fewest keywords in a cluster",
    "ideas_per_cluster": "Ideas for each cluster",
    "again": "Also records that already have theirs",
    "word_count": "Words",
    "task_type": "Kind of task",
    "due_in_days": "Due in how many days",
    "status": "New status",
    "labels_add": "Labels to add",
    "labels_remove": "Labels to remove",
    "assignee": "Give it to",
    "note": "Note",
    "type": "What to create",
    "title": "Title",
    "description": "Description",
    "content_type": "Kind of content",
    "message": "Message",
    "to": "To whom",
    "email": "Send it by e-mail too",
    "rule_id": "This rule",
    "site": "All rules of this site",
    "action": "All rules with this action",
    "reason": "Why",
    "inherit": "Take over cluster, idea and main keyword",
    "url": "Address to send it to",
    "unapproved": "Also content that nobody approved (owners only)",
}
HINTS = {
    "title": "You can name fields of the record, like {name}, and figures, like {account.runs_this_month}.",
    "description": "You can name fields here too, like {name} or {account.credits_used_this_month}.",
    "message": "You can name fields of the records, like {title}: several become a list with their number. "
    "{each: {title} ({site.name})} is written for each record. Figures of the account too, like "
    "{account.failed_runs_this_month}. When the end of a run starts the rule, also {run.rule}, {run.site}, "
    "{run.status}, {run.reason} or {run.failures_in_a_row}.",
    "note": "You can name fields of the record, like {status} or {site.name}.",
    "due_in_days": "Leave it empty for no due day.",
    "labels_add": "Separate several with commas.",
    "inherit": "What is made belongs to the cluster and idea of the record it is made from, and has its main keyword.",
    "again": "Costs again. Without it, a cluster with ideas or a task with content is left out.",
    "min_cluster_size": "Keywords that fit nowhere stay new and are tried again after 7 days.",
}
LITERALS = {
    **TASK_TYPES,
    "draft": "Unpublished in WordPress",
    "publish": "Published at once",
    "viewer": "Everybody of the account",
    "operator": "Operators, editors and owners",
    "editor": "Editors and owners",
    "owner": "Owners",
}
MORE = {
    "keyword_ids",
    "cluster_ids",
    "idea_ids",
    "task_ids",
    "task_id",
    "content_ids",
    "again",
    "unapproved",
    "content_type",
    "description",
    "inherit",
}
"""Parameters that stand under "More options"."""
