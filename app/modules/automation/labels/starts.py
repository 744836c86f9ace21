"""The price of a start in words: records, credits, runs and days of its whole chain, and what other rules may add."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import request

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause
from app.business.automation.services.catalogue.actions.registry import entries_of
from app.business.automation.services.catalogue.nouns import plural
from app.business.automation.services.preflight.start_price import (
    ListenerPrice,
    StartPrice,
    listener_prices,
    start_price,
)
from app.business.automation.services.rules.versions import read_definition
from app.business.automation.services.runs.context import context_of_start
from app.business.automation.services.runs.selection_reasons import left_out_of_matching
from app.business.errors import Invalid
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.display import credits as credits_text
from app.modules.gate.numbers import whole_number

MOST_CREDITS = 1_000_000_000
LISTENERS_NAMED = 3
ASKS_FIRST = " It asks a person first: nothing is set aside while it waits for the answer."


@dataclass(frozen=True)
class StartCost:
    """`most`: the total that the form contains."""

    price: StartPrice
    record_type: str | None
    runs_a_day: int
    credits_a_run: int
    listeners: Sequence[ListenerPrice] = ()
    asks: bool = False
    """Whether a person is asked in between."""
    left_out: str = ""
    """Which matching records the rule leaves out, and why."""

    @property
    def most(self) -> int:
        """Upper bound of the credits of the whole chain."""
        return self.price.credits_max

    @property
    def money(self) -> str:
        """`450 credits`, `about 300, at most 450 credits`, `no credits`."""
        if not self.most:
            return "no credits"
        if self.price.credits == self.most:
            return credits_text(self.most)
        return f"about {self.price.credits:,}, at most {credits_text(self.most)}"

    @property
    def sentence(self) -> str:
        """`150 tasks, 450 credits in 9 runs; 10 runs a day allow no more today, so it takes 2 days.`"""
        price = self.price
        dear = self._too_dear() + (f" {self.left_out}" if self.left_out else "")
        if self.record_type and not price.records:
            return f"Nothing that a run could take matches now.{dear}"
        on_sites = f" on {price.sites:,} sites" if price.sites > 1 else ""
        records = f"{plural(price.records, self.record_type)}{on_sites}, " if self.record_type else ""
        return f"{records}{self.money} in {_runs(price.runs)}{self._days()}.{dear}{ASKS_FIRST if self.asks else ''}"

    @property
    def others(self) -> str:
        """What rules that it triggers may spend in addition; empty where there are none."""
        total = sum(listener.credits for listener in self.listeners)
        if not total:
            return ""
        named = [f"“{one.name}” {one.credits:,}" for one in self.listeners[:LISTENERS_NAMED]]
        more = len(self.listeners) - len(named)
        names = ", ".join(
            [*named, *([f"{more:,} more rules"] if more > 1 else ["1 more rule"] if more else [])]
        )
        return f"Rules that listen may spend up to {credits_text(total)} more: {names}."

    def _days(self) -> str:
        if self.price.days <= 1:
            return ""
        allow = "allows" if self.runs_a_day == 1 else "allow"
        each = " for each site" if self.price.sites > 1 else ""
        left = f"{self.price.runs_left:,}" if self.price.runs_left else "no"
        return f"; {_runs(self.runs_a_day)} a day{each} {allow} {left} more today, so it takes {self.price.days:,} days"

    def _too_dear(self) -> str:
        if not self.price.too_dear:
            return ""
        verb = "costs" if self.price.too_dear == 1 else "cost"
        return (
            f" {plural(self.price.too_dear, self.record_type)} left out: each alone {verb} more than the limit of "
            f"{credits_text(self.credits_a_run)} per run."
        )


def cost_of_start(
    rule: AutomationRule,
    now: datetime,
    *,
    record_ids: Sequence[int] | None = None,
    cause: Cause = Cause.MANUAL,
) -> StartCost:
    """The price for these records, or for all that match. `rule` need not be saved."""
    session, account_id = db.session(), current_person().account.id
    price = start_price(session, rule, now, record_ids=record_ids, cause=cause)
    definition = read_definition(rule)
    left_out = ""
    if definition.record_type and record_ids is None:
        left_out = left_out_of_matching(session, context_of_start(session, rule, cause, now))
    listeners: Sequence[ListenerPrice] = ()
    if definition.mode != "shadow":
        listeners = listener_prices(session, account_id, definition, rule.id, price.records or 1)
    return StartCost(
        price,
        definition.record_type,
        definition.max_executions_per_day,
        definition.credit_limit_per_execution,
        listeners,
        any(entry.decides for entry in entries_of(definition.actions)),
        left_out,
    )


def shown_total(name: str = "max_credits") -> int | None:
    """The total that the page showed; None where the form has none. Raises Invalid."""
    text = request.form.get(name)
    if text is None:
        return None
    total = whole_number(text, 0, MOST_CREDITS)
    if total is None:
        raise Invalid({name: ["This page is damaged. Load it again."]})
    return total


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"
