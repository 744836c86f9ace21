"""Send a notice to people of the account."""

from typing import Annotated, Literal

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import Effects
from app.business.automation.services.catalogue.actions.parameters import ROLES, Input, quoted
from app.business.automation.services.catalogue.record_models import RECORD_TYPES


class Notify(Params):
    message: Annotated[
        str,
        Field(min_length=1, max_length=2000),
        Input(
            "Message",
            "You can name fields of the records, like {title}: several become a list with their number. "
            "{each: {title} ({site.name})} is written for each record. Figures of the account too, like "
            "{account.failed_runs_this_month}. When the end of a run starts the rule, also {run.rule}, {run.site}, "
            "{run.status}, {run.reason} or {run.failures_in_a_row}.",
            template=True,
            several_lines=True,
            phrase=quoted(),
            only_in_full=True,
        ),
    ]
    to: Annotated[
        Literal["viewer", "operator", "editor", "owner"] | None,
        Input(
            "To whom",
            words={role: words.capitalize() for role, words in ROLES.items()},
            none="Everybody",
            phrase=lambda value, _type, _rules: f"to {ROLES.get(value, value)}",
        ),
    ] = None


class NotifyAction(ActionType[Notify]):
    key = "notify"
    label = "Send a notice"
    params = Notify
    takes = RECORD_TYPES
    unit_of = "run"
    done = "sent"
    may_repeat = True

    def effects(self, params: Notify, record_type: str | None) -> Effects:
        return Effects()


NOTIFY = NotifyAction()
