"""The eight steps of the rule form. Each reads its input, and provides its fields of the rule."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, RadioField, SelectField, StringField, TextAreaField
from wtforms.validators import Optional

from app.business.automation.services.catalogue.actions.registry import PLACEHOLDER
from app.business.automation.services.catalogue.record_models import RECORD_TYPES
from app.business.automation.services.catalogue.record_order import OLDEST
from app.business.automation.services.catalogue.triggers import TRIGGERS, subject_of
from app.business.automation.services.rule_parts import Json, JsonObject
from app.business.automation.services.rules.fields import OPTIONS, bounds_of, usual
from app.modules.automation.rule_form.actions import edits
from app.modules.automation.rule_form.actions.form import ActionsInput
from app.modules.automation.rule_form.base import (
    Pairs,
    PartForm,
    RuleSoFar,
    StepForm,
    form_data,
    offered,
    optional,
    pairs_of,
)
from app.modules.automation.rule_form.choices import Choices
from app.modules.automation.rule_form.conditions.empty_values import refuse_empty_values
from app.modules.automation.rule_form.conditions.from_rule import pairs_from
from app.modules.automation.rule_form.conditions.tree import ConditionTree
from app.modules.automation.rule_form.option_fields import choice_input, number_input, text_input
from app.modules.automation.rule_form.order_choices import order_choices
from app.modules.automation.rule_form.status_choices import RECORD_WORDS, status_changes
from app.modules.forms import required
from app.modules.gate.numbers import row_id, whole_number

SCHEDULE = "schedule"
EVERYWHERE = "The whole account"
OWN_SITES = "You work on some sites only: rules for all sites are made by somebody who sees all."
NO_RECORDS = "none"
RUN_ENDS = [
    ("", "has ended (completed or failed)"),
    ("completed", "is completed"),
    ("failed", "has failed"),
    ("skipped", "was skipped"),
]


class FieldsStep(PartForm, StepForm):
    """A step with a fixed set of fields."""

    @classmethod
    def build(cls, so_far: RuleSoFar, pairs: Pairs | None) -> Self:
        """Its fields, with their input."""
        return cls(formdata=_form_data(pairs))

    def fields_by_path(self) -> dict[str, Field]:
        """Rule field -> field of the form."""
        own = dict(self._fields)
        return own | {path: self._fields[name] for path, name in self.places.items()}


class NameStep(FieldsStep):
    name = text_input("name", StringField, required("a name"))
    description = text_input("description", TextAreaField)

    def part(self) -> JsonObject:
        return {"name": self.name.data or "", "description": self.description.data or ""}

    @classmethod
    def unanswered(cls, so_far: RuleSoFar) -> JsonObject:
        return {"name": "Not named yet"}

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        return pairs_of(cls(formdata=None, data=dict(rule)))


class WhenStep(FieldsStep):
    trigger = RadioField(
        OPTIONS["trigger"].asked,
        choices=offered([(entry.key, entry.label) for entry in TRIGGERS.values()]),
        default="schedule",
    )
    # The trigger decides which of these are used, so the rule's validation checks them.
    which_change = SelectField("Which change of status?", choices=[], validate_choice=False)
    of_rule = SelectField("Of which rule?", choices=[], validate_choice=False)
    ended = SelectField("When the run", choices=offered(RUN_ENDS), validate_choice=False)
    places: ClassVar[Mapping[str, str]] = {
        "trigger_options": "which_change",
        "trigger_options.rule_id": "of_rule",
        "trigger_options.status": "ended",
    }

    def __init__(self, choices: Choices, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.which_change.choices = offered(status_changes(self.which_change.data))
        self.of_rule.choices = offered(optional(choices.rules, "Any rule"))

    @classmethod
    def build(cls, so_far: RuleSoFar, pairs: Pairs | None) -> Self:
        return cls(so_far.choices, formdata=_form_data(pairs))

    @classmethod
    def unanswered(cls, so_far: RuleSoFar) -> JsonObject:
        return {"trigger": SCHEDULE, "schedule": daily(so_far)}

    def part(self) -> JsonObject:
        options: JsonObject = {}
        if self.trigger.data == "status_changed":
            record_type, _, to = (self.which_change.data or "").partition(":")
            options = {"record_type": record_type} | ({"to": _one_or_list(to)} if to else {})
        if self.trigger.data == "run_finished":
            rule_id, ended = self.of_rule.data, self.ended.data
            # Text that is not a number stays text: the rule's validation refuses it beside the field.
            options = ({"rule_id": row_id(rule_id) or rule_id} if rule_id else {}) | (
                {"status": ended} if ended else {}
            )
        return {"trigger": self.trigger.data or "", "trigger_options": options}

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        options = rule["trigger_options"]
        to = options.get("to") or []
        change = f"{options.get('record_type', '')}:{to if isinstance(to, str) else ','.join(to)}"
        values = {
            "trigger": rule["trigger"],
            "which_change": change,
            "of_rule": str(options.get("rule_id", "")),
        }
        return pairs_of(cls(choices, formdata=None, data=values | {"ended": options.get("status", "")}))


class WhereStep(FieldsStep):
    place = SelectField(
        "Where may it work?",
        choices=[],
        description="It never sees a record outside. A sector is a topic area of the site, optional.",
    )
    places: ClassVar[Mapping[str, str]] = {"site": "place", "sector": "place"}

    def __init__(self, choices: Choices, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = choices
        everywhere = {"": [("", EVERYWHERE)]} if choices.only is None else {}
        self.place.choices = offered({**everywhere, **choices.places})
        if choices.only is not None:
            self.place.description = f"{self.place.description} {OWN_SITES}"

    @classmethod
    def build(cls, so_far: RuleSoFar, pairs: Pairs | None) -> Self:
        return cls(so_far.choices, formdata=_form_data(pairs))

    @classmethod
    def unanswered(cls, so_far: RuleSoFar) -> JsonObject:
        """Somebody who is limited to sites cannot leave it open: until then the first of them."""
        choices = so_far.choices
        return {} if choices.only is None or not choices.sites else {"site": int(choices.sites[0][0])}

    def part(self) -> JsonObject:
        kind, _, number = (self.place.data or "").partition(":")
        place = row_id(number)
        if place is None:
            return {"site": None, "sector": None}
        if kind == "site":
            return {"site": place, "sector": None}
        return {"site": self.choices.site_of_sector.get(place), "sector": place}

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        site, sector = rule["site"], rule["sector"]
        place = f"sector:{sector}" if sector else f"site:{site}" if site else ""
        return pairs_of(cls(choices, formdata=None, data={"place": place}))


OF_THE_RUN = "None: it looks at the finished run and at account figures"
OF_THE_MESSAGE = "None: it looks at the message and at account figures"
WITHOUT_RECORDS = ("run_finished", "credits_granted", "incoming")
"""Triggers without records."""


class WhichStep(FieldsStep):
    record_type = RadioField(
        OPTIONS["record_type"].asked,
        choices=offered([*RECORD_WORDS, (NO_RECORDS, "None: it looks at account figures only")]),
        default="keyword",
    )
    record_minimum = number_input("record_minimum", Optional())
    order = SelectField(OPTIONS["order"].asked, choices=[], validate_choice=False, default=OLDEST)

    def __init__(self, choices: Choices, pairs: Pairs, fixed: str | None, trigger: str) -> None:
        super().__init__(formdata=form_data(pairs) if pairs else None)
        self.fixed, self.follows_run = fixed, trigger == "run_finished"
        without = {"run_finished": OF_THE_RUN, "incoming": OF_THE_MESSAGE}.get(trigger)
        if without:
            self.record_type.choices = offered([*RECORD_WORDS, (NO_RECORDS, without)])
        if trigger in WITHOUT_RECORDS and not pairs:
            self.record_type.data = NO_RECORDS
        chosen = fixed or self.record_type.data
        self.working_type = chosen if chosen in RECORD_TYPES else None
        self.order.choices = offered(order_choices(self.working_type, self.order.data))
        self.conditions = ConditionTree(pairs, subject_of(trigger, self.working_type), choices.named)

    @classmethod
    def build(cls, so_far: RuleSoFar, pairs: Pairs | None) -> Self:
        return cls(so_far.choices, pairs or [], so_far.fixed_record_type, so_far.trigger)

    @classmethod
    def unanswered(cls, so_far: RuleSoFar) -> JsonObject:
        return {"record_type": so_far.fixed_record_type}

    def validate(self, *args: Any, **kwargs: Any) -> bool:
        """Every value is filled in; everything else in conditions is validated with the rule."""
        is_valid = super().validate(*args, **kwargs)
        return refuse_empty_values(self.conditions) and is_valid

    def part(self) -> JsonObject:
        known = {value for value, *_ in self.order.iter_choices()}
        return {
            "record_type": self.working_type,
            "record_minimum": self.record_minimum.data or usual("record_minimum"),
            "order": self.order.data if self.order.data in known else OLDEST,
            "conditions": self.conditions.json(),
        }

    def fields_by_path(self) -> dict[str, Field]:
        """Rule field -> field of the form; errors of conditions are shown beside their row."""
        return super().fields_by_path() | self.conditions.fields_by_path()

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        pairs = [
            ["record_type", rule["record_type"] or NO_RECORDS],
            ["record_minimum", str(rule["record_minimum"])],
            ["order", rule["order"]],
        ]
        return pairs + pairs_from(rule["conditions"], subject_of(rule["trigger"], rule["record_type"]))


class DoStep(StepForm):
    def __init__(self, choices: Choices, pairs: Pairs, record_type: str | None) -> None:
        known = pairs if edits.order_of(pairs) else [["a0-type", edits.NOT_CHOSEN]]
        self.actions = ActionsInput(known, choices, record_type)

    @classmethod
    def build(cls, so_far: RuleSoFar, pairs: Pairs | None) -> Self:
        return cls(so_far.choices, pairs or [], so_far.working_record_type)

    @classmethod
    def unanswered(cls, so_far: RuleSoFar) -> JsonObject:
        return {"actions": [PLACEHOLDER]}

    def validate(self) -> bool:
        """Required inputs are filled in; everything else is validated with the rule."""
        missing = [field for row in self.actions.rows for field in row.missing()]
        for field in missing:
            field.errors = ["Fill this in."]
        filled = [refuse_empty_values(row.when) for row in self.actions.rows]
        return not missing and all(filled)

    def part(self) -> JsonObject:
        return {"actions": [*self.actions.json()]}

    def fields_by_path(self) -> dict[str, Field]:
        return self.actions.fields_by_path()

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        return edits.pairs_from(rule["actions"], rule["record_type"])


class LimitsStep(FieldsStep):
    max_executions_per_day = number_input("max_executions_per_day", required("a number"))
    credit_limit_per_execution = number_input("credit_limit_per_execution")
    record_limit = number_input("record_limit", Optional())
    monthly_budget = number_input("monthly_budget", Optional())
    stop_after_failures = number_input("stop_after_failures", Optional())
    when_limited = choice_input("when_limited")
    priority = choice_input("priority", default=str(usual("priority")))

    def part(self) -> JsonObject:
        numbers = {name: self[name].data for name in ("record_limit", "monthly_budget")}
        return numbers | {
            "max_executions_per_day": self.max_executions_per_day.data or 0,
            "credit_limit_per_execution": self.credit_limit_per_execution.data or 0,
            "stop_after_failures": usual("stop_after_failures")
            if self.stop_after_failures.data is None
            else self.stop_after_failures.data,
            "when_limited": self.when_limited.data or None,
            "priority": whole_number(self.priority.data or str(usual("priority")), *bounds_of("priority"))
            or 0,
        }

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        return pairs_of(cls(formdata=None, data=dict(rule) | {"priority": str(rule["priority"])}))


class CheckStep(FieldsStep):
    practice = BooleanField(OPTIONS["mode"].asked, description=OPTIONS["mode"].hint)
    places: ClassVar[Mapping[str, str]] = {"mode": "practice"}

    def part(self) -> JsonObject:
        return {"mode": "shadow" if self.practice.data else "live"}

    @classmethod
    def pairs(cls, rule: Mapping[str, Any], choices: Choices) -> Pairs:
        return [["practice", "y"]] if rule["mode"] == "shadow" else []


def daily(so_far: RuleSoFar) -> JsonObject:
    """The placeholder for a schedule that is not chosen yet."""
    return {"cron": "0 9 * * *", "timezone": so_far.timezone}


def _form_data(pairs: Pairs | None) -> MultiDict[str, str] | None:
    return None if pairs is None else form_data(pairs)


def _one_or_list(to: str) -> Json:
    return [*to.split(",")] if "," in to else to
