"""Answers to the questions of the rule form, as a browser sends them."""

from typing import Any

from flask.testing import FlaskClient

ROW = {"c0-group": "0", "c0-field": "volume", "c0-operator": "gte", "c0-value": "500"}
LABEL = {
    "a0-type": "update_records",
    "a0-sent": "update_records",
    "a0-p-labels_add": "easy",
    "a0-on_error": "stop",
}
DAILY = {"frequency": "daily", "at": "06:30", "timezone": "Europe/Berlin", "every": "15"} | {
    "repeat": "once", "overlap": "skip", "catch_up": "latest", "split_by": "none"
}  # fmt: skip
LIMITS = {
    "max_executions_per_day": "5",
    "credit_limit_per_execution": "40",
    "priority": "5",
    "when_limited": "",
}


def begin(editor: FlaskClient) -> str:
    """Answer the first question; returns the address of the draft."""
    location = editor.post("/rules/new", data={"name": "Easy words"}).location
    return location.rpartition("/")[0]


def answer(editor: FlaskClient, draft: str, *steps: tuple[str, Any]) -> None:
    """Answer steps; each must be accepted."""
    for step, data in steps:
        assert editor.post(f"{draft}/{step}", data=data).status_code == 303, step


def up_to_check(editor: FlaskClient) -> str:
    """A draft with every question answered."""
    draft = begin(editor)
    which = {"record_type": "keyword", "record_minimum": "1"} | ROW
    answer(
        editor, draft, ("when", {"trigger": "schedule"}), ("where", {"place": ""}), ("which", which), ("do", LABEL),
        ("often", DAILY), ("limits", LIMITS),
    )  # fmt: skip
    return draft
