"""The rule form as a whole: its steps, the rule they add up to, and which of them need another look."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.automation_service import AutomationService
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.errors import Invalid
from app.modules.automation.rule_form import steps as forms
from app.modules.automation.rule_form.base import Pairs, focus_first_error, form_data, place_errors
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.schedule_step import EventStep, ScheduleStep

SCHEDULE = "schedule"
_LIKE_SCHEDULE: dict[str, Any] = {"trigger": SCHEDULE, "trigger_options": {}, "record_type": "keyword"}


@dataclass(frozen=True)
class StepInfo:
    """One question. `owns`: the fields of a rule that it decides."""

    key: str
    title: str
    question: str
    lead: str
    owns: tuple[str, ...]


STEPS = (
    StepInfo(
        "name",
        "Name",
        "What is this rule called?",
        "A name that says what it does is enough.",
        ("name", "description"),
    ),
    StepInfo(
        "when",
        "When",
        "What starts it?",
        "Planned times, or something that happens in the pipeline.",
        ("trigger", "trigger_options"),
    ),
    StepInfo(
        "where",
        "Where",
        "Where may it work?",
        "On the whole account, one site, or one topic area of a site.",
        ("site", "sector"),
    ),
    StepInfo(
        "which",
        "Which records",
        "Which records does it work on?",
        "Without conditions it takes every record.",
        ("record_type", "conditions", "record_minimum", "order"),
    ),
    StepInfo(
        "do",
        "Do what",
        "What does it do?",
        "The actions run from top to bottom; each can work on what the one before has made.",
        ("actions",),
    ),
    StepInfo(
        "often",
        "How often",
        "How often?",
        "",
        (
            "schedule",
            "batching",
            "split_by",
            "repeat",
            "repeat_after_days",
            "overlap",
            "catch_up",
            "catch_up_hours",
        ),
    ),
    StepInfo(
        "limits",
        "Limits",
        "What are its limits?",
        "They hold whatever happens, also when a run is tried again.",
        (
            "max_executions_per_day",
            "credit_limit_per_execution",
            "record_limit",
            "monthly_budget",
            "stop_after_failures",
            "when_limited",
            "priority",
        ),
    ),
    StepInfo(
        "check",
        "On or off",
        "Is this the rule you want?",
        "Nothing has been saved yet.",
        ("mode", "is_active"),
    ),
)
KEYS = tuple(step.key for step in STEPS)
PLACEHOLDERS: dict[str, dict[str, Any]] = {
    "name": {"name": "Not named yet"},
    "do": {"actions": [{"type": "notify", "params": {"message": "Not chosen yet"}}]},
}


class RuleForm:
    """What was typed into all steps. Forms are built anew from it for each request."""

    def __init__(
        self,
        session: Session,
        account: Account,
        steps: Mapping[str, Pairs],
        choices: Choices,
        rule: AutomationRule | None = None,
    ) -> None:
        """`rule`: the saved one that is being changed."""
        self.rule = rule
        self.session, self.account, self.steps, self.choices = session, account, dict(steps), choices

    def form(self, key: str) -> Any:
        """The form of one step, filled with what was typed."""
        pairs = self.steps.get(key, [])
        data = form_data(pairs) if self._is_answered(key) else None
        match key:
            case "when":
                return forms.WhenStep(self.choices, formdata=data)
            case "where":
                return forms.WhereStep(self.choices, formdata=data)
            case "which":
                return forms.WhichStep(
                    self.choices, pairs, self.fixed_record_type(), self.trigger()["trigger"]
                )
            case "do":
                return forms.DoStep(self.choices, pairs, self.form("which").working_type)
            case "often" if self.trigger()["trigger"] == SCHEDULE:
                return ScheduleStep(formdata=data, timezone=self.account.timezone)
        return {
            "name": forms.NameStep,
            "often": EventStep,
            "limits": forms.LimitsStep,
            "check": forms.CheckStep,
        }[key](formdata=data)

    def trigger(self) -> dict[str, Any]:
        """Trigger and options as chosen so far."""
        part: dict[str, Any] = self.form("when").part() if self._is_answered("when") else _LIKE_SCHEDULE
        return part if part["trigger"] in TRIGGERS else _LIKE_SCHEDULE

    def fixed_record_type(self) -> str | None:
        """The record type that the trigger brings; None where the rule chooses."""
        trigger = self.trigger()
        given = TRIGGERS[trigger["trigger"]].record_type or trigger["trigger_options"].get("record_type")
        return given if given in RECORD_TYPES else None

    def data(self) -> dict[str, Any]:
        """The rule as typed so far; steps not answered yet have something harmless in their place."""
        data: dict[str, Any] = {}
        for key in KEYS:
            data |= self.form(key).part() if self._is_answered(key) else self._placeholder(key)
        return data

    def errors(self) -> dict[str, dict[str, list[str]]]:
        """Refusals of the whole rule by step."""
        try:
            AutomationService().checked(self.session, self.account, self.data(), self.rule)
        except Invalid as refusal:
            found: dict[str, dict[str, list[str]]] = {}
            for path, messages in refusal.errors.items():
                found.setdefault(step_of(path), {})[path] = messages
            return found
        return {}

    def checked_form(self, key: str) -> Any:
        """The form of the step with every refusal beside its field, and the keyboard on the first."""
        form = self._checked(key)
        focus_first_error(form.fields_by_path().values())
        return form

    def form_without(self, key: str, faulty: Collection[str]) -> Any:
        """The form of the step with the refusals that are left of those fields, named by their ids."""
        form = self._checked(key) if faulty else self.form(key)
        for field in form.fields_by_path().values():
            if field.errors and field.id not in faulty:
                field.errors = []
        return form

    def _checked(self, key: str) -> Any:
        form = self.form(key)
        if form.validate():
            place_errors(self.errors().get(key, {}), form.fields_by_path())
        return form

    def first_open(self) -> str | None:
        """The first step that is not answered, or not well; None when the rule can be saved."""
        errors = self.errors()
        return next(
            (
                key
                for key in KEYS[:-1]
                if not self._is_answered(key) or key in errors or not self.form(key).validate()
            ),
            None,
        )

    def reachable(self, key: str) -> str:
        """`key`, or the first step before it that has no answer yet."""
        return next((step for step in KEYS[: KEYS.index(key)] if not self._is_answered(step)), key)

    def _is_answered(self, key: str) -> bool:
        names = {pair[0] for pair in self.steps.get(key, [])}
        if key == "often":
            return ("frequency" if self.trigger()["trigger"] == SCHEDULE else "batching") in names
        return key in self.steps

    def _placeholder(self, key: str) -> dict[str, Any]:
        daily = {"cron": "0 9 * * *", "timezone": self.account.timezone}
        if key == "when":
            return {"trigger": SCHEDULE, "schedule": daily}
        if key == "often":
            return {"schedule": daily if self.trigger()["trigger"] == SCHEDULE else {}}
        if key == "which":
            return {"record_type": self.fixed_record_type()}
        return PLACEHOLDERS.get(key, {})


def steps_of_rule(rule: Mapping[str, Any], choices: Choices) -> dict[str, Pairs]:
    """All answers that stand for an existing rule. A part that an older version saved and no input can show has
    none: the form asks that question anew."""
    often: Any = ScheduleStep if rule["trigger"] == SCHEDULE else EventStep
    answers: dict[str, Callable[[], Pairs]] = {
        "name": lambda: forms.NameStep.pairs(rule),
        "when": lambda: forms.WhenStep.pairs(rule, choices),
        "where": lambda: forms.WhereStep.pairs(rule, choices),
        "which": lambda: forms.WhichStep.pairs(rule),
        "do": lambda: forms.DoStep.pairs(rule),
        "often": lambda: often.pairs(rule),
        "limits": lambda: forms.LimitsStep.pairs(rule),
        "check": lambda: forms.CheckStep.pairs(rule),
    }
    found = {key: _answer(pairs) for key, pairs in answers.items()}
    return {key: pairs for key, pairs in found.items() if pairs is not None}


def _answer(pairs: Callable[[], Pairs]) -> Pairs | None:
    try:
        return pairs()
    except (Invalid, TypeError, KeyError, ValueError, AttributeError):
        return None


def has_errors(form: Any) -> bool:
    """Whether any field of the step needs another look."""
    return any(field.errors for field in form.fields_by_path().values())


def step_of(path: str) -> str:
    """The key of the step that decides the field at this path of a rule."""
    root = path.partition(".")[0].partition("[")[0]
    return next((step.key for step in STEPS if root in step.owns), "check")
