"""Writes the message of a rule to a webhook; workers send it after the run's transaction has committed."""

import json
from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope, owned
from app.business.automation.services.actions.handler import Handlers, LocalWork
from app.business.automation.services.catalogue.actions.send_webhook import SEND_WEBHOOK, SendWebhook
from app.business.automation.services.rule_parts import JsonObject
from app.business.automation.services.runs.context import RunContext
from app.business.automation.services.runs.run_json import run_json
from app.business.automation.services.runs.unit_receipts import Done, LeftOut, Unit
from app.business.errors import NotFound
from app.business.outlets.services.webhook_messages import ACTION_EVENT, post
from app.business.outlets.webhook_models import Webhook
from app.business.writer.services.record_json import records_json

MOST_RECORDS = 100
MOST_BYTES = 256_000
"""Of the records in one message: articles can be long."""


class SendWebhookWork(LocalWork):
    """One message for the whole run. A repeated unit writes none: its key is known."""

    def save(self, session: Session, context: RunContext, unit: Unit, answer: None) -> Done | LeftOut:
        """Left out where the webhook is deleted or switched off."""
        params: SendWebhook = unit.step.params
        try:
            webhook = owned(session, Webhook, params.webhook, Scope(context.account.id))
        except NotFound:
            return LeftOut("The webhook was deleted. Choose another one in the rule.")
        if not webhook.is_active:
            return LeftOut(f"The webhook “{webhook.name}” is switched off: nothing is sent to it.")
        ids = context.detail.records or []
        data: JsonObject = {
            "rule": {
                "id": context.rule.id,
                "name": context.run.rule_name,
                "version": context.run.rule_version,
            },
            "run": run_json(context.run),
            "record_type": context.run.record_type,
            "records": [*_records(session, context, ids)],
            "record_count": len(ids),
        }
        post(session, webhook, ACTION_EVENT, data, key=unit.key, now=context.now)
        return Done(message=f"Message to the webhook “{webhook.name}” written")


def _records(session: Session, context: RunContext, ids: Sequence[int]) -> list[JsonObject]:
    if not context.run.record_type:
        return []
    kept, left = [], MOST_BYTES
    for record in records_json(session, context.run.record_type, ids[:MOST_RECORDS]):
        left -= len(json.dumps(record))
        if left < 0:
            break
        kept.append(record)
    return kept


HANDLERS: Handlers = {SEND_WEBHOOK.key: lambda _model: SendWebhookWork()}
