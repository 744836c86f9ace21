"""The eight steps of the rule form: question, fields of the rule, and form class of each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.business.automation.services.rules.fields import OPTIONS
from app.business.errors import Invalid
from app.modules.automation.rule_form import steps
from app.modules.automation.rule_form.actions import edits as action_edits
from app.modules.automation.rule_form.base import Pairs, StepForm
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.conditions import edits as condition_edits
from app.modules.automation.rule_form.schedule_step import EventStep, ScheduleStep


@dataclass(frozen=True)
class StepInfo:
    """One step. `owns`: the fields of a rule that it contains.

    event_form: used instead of `form` for event rules · change_rows: handles the buttons of its rows, as (input,
    button) -> (input, id of the element that gets the focus).
    """

    key: str
    title: str
    question: str
    lead: str
    form: type[StepForm]
    event_form: type[StepForm] | None = None
    change_rows: Callable[[Pairs, str], tuple[Pairs, str]] | None = None

    @property
    def owns(self) -> tuple[str, ...]:
        """The fields of a rule that it contains."""
        return tuple(name for name, option in OPTIONS.items() if option.step == self.key)

    @property
    def template(self) -> str:
        """Template of the step; for steps with rows, also of the part that a change redraws."""
        return f"partials/automation/step_{self.key}.html"

    @property
    def forms(self) -> Iterable[type[StepForm]]:
        """All form classes of the step."""
        return (self.form, self.event_form) if self.event_form else (self.form,)

    def form_for(self, trigger: Callable[[], str]) -> type[StepForm]:
        """The form class for this trigger, which is computed only if needed."""
        return self.event_form if self.event_form and trigger() != steps.SCHEDULE else self.form


STEPS = (
    StepInfo(
        "name",
        "Name",
        "What is this rule called?",
        "A name that says what it does is enough.",
        steps.NameStep,
    ),
    StepInfo(
        "when",
        "When",
        "What starts it?",
        "Planned times, or something that happens in the pipeline.",
        steps.WhenStep,
    ),
    StepInfo(
        "where",
        "Where",
        "Where may it work?",
        "On the whole account, one site, or one topic area of a site.",
        steps.WhereStep,
    ),
    StepInfo(
        "which",
        "Which records",
        "Which records does it work on?",
        "Without conditions it takes every record.",
        steps.WhichStep,
        change_rows=condition_edits.changed,
    ),
    StepInfo(
        "do",
        "Do what",
        "What does it do?",
        "The actions run from top to bottom; each can work on what the one before has made.",
        steps.DoStep,
        change_rows=action_edits.changed,
    ),
    StepInfo(
        "often",
        "How often",
        "How often?",
        "",
        ScheduleStep,
        event_form=EventStep,
    ),
    StepInfo(
        "limits",
        "Limits",
        "What are its limits?",
        "They hold whatever happens, also when a run is tried again.",
        steps.LimitsStep,
    ),
    StepInfo(
        "check",
        "On or off",
        "Is this the rule you want?",
        "Nothing has been saved yet.",
        steps.CheckStep,
    ),
)
STEP_OF = {step.key: step for step in STEPS}
KEYS = tuple(STEP_OF)


def owner_of(path: str) -> StepInfo | None:
    """The step with the field at this path of a rule."""
    root = path.partition(".")[0].partition("[")[0]
    return next((step for step in STEPS if root in step.owns), None)


def step_of(path: str) -> str:
    """The key of the step that shows errors at this path of a rule; the last one where no step has the field."""
    owner = owner_of(path)
    return owner.key if owner else KEYS[-1]


def steps_of_rule(rule: Mapping[str, Any], choices: Choices) -> dict[str, Pairs]:
    """The answers for an existing rule.

    Parts of an older version that no input can show have none: the form asks again.
    """
    found = {step.key: _answer(step.form_for(lambda: rule["trigger"]), rule, choices) for step in STEPS}
    return {key: pairs for key, pairs in found.items() if pairs is not None}


def _answer(form: type[StepForm], rule: Mapping[str, Any], choices: Choices) -> Pairs | None:
    try:
        return form.pairs(rule, choices)
    except (Invalid, TypeError, KeyError, ValueError, AttributeError):
        return None
