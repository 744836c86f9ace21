"""Refusals of what does not fit a schema speak to people: no type of Python's, no word of the validator's."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.business.automation.services.rules.definition import parse_definition
from app.business.errors import Invalid
from app.business.schema_sentences import sentence_of


class Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    count: Annotated[int, Field(ge=1, le=5_000)] = 1
    share: float = 0.5
    name: Annotated[str, Field(max_length=2_000)] = ""
    is_on: bool = True
    labels: list[str] = []
    options: dict[str, str] = {}
    order: Literal["oldest", "newest"] = "oldest"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"count": "ten"}, "Write a whole number."),
        ({"count": 2.5}, "Write a whole number."),
        ({"count": 0}, "The least is 1."),
        ({"count": 5_001}, "The most is 5,000."),
        ({"share": "half"}, "Write a number."),
        ({"name": 7}, "Write a text."),
        ({"name": "x" * 2_001}, "Use at most 2,000 characters."),
        ({"is_on": "yes"}, "Write true or false."),
        ({"labels": "red"}, "Write a list."),
        ({"options": []}, "Write names with their values."),
        ({"order": "any"}, "Choose one of: 'oldest' or 'newest'."),
        ({"colour": "red"}, "There is no “colour” here: leave it out."),
        ({"x" * 100: 1}, f"There is no “{'x' * 64}…” here: leave it out."),
    ],
)
def test_each_fault_has_its_sentence(sent: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Sent.model_validate(sent)
    assert [sentence_of(fault) for fault in refused.value.errors()] == [said]


def test_a_rule_is_refused_in_the_same_words() -> None:
    rule = {"name": "R", "trigger": "keyword_added", "actions": [{"type": "cluster_keywords", "params": {}}]}
    wrong = {"colour": "red", "max_executions_per_day": "ten", "credit_limit_per_execution": -1}
    with pytest.raises(Invalid) as refused:
        parse_definition(rule | wrong, shortest_interval_minutes=5)
    assert refused.value.errors == {
        "colour": ["There is no “colour” here: leave it out."],
        "max_executions_per_day": ["Write a whole number."],
        "credit_limit_per_execution": ["The least is 0."],
    }
