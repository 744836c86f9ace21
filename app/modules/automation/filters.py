"""Filters of rules and runs, stored in the address, and the forms to test and run a rule."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from wtforms import (
    BooleanField,
    DateField,
    Field,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from app.business.automation.run_models import Cause, Reason, Status
from app.business.automation.services.backtest.back_test import MOST_DAYS, USUAL_DAYS
from app.business.automation.services.catalogue.triggers import TRIGGERS
from app.business.automation.services.history.run_filters import RunFilters
from app.business.automation.services.rules.listing import RuleFilter
from app.business.periods import last_days
from app.modules.access import current_person
from app.modules.automation.labels.runs import CAUSES, REASONS, STATUSES
from app.modules.automation.labels.starts import StartCost
from app.modules.automation.rule_form.base import PartForm, offered, optional
from app.modules.automation.rule_form.choices import Named
from app.modules.display import day, viewer_zone
from app.modules.forms import ConsoleForm, FilterForm, at_most, between, required

PRACTISED = "practised"
SPANS = [
    ("", "Any time"),
    ("1", "Today"),
    ("7", "Last 7 days"),
    ("30", "Last 30 days"),
    ("90", "Last 90 days"),
]
TOOK = [("", "Any"), ("10", "Over 10 seconds"), ("60", "Over a minute"), ("600", "Over 10 minutes")]
MOST_CREDITS = 1_000_000_000


class HistoryFilter(FilterForm):
    status = SelectField(
        "Status",
        choices=offered(optional([(state, STATUSES[state]) for state in (*Status, PRACTISED)], "Any")),
    )
    rule = SelectField("Rule", choices=[])
    cause = SelectField(
        "Started by", choices=offered(optional([(cause.value, CAUSES[cause]) for cause in Cause], "Anything"))
    )
    reason = SelectField("Reason", choices=offered(optional(list(REASONS.items()), "Any")))
    since = SelectField("When", choices=offered(SPANS))
    start = DateField("From", [Optional()])
    end = DateField("To", [Optional()])
    site = SelectField("Site", choices=[])
    user = SelectField("Started by person", choices=[])
    cost_min = IntegerField("Credits from", [Optional(), between(0, MOST_CREDITS)])
    cost_max = IntegerField("Credits to", [Optional(), between(0, MOST_CREDITS)])
    took = SelectField("Took", choices=offered(TOOK))
    q = StringField("Search", [at_most(100)])

    def __init__(self, rules: Named, sites: Named | None = None, people: Named | None = None) -> None:
        super().__init__()
        self.rule.choices = offered(optional(rules, "All rules"))
        self.site.choices = offered(optional(sites or [], "All sites"))
        self.user.choices = offered(optional(people or [], "Anybody"))

    def chosen_runs(self, now: datetime) -> RunFilters:
        """The filter for the service; days are those of the account's zone, both included."""
        chosen, zone = self.chosen(), current_person().account.timezone
        after = last_days(int(chosen["since"]), zone, now).start if "since" in chosen else None
        if "start" in chosen:
            after = _midnight(chosen["start"])
        return RunFilters(
            **_state(chosen.get("status"), chosen.get("reason")),
            rules=[int(chosen["rule"])] if "rule" in chosen else [],
            cause=chosen.get("cause"),
            reason=chosen.get("reason"),
            after=after,
            before=_midnight(chosen["end"] + timedelta(days=1)) if "end" in chosen else None,
            site=int(chosen["site"]) if "site" in chosen else None,
            user=int(chosen["user"]) if "user" in chosen else None,
            text=chosen.get("q"),
            cost_min=self._number("cost_min"),
            cost_max=self._number("cost_max"),
            took_min=float(chosen["took"]) if "took" in chosen else None,
        )

    def _number(self, name: str) -> int | None:
        """A number that may be 0."""
        field = self[name]
        return field.data if not field.errors else None

    def in_words(self) -> list[tuple[str, str]]:
        """Active filters except for the status, as labels and values."""
        return [(label, words) for name, label, words in self.chips() if name != "status"]

    def chips(self) -> list[tuple[str, str, str]]:
        """Active filters as the names of their fields, labels and values."""
        chosen = self.chosen()
        for name in ("cost_min", "cost_max"):
            if self._number(name) == 0:
                chosen[name] = 0
        return [
            (name, str(self[name].label.text), _in_words(self[name], value)) for name, value in chosen.items()
        ]


class SaveFilterForm(ConsoleForm):
    name = StringField("Name", [required("a name"), at_most(80)], description="Like “Failures of this week”")
    is_shared = BooleanField("Everybody in the account sees it")


class RulesFilter(FilterForm):
    state = SelectField(
        "State", choices=offered([("", "On and off"), ("on", "On"), ("off", "Off"), ("archived", "Archived")])
    )
    trigger = SelectField(
        "Started by",
        choices=offered(optional([(key, entry.label) for key, entry in TRIGGERS.items()], "Anything")),
    )
    site = SelectField("Site", choices=[])
    text = StringField("Search", [at_most(100)])

    def __init__(self, sites: Named) -> None:
        super().__init__()
        self.site.choices = offered(optional(sites, "All sites"))

    def chosen_rules(self) -> RuleFilter:
        """The filter for the service."""
        chosen = self.chosen()
        site = chosen.get("site")
        return RuleFilter(
            chosen.get("state"), chosen.get("trigger"), int(site) if site else None, chosen.get("text")
        )


class RunNowForm(PartForm):
    records = SelectMultipleField(
        "Records", choices=[], widget=ListWidget(prefix_label=False), option_widget=CheckboxInput()
    )
    how = RadioField(
        "On which records",
        choices=offered([("matching", "All that match"), ("chosen", "Only those I tick")]),
        default="matching",
    )
    even_if_off = BooleanField("The rule is switched off. Run it anyway, this once.")
    cost_of_run: StartCost | None = None
    """The price for the records of the run given in the address."""

    def record_ids(self) -> list[int] | None:
        """The ticked records; None for all that match."""
        return [int(number) for number in self.records.data or []] if self.how.data == "chosen" else None


class BackTestForm(PartForm):
    days = IntegerField(
        "Days back",
        [InputRequired("Enter how many days."), between(1, MOST_DAYS)],
        default=USUAL_DAYS,
        description=f"At most {MOST_DAYS}. More days take longer.",
    )


class TestForm(FilterForm):
    record = IntegerField("Number of a record", [Optional()])


def _in_words(field: Field, value: str | date) -> str:
    if isinstance(value, date):
        return day(value)
    if not isinstance(field, SelectField):
        return str(value)
    return next(str(choice.label) for choice in field.choices if choice.value == value)


def _state(state: str | None, reason: str | None) -> dict[str, Any]:
    """Practice runs are skipped runs in the database, and a separate state on pages."""
    if state == PRACTISED:
        return {"status": [Status.SKIPPED], "practised": True}
    apart = state == Status.SKIPPED and reason != Reason.SHADOW
    return {"status": [state] if state else [], "practised": False if apart else None}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), viewer_zone()).astimezone(UTC)
