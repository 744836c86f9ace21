"""What makes a run wait, until when, and where the limit can be raised."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from flask import url_for

from app.business.accounts.models import Role
from app.business.automation.run_documents import ExhaustedBudget
from app.business.automation.run_models import Reason, ScheduledTask, Waiting
from app.business.automation.services.history.listed_runs import AnyRun
from app.business.billing.models import BudgetScope
from app.business.billing.services.ledger import next_grant_on
from app.business.time_zones import start_of_day
from app.modules.access import current_person
from app.modules.automation.rules_seen import opens_rule
from app.modules.display import credits, day, when

MONTH = re.compile(r"\d{4}-\d{2}")
OF_THE_RULE = {
    Reason.DAILY_LIMIT: "Raise the rule's runs per day",
    Reason.LIMIT_BELOW_PRICE: "Raise the rule's credits per run",
}


@dataclass(frozen=True)
class Remedy:
    """Where a limit is raised. `opens_rule`: by a button that opens the rule's limits in its form · is_seen: whether
    what it limits lies within the person's sites."""

    label: str
    url: str
    role: Role
    opens_rule: bool = False
    is_seen: bool = True

    @property
    def is_theirs(self) -> bool:
        """Whether the person may raise it."""
        return self.is_seen and current_person().can(self.role)

    @property
    def who(self) -> str:
        """Whom people without permission have to ask."""
        who = "An owner" if self.role == Role.OWNER else "An editor"
        return who if self.is_seen else f"{who} who sees all sites"


def waits_for_budget(run: AnyRun) -> str:
    """`Waits for the account's daily ceiling until 29 Nov 2026, 00:00 UTC`."""
    name, until = budget_of(run)
    return f"Waits for {name}" + (f" until {until}" if until else "")


def budget_of(run: AnyRun) -> tuple[str, str]:
    """The budget that it waits for, as within a sentence, and until when; empty for one without end."""
    if run.budget is None:
        return "budget", ""
    name, end = str(run.budget["name"]), _end_of(str(run.budget["period"]))
    if run.budget["scope"] == BudgetScope.RULE:
        name = f"the monthly budget of “{run.rule_name}”"
    elif run.budget["scope"] != BudgetScope.SITE:
        name = name[:1].lower() + name[1:]
    return name, when(end) if end else ""


def waits_for_credits(run: AnyRun) -> str:
    """`Waits for 40 credits of the account, next grant on 1 Dec 2026`."""
    account = current_person().account
    grant = f", next grant on {day(next_grant_on(account.timezone, datetime.now(UTC)))}"
    needed = credits(run.credits_needed) if run.credits_needed else "credits"
    return f"Waits for {needed} of the account{grant if account.plan_id else ''}"


def remedy(run: ScheduledTask) -> Remedy | None:
    """Where to raise the limit that makes the run wait, or has stopped it."""
    if run.waiting_for == Waiting.BUDGET or (run.reason == Reason.BUDGET and not run.waiting_for):
        return _of_budget(run, run.budget) if run.budget else None
    if run.waiting_for == Waiting.DAY:
        return _of_rule(run, OF_THE_RULE[Reason.DAILY_LIMIT])
    if run.waiting_for is None and run.reason in OF_THE_RULE and run.finished_at:
        return _of_rule(run, OF_THE_RULE[Reason(run.reason)])
    return None


def _of_budget(run: ScheduledTask, budget: ExhaustedBudget) -> Remedy | None:
    match budget["scope"]:
        case BudgetScope.ACCOUNT:
            url = url_for("accounts.settings", _anchor="daily_ceiling")
            return Remedy("Raise the daily ceiling", url, Role.OWNER, is_seen=current_person().sees_all)
        case BudgetScope.SITE:
            url = url_for("planner.edit_site", id=budget["id"], _anchor="monthly_budget")
            return Remedy(f"Raise {budget['name']}", url, Role.OWNER)
        case BudgetScope.RULE:
            return _of_rule(run, "Raise the rule's monthly budget")
    return None


def _of_rule(run: ScheduledTask, label: str) -> Remedy:
    url = url_for("automation.edit_rule", id=run.automation_rule_id, step="limits")
    return Remedy(label, url, Role.EDITOR, opens_rule=True, is_seen=opens_rule(run.automation_rule_id))


def _end_of(period: str) -> datetime | None:
    """The first instant after the day or month, in the account's zone; None for periods without end."""
    if MONTH.fullmatch(period):
        on = (date.fromisoformat(f"{period}-01") + timedelta(days=32)).replace(day=1)
    elif MONTH.match(period):
        on = date.fromisoformat(period) + timedelta(days=1)
    else:
        return None
    return start_of_day(on, current_person().account.timezone)
