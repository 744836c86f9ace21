"""What needs repair in a rule, in the words of the rule form: the question, the input, and the error."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.business.automation.services.catalogue.actions.registry import input_of_parameter
from app.business.automation.services.rules.repair import NEEDS_REPAIR
from app.modules.automation.rule_form.base import StepForm
from app.modules.automation.rule_form.step_table import STEP_OF, StepInfo, step_of

IN_ROWS = {"conditions": "Conditions", "actions": "Actions"}
_PARAM = re.compile(r"actions\[(\d+)\]\.params\.(\w+)")


class Repair(NamedTuple):
    """step: the form step of the input · label: its label."""

    step: StepInfo
    label: str
    sentence: str


def repairs_of(errors: Mapping[str, Sequence[str]]) -> list[Repair]:
    """Each error with its place in the form."""
    return [
        Repair(STEP_OF[step_of(path)], _label(path), " ".join(sentences))
        for path, sentences in errors.items()
    ]


def repair_text(errors: Mapping[str, Sequence[str]]) -> str:
    """`This rule needs repair. When, “Of which rule?”: Rule 7 was not found.`"""
    return f"{NEEDS_REPAIR}. {fault_text(errors)}"


def fault_text(errors: Mapping[str, Sequence[str]]) -> str:
    """`When, “Of which rule?”: Rule 7 was not found.`"""
    step, label, sentence = repairs_of(errors)[0]
    place = step.title if label == step.title else f"{step.title}, “{label}”"
    return f"{place}: {sentence}"


def _label(path: str) -> str:
    root = re.split(r"[.\[]", path, maxsplit=1)[0]
    if param := _PARAM.match(path):
        name = param[2]
        input = input_of_parameter(name)
        return f"Action {int(param[1]) + 1}: {input.label if input else name.replace('_', ' ')}"
    step = STEP_OF[step_of(path)]
    for form in step.forms:
        for name in (path, form.places.get(path), form.places.get(root), root):
            if label := _label_in(form, name):
                return label
    return IN_ROWS.get(root, step.title)


def _label_in(form: type[StepForm], name: str | None) -> str | None:
    """The label of a field, as declared in the class."""
    field = getattr(form, name, None) if name else None
    arguments = getattr(field, "args", ())
    return str(arguments[0]) if arguments else None
