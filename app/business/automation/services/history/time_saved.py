"""The hours that rules have saved people, by the minutes that a person would take for each record."""

from collections.abc import Mapping

from app.business.accounts.models import Account
from app.business.automation.services.history.pipeline import Pipeline

USUAL_MINUTES = {"cluster": 5, "idea": 10, "task": 5, "content": 120}
"""Until an account says otherwise: to group keywords, find an idea, write a task, write an article."""


def minutes_by_record(account: Account) -> dict[str, int]:
    """The account's own, else the usual ones."""
    own: Mapping[str, int] = account.minutes_saved or {}
    return {key: own.get(key, usual) for key, usual in USUAL_MINUTES.items()}


def hours_saved(account: Account, flow: Pipeline) -> float:
    """For all that rules made in the period."""
    minutes = minutes_by_record(account)
    return sum(minutes[key] * flow.stage(key).by_rules for key in minutes) / 60
