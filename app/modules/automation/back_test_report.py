"""The report of a back-test for its page: figures in words, days of the chart, names of records."""

from datetime import date, datetime
from typing import Any

from app.business.automation.operation_models import Operation
from app.business.automation.run_models import Reason
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.catalogue.record_relations import NOUNS
from app.business.automation.services.history.run_page import record_names
from app.infrastructure.database import db

LOOKED_AT = {
    "schedule": ("planned time", "planned times"),
    "keyword_added": ("keyword added", "keywords added"),
    "cluster_created": ("cluster made", "clusters made"),
    "idea_created": ("idea made", "ideas made"),
    "task_created": ("task made", "tasks made"),
    "content_generated": ("content item written", "content items written"),
    "status_changed": ("change of status", "changes of status"),
    "run_finished": ("run finished", "runs finished"),
    "credits_granted": ("arrival of credits", "arrivals of credits"),
    "incoming": ("message from another system", "messages from other systems"),
}
"""Words for each trigger's events, singular and plural."""


def report_of(operation: Operation) -> dict[str, Any]:
    """`report`: the result with parsed times, sentences, and `names` of its records."""
    result = operation.result
    record_type = result["record_type"]
    changes = result.get("changes")
    titles = ("As you changed it", "As it is saved") if len(result["outcomes"]) > 1 else ("",)
    outcomes = [
        _outcome(title, outcome, result) for title, outcome in zip(titles, result["outcomes"], strict=True)
    ]
    ids = {sample["id"] for outcome in result["outcomes"] for sample in outcome["sample"]}
    ids |= {*changes["more_sample"], *changes["fewer_sample"]} if changes else set()
    names = record_names(db.session(), operation.account_id, {record_type: ids}) if record_type else {}
    return {
        "report": {
            "name": operation.params["name"],
            "rule_id": operation.params["rule"],
            "draft_id": operation.params.get("draft"),
            "from": datetime.fromisoformat(result["from"]),
            "to": datetime.fromisoformat(result["to"]),
            "record_type": record_type,
            "noun": NOUNS.get(record_type, "records"),
            "outcomes": outcomes,
            "changes": changes and _changes(changes, record_type),
            "rests": _rests(result),
        },
        "names": names,
    }


def _outcome(title: str, outcome: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    days = [day | {"on": date.fromisoformat(day["on"])} for day in outcome["days"]]
    sample = [item | {"at": datetime.fromisoformat(item["at"])} for item in outcome["sample"]]
    return outcome | {
        "title": title,
        "sentence": _sentence(outcome, result),
        "looked_at": LOOKED_AT[result["trigger"]][outcome["offered"] != 1],
        "unmatched": plural(outcome["unmatched"], result["record_type"]) if outcome["unmatched"] else None,
        "days": days,
        "sample": sample,
    }


def _sentence(outcome: dict[str, Any], result: dict[str, Any]) -> str:
    if not outcome["offered"]:
        return "Nothing that starts it happened in these days."
    if not outcome["runs"]:
        return "It would not have run in these days."
    times = "once" if outcome["runs"] == 1 else f"{outcome['runs']:,} times"
    on = f" on {plural(outcome['records'], result['record_type'])}" if outcome["records"] else ""
    most = "about" if outcome["is_estimate"] else "at most"
    noun = "credit" if outcome["credits"] == 1 else "credits"
    price = f"for {most} {outcome['credits']:,} {noun}" if outcome["credits"] else "free of charge"
    return f"It would have run {times}{on}, {price}."


def _changes(changes: dict[str, Any], record_type: str) -> dict[str, Any]:
    more, fewer = plural(changes["more"], record_type), plural(changes["fewer"], record_type)
    return changes | {
        "more_sentence": f"It would now also take {more}.",
        "fewer_sentence": f"It would no longer take {fewer}.",
    }


def _rests(result: dict[str, Any]) -> list[str]:
    """The report's assumptions in plain sentences."""
    record_type, is_schedule = result["record_type"], result["trigger"] == "schedule"
    rests = result["outcomes"][0]["rests"]
    said = []
    if record_type:
        then = "at each planned time" if is_schedule else "when it happened"
        said.append(f"Conditions look at the {NOUNS[record_type]} as they were {then}.")
    if rests["as_today"]:
        said.append(f"As they are today: {', '.join(rests['as_today'])}.")
    if rests["assumed"]:
        said.append(
            f"For {plural(rests['assumed'], record_type)} nothing was kept of that time; today's values stand in."
        )
    if rests["gone"]:
        said.append(f"{plural(rests['gone'], record_type).capitalize()} could not be read any more.")
    if result["outcomes"][0]["skips"].get(Reason.CLOSED_DAY):
        said.append("Closed days are those of the calendars as they are today.")
    if is_schedule:
        said.append("Runs that would have met one still going on are counted as if it had ended.")
    said.append(
        "It is taken that there were credits enough, that nothing was paused, and that all work succeeds."
    )
    if result["outcomes"][0]["is_estimate"]:
        said.append("What later actions cost on newly made records is estimated.")
    return said
