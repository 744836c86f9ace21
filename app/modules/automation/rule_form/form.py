"""The rule form as a whole: its steps, the rule they produce, and the steps with errors."""

from collections.abc import Collection, Mapping
from functools import cached_property

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.rule_parts import JsonObject, Stored
from app.business.automation.services.rules.checking import checked
from app.business.automation.services.rules.definition import RuleDefinition
from app.business.errors import Invalid
from app.modules.automation.rule_form.base import Pairs, StepForm, focus_first_error, place_errors
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.step_table import KEYS, STEP_OF, STEPS, StepInfo, step_of
from app.modules.automation.rule_form.steps import SCHEDULE, WhichStep

Trigger = tuple[str, Stored]
PLANNED: Trigger = (SCHEDULE, {})
"""The trigger before one is chosen."""


class RuleForm:
    """The input of all steps, for one request: each step is built once, and the rule is validated once."""

    def __init__(
        self,
        session: Session,
        account: Account,
        answers: Mapping[str, Pairs],
        choices: Choices,
        rule: AutomationRule | None = None,
    ) -> None:
        """`rule`: the saved one being changed."""
        self.session, self.account, self.choices, self.rule = session, account, choices, rule
        self.answers = dict(answers)
        self._forms: dict[str, StepForm] = {}
        self._valid: dict[str, bool] = {}

    def form(self, key: str) -> StepForm:
        """The form of one step, filled with its input."""
        if key not in self._forms:
            self._forms[key] = self.build(key, self._answer(key))
        return self._forms[key]

    def build(self, key: str, pairs: Pairs | None) -> StepForm:
        """The form of one step with other input, together with the other steps as they are."""
        return self._form_of(STEP_OF[key]).build(self, pairs)

    @property
    def timezone(self) -> str:
        return self.account.timezone

    @property
    def trigger(self) -> str:
        return self._trigger[0]

    @cached_property
    def _trigger(self) -> Trigger:
        if "when" not in self.answers:
            return PLANNED
        part = self.form("when").part()
        trigger, options = str(part["trigger"]), part["trigger_options"]
        return (trigger, options) if trigger in TRIGGERS and isinstance(options, dict) else PLANNED

    @property
    def fixed_record_type(self) -> str | None:
        trigger, options = self._trigger
        given = TRIGGERS[trigger].record_type or options.get("record_type")
        return str(given) if given in RECORD_TYPES else None

    @property
    def working_record_type(self) -> str | None:
        which = self.form("which")
        assert isinstance(which, WhichStep)
        return which.working_type

    def data(self) -> JsonObject:
        """The rule as entered so far, with placeholders for steps without answer."""
        return self.data_without(())

    def data_without(self, left_out: Collection[str]) -> JsonObject:
        """The same, with placeholders for the steps `left_out` as well."""
        data: JsonObject = {}
        for step in STEPS:
            is_read = step.key not in left_out and self._is_answered(step.key)
            data |= self.form(step.key).part() if is_read else self._unanswered(step)
        return data

    @property
    def definition(self) -> RuleDefinition:
        """The whole rule, validated. Raises Invalid."""
        if isinstance(self._checked, Invalid):
            raise self._checked
        return self._checked

    @cached_property
    def _checked(self) -> RuleDefinition | Invalid:
        try:
            return checked(
                self.session, self.account, self.data(), self.rule, scope=self.choices.scope(self.account.id)
            )
        except Invalid as refusal:
            return refusal

    @cached_property
    def errors(self) -> dict[str, dict[str, list[str]]]:
        """Errors of the whole rule by step."""
        found: dict[str, dict[str, list[str]]] = {}
        if isinstance(self._checked, Invalid):
            for path, messages in self._checked.errors.items():
                found.setdefault(step_of(path), {})[path] = messages
        return found

    def checked_form(self, key: str) -> StepForm:
        """The form of the step with every error beside its field, and the focus on the first."""
        form = self._with_errors(key)
        focus_first_error(form.fields_by_path().values())
        return form

    def form_without(self, key: str, faulty: Collection[str]) -> StepForm:
        """The form of the step with the errors of the fields whose ids are `faulty`."""
        form = self._with_errors(key) if faulty else self.form(key)
        for field in form.fields_by_path().values():
            if field.errors and field.id not in faulty:
                field.errors = []
        return form

    def open_steps(self) -> list[str]:
        """The steps without valid answer; none when the rule can be saved."""
        return [key for key in KEYS[:-1] if self._is_open(key)]

    def reachable(self, key: str) -> str:
        """`key`, or the first step before it without answer."""
        return next((step for step in KEYS[: KEYS.index(key)] if not self._is_answered(step)), key)

    def _is_open(self, key: str) -> bool:
        return not self._is_answered(key) or key in self.errors or not self._is_valid(key)

    def _is_valid(self, key: str) -> bool:
        if key not in self._valid:
            self._valid[key] = self.form(key).validate()
        return self._valid[key]

    def _with_errors(self, key: str) -> StepForm:
        form = self.form(key)
        if self._is_valid(key):
            place_errors(self.errors.get(key, {}), form.fields_by_path())
        return form

    def _form_of(self, step: StepInfo) -> type[StepForm]:
        return step.form_for(lambda: self.trigger)

    def _is_answered(self, key: str) -> bool:
        return self._answer(key) is not None

    def _answer(self, key: str) -> Pairs | None:
        pairs = self.answers.get(key)
        return pairs if pairs is not None and self._form_of(STEP_OF[key]).is_answer(pairs) else None

    def _unanswered(self, step: StepInfo) -> JsonObject:
        return self._form_of(step).unanswered(self)


def has_errors(form: StepForm) -> bool:
    """Whether any field of the step has an error."""
    return any(field.errors for field in form.fields_by_path().values())
