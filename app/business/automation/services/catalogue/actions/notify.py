"""Send a notice to people of the account."""

from typing import Literal

from pydantic import Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.record_models import RECORD_TYPES


class Notify(Params):
    message: str = Field(min_length=1, max_length=2000)
    to: Literal["viewer", "operator", "editor", "owner"] | None = None


class NotifyAction(ActionType[Notify]):
    key = "notify"
    label = "Send a notice"
    params = Notify
    takes = RECORD_TYPES
    unit_of = "run"


NOTIFY = NotifyAction()
