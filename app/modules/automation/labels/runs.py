"""Words for runs: causes, reasons, waits and checks, and what to do next."""

from typing import Protocol

from app.business.automation.run_models import Reason, Status, Waiting
from app.business.automation.services.history.listed_runs import AnyRun
from app.business.automation.services.triggering.failed_deliveries import TO_DO
from app.modules.automation.labels.limits import waits_for_budget, waits_for_credits

STATUSES = {
    "pending": "Pending",
    "waiting": "Waiting",
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "skipped": "Skipped",
    "practised": "Practised",
}
"""States on pages: those of the API, and two more."""

CAUSES = {
    "schedule": "Schedule",
    "event": "Event",
    "manual": "A person",
    "api": "A key of the API",
    "backfill": "Existing records",
}
REASONS = {
    "inactive": "Switched off",
    "account_inactive": "Account not active",
    "paused": "Paused",
    "loop": "Went round in a circle",
    "overlap": "The last run was still going",
    "conditions": "Nothing to work on",
    "daily_limit": "Daily limit reached",
    "limit_below_price": "Limit too low for one record",
    "insufficient_credits": "Not enough credits",
    "budget": "Budget used up",
    "missed": "We were offline",
    "superseded": "Replaced by a later run",
    "cancelled": "Cancelled",
    "shadow": "Practice mode",
    "closed_day": "Closed day",
    "action_failed": "An action failed",
    "timed_out": "Took too long",
    "worker_lost": "Stopped unexpectedly, tried again",
    "provider_refused": "The AI service said no",
    "rule_invalid": "This rule needs repair",
}
WAITS = {
    "day": "Waits for tomorrow: daily limit reached",
    "pause": "Waits until automation is resumed",
    "review": "Waits for a person to say go on",
    "previous": "Waits for the run before it",
    "person": "Waits for a person's answer",
}
CHECKS = {
    "active": "Switched on",
    "account": "Account",
    "loop": "Rules in a circle",
    "overlap": "The last run",
    "conditions": "Conditions",
    "daily_limit": "Daily limit",
    "limit": "Credits per run",
    "credits": "Credits",
    "place": "Where it works",
    "taken": "Taken before",
    "state": "Right state",
}
RESULTS = {
    "pass": ("Passed", "good", "circle-check"),
    "stop": ("Stopped here", "bad", "circle-x"),
    "not_applicable": ("Not needed", "quiet", "circle-dashed"),
    "not_evaluated": ("Not reached", "quiet", "circle-dashed"),
}
ADVICE = {
    "action_failed": "Retry: only what failed is done again.",
    "timed_out": "The service was slow. Retry: only what failed is done again.",
    "worker_lost": "It was stopped from outside several times. Retry; if that goes on, tell who runs this console.",
    "provider_refused": "Change the task or the wording that the AI service refused, then retry.",
    "insufficient_credits": "Add credits or wait for the month's grant, then retry.",
    "budget": "Raise the budget, or retry in the next period.",
    "limit_below_price": "Raise the rule's credits per run above the price of one record.",
    "daily_limit": "Raise the rule's runs per day, or run it now by hand tomorrow.",
    "paused": "Resume automation, then retry.",
    "account_inactive": "The account has to be active again first.",
    "rule_invalid": TO_DO,
    "loop": "Narrow the conditions of the rules named, so that they no longer start one another.",
    "cancelled": "Somebody cancelled it. Retry does what is left.",
    "conditions": "Use Test on the rule's page to see what stands against each record.",
    "overlap": "It runs more often than it finishes. Let it run less often.",
    "inactive": "Switch the rule on.",
    "closed_day": "Under “More options” the rule can say what to do on closed days.",
    "missed": "Under “More options” the rule can say what to do about missed times.",
}


class Standing(Protocol):
    """A run, an attempt or a step, as far as its state goes."""

    @property
    def status(self) -> str: ...

    @property
    def reason(self) -> str | None: ...


def run_state(run: Standing) -> str:
    """The key of STATUSES."""
    if is_practised(run):
        return "practised"
    return "waiting" if getattr(run, "waiting_for", None) else str(run.status)


def is_practised(run: Standing) -> bool:
    """Whether it is a run in practice mode that passed its checks.

    In the API it is skipped, with a reason of its own.
    """
    return run.status == Status.SKIPPED and run.reason == Reason.SHADOW


def outcome(run: AnyRun) -> str:
    """One line on the run's result, or what it waits for."""
    if run.status == Status.COMPLETED:
        return str(run.result.get("summary") or "Done.")
    if run.waits_for_run_id:
        return f"Waits for run {run.waits_for_run_id}, which holds its records"
    if run.waiting_for:
        return _wait(run)
    if run.status == Status.PENDING:
        return _to_come(run)
    if run.status == Status.RUNNING:
        return "Working"
    return run.error_message or REASONS.get(run.reason or "", "")


def _to_come(run: AnyRun) -> str:
    if run.reason == Reason.CLOSED_DAY:
        return f"Will be left out: {run.error_message}"
    if goes_on_later(run):
        return "Goes on later"
    return "Tries again" if run.attempt else "Planned"


def goes_on_later(run: AnyRun) -> bool:
    """Whether nothing has failed: the turn of its other records comes at `not_before`, as its message says."""
    is_tried_again = run.auto_retries or run.rescues
    return bool(run.status == Status.PENDING and run.attempt and run.error_message and not is_tried_again)


def _wait(run: AnyRun) -> str:
    if run.waiting_for == Waiting.BUDGET:
        return waits_for_budget(run)
    return waits_for_credits(run) if run.waiting_for == Waiting.CREDITS else WAITS[run.waiting_for or ""]


def advice(run: AnyRun) -> str:
    """What a person can do about a failed or skipped run; empty when there is nothing to do."""
    return ADVICE.get(run.reason or "", "") if run.status in (Status.FAILED, Status.SKIPPED) else ""
