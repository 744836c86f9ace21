"""The form of a webhook."""

from typing import Any

from wtforms import BooleanField, SelectMultipleField, StringField
from wtforms.widgets import CheckboxInput, ListWidget

from app.business.outlets.services.webhooks import EVENTS, NAME_LIMIT, URL_LIMIT, WebhookValues
from app.business.outlets.webhook_models import Webhook
from app.modules.forms import ConsoleForm, at_most, required


class WebhookForm(ConsoleForm):
    """What an owner enters."""

    name = StringField(
        "Name",
        [required("a name"), at_most(NAME_LIMIT)],
        description="Rules are offered it by this name.",
        render_kw={"autocomplete": "off"},
    )
    url = StringField(
        "Address",
        [required("the address"), at_most(URL_LIMIT)],
        description="Where messages are posted to. It starts with https://.",
        render_kw={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"},
    )
    events = SelectMultipleField(
        "Tell it when",
        choices=dict(EVENTS),
        description="Choose none where only rules post to it.",
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    is_active = BooleanField("Switched on", default=True)

    def fill(self, row: Webhook) -> None:
        """With what is stored."""
        for name in ("name", "url", "events", "is_active"):
            self[name].data = getattr(row, name)

    @property
    def values(self) -> WebhookValues:
        """What was entered."""
        given: dict[str, Any] = {name: self[name].data for name in ("name", "url", "is_active")}
        return WebhookValues(**given, events=self.events.data or [])
