"""One action of a rule in words: what it does, and every parameter that is not as usual."""

from collections.abc import Callable, Mapping
from typing import Any

from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.catalogue.fields import choices_of
from app.business.automation.services.catalogue.nouns import noun, plural
from app.business.writer.models import TASK_TYPES

ROLES = {
    "viewer": "everybody of the account",
    "operator": "operators, editors and owners",
    "editor": "editors and owners",
    "owner": "owners",
}
IDS_NAMED = 5
LONGEST_QUOTE = 80
ONLY_IN_FULL = {"message", "note", "description", "reason"}
"""Long texts: a rule's one sentence leaves them out, the list of what it says does not."""
ALWAYS = {"ideas_per_cluster"}
"""Said also when it is as usual, because the price hangs on it."""

Names = Mapping[int, str]


def action_words(action: Mapping[str, Any], record_type: str | None, rules: Names, *, in_full: bool) -> str:
    """`generate content ideas (3 for each cluster)`, without the action's own condition."""
    entry = CATALOGUE[action["type"]]
    params = {name: value for name, value in action.get("params", {}).items() if value is not None}
    said = [
        PHRASES[name](params[name], record_type, rules)
        for name, info in entry.params.model_fields.items()
        if name in params
        and name in PHRASES
        and (in_full or name not in ONLY_IN_FULL)
        and (name in ALWAYS or params[name] != info.get_default(call_default_factory=True))
    ]
    details = f" ({', '.join(said)})" if said else ""
    return f"{_label(action)}{details}"


def _label(action: Mapping[str, Any]) -> str:
    if action["type"] == "create_record":
        return f"create {one(action['params']['type'])}"
    label = CATALOGUE[action["type"]].label
    return label[0].lower() + label[1:]


def one(record_type: str) -> str:
    """`an idea`."""
    article = "an" if record_type[0] in "aeiou" else "a"
    return f"{article} {noun(record_type)}"


def _ids(ids: Any, _type: str | None, _rules: Names) -> str:
    known = list(ids) if isinstance(ids, list) else [ids]
    more = f" and {len(known) - IDS_NAMED:,} more" if len(known) > IDS_NAMED else ""
    return f"only number {', '.join(map(str, known[:IDS_NAMED]))}{more}"


def _status(status: Any, record_type: str | None, _rules: Names) -> str:
    words = dict(choices_of(record_type, "status")) if record_type else {}
    return f"status “{words.get(status, status)}”"


def _labels(verb: str) -> "Phrase":
    return lambda labels, _type, _rules: f"{verb} {' and '.join(f'“{label}”' for label in labels)}"


def _quote(before: str) -> "Phrase":
    def said(text: Any, _type: str | None, _rules: Names) -> str:
        line = " ".join(str(text).split())
        return f"{before}“{line if len(line) <= LONGEST_QUOTE else f'{line[: LONGEST_QUOTE - 1]}…'}”"

    return said


def _rule(rule_id: Any, _type: str | None, rules: Names) -> str:
    return f"“{rules[rule_id]}”" if rule_id in rules else f"rule {rule_id}"


def _with_action(action_type: Any, _type: str | None, _rules: Names) -> str:
    entry = CATALOGUE.get(str(action_type))
    return f"all with the action “{entry.label if entry else action_type}”"


Phrase = Callable[[Any, str | None, Names], str]
PHRASES: dict[str, Phrase] = {
    **dict.fromkeys(("keyword_ids", "cluster_ids", "idea_ids", "task_ids", "task_id"), _ids),
    "min_cluster_size": lambda value, _type, _rules: f"at least {value:,} in each",
    "ideas_per_cluster": lambda value, _type, _rules: f"{value:,} for each cluster",
    "again": lambda _value, _type, _rules: "also where there are some already",
    "word_count": lambda value, _type, _rules: f"{value:,} words each",
    "task_type": lambda value, _type, _rules: f"of the kind “{TASK_TYPES.get(value, str(value)).lower()}”",
    "content_type": lambda value, _type, _rules: f"of the kind “{value}”",
    "due_in_days": lambda value, _type, _rules: f"due in {plural(value, 'day')}" if value else "due that day",
    "status": _status,
    "labels_add": _labels("add the label"),
    "labels_remove": _labels("take off the label"),
    "assignee": lambda value, _type, _rules: f"give them to person {value}",
    "note": _quote("note "),
    "title": _quote(""),
    "description": _quote("text "),
    "message": _quote(""),
    "to": lambda value, _type, _rules: f"to {ROLES.get(value, value)}",
    "rule_id": _rule,
    "site": lambda value, _type, _rules: f"all of site {value}",
    "action": _with_action,
    "reason": _quote("because "),
    "inherit": lambda _value, _type, _rules: (
        "without the cluster and main keyword of what they are made from"
    ),
}
"""Parameter -> how it is said: its value, the record type, names of rules."""
