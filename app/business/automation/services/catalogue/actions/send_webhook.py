"""Post a signed message about the run to one of the account's webhooks."""

from typing import Annotated

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import Effects
from app.business.automation.services.catalogue.actions.parameters import Input, RowId
from app.business.automation.services.catalogue.record_models import RECORD_TYPES


class SendWebhook(Params):
    webhook: Annotated[
        RowId,
        Input(
            "Webhook",
            "Owners set them up on the page Webhooks. The message says which rule and run it comes from, and lists up "
            "to 100 of its records.",
            names="webhook",
            phrase=lambda value, _type, _rules: f"to webhook {value}",
        ),
    ]


class SendWebhookAction(ActionType[SendWebhook]):
    """Its unit writes the message and is done: sending it, however often, is no part of the run."""

    key = "send_webhook"
    label = "Send to a webhook"
    explanation = "Posts the records to another system, signed, and tries again when that is away."
    icon = "webhook"
    params = SendWebhook
    takes = RECORD_TYPES
    unit_of = "run"
    done = "written"
    may_repeat = True

    def effects(self, params: SendWebhook, record_type: str | None) -> Effects:
        return Effects()


SEND_WEBHOOK = SendWebhookAction()
