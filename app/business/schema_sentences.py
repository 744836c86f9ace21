"""What pydantic finds wrong with what was sent, as sentences for people: without the names of Python's types."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

SHOWN_OF_NAME = 64
WHOLE_NUMBER, NUMBER, TEXT = "Write a whole number.", "Write a number.", "Write a text."
BY_TYPE = {
    "missing": "This is missing.",
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "string_type": TEXT,
    "bool_type": "Write true or false.",
    "bool_parsing": "Write true or false.",
    "list_type": "Write a list.",
    "dict_type": "Write names with their values.",
    "model_type": "Write names with their values.",
}
BY_BOUND: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than_equal": lambda bound: f"The least is {bound['ge']:,}.",
    "less_than_equal": lambda bound: f"The most is {bound['le']:,}.",
    "string_too_long": lambda bound: f"Use at most {bound['max_length']:,} characters.",
    "literal_error": lambda bound: f"Choose one of: {bound['expected']}.",
}


def sentence_of(fault: ErrorDetails) -> str:
    """Its sentence, which ends with a period as ours do."""
    kind = fault["type"]
    if kind == "extra_forbidden":
        return unknown_name(str(fault["loc"][-1]))
    if kind in BY_BOUND:
        return BY_BOUND[kind](fault.get("ctx", {}))
    return BY_TYPE.get(kind) or f"{fault['msg'].removeprefix('Value error, ').removesuffix('.')}."


def unknown_name(name: str) -> str:
    """The refusal of a name that is not among those that can be set."""
    shown = name if len(name) <= SHOWN_OF_NAME else f"{name[:SHOWN_OF_NAME]}…"
    return f"There is no “{shown}” here: leave it out."
