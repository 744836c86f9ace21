"""The form of an API key."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from wtforms import DateField, IntegerField, SelectMultipleField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Optional
from wtforms.widgets import CheckboxInput, ListWidget

from app.business.accounts.models import ApiKey, KeyScope
from app.business.accounts.services.api_keys import (
    MOST_CHANGES,
    MOST_REQUESTS,
    NAME_LIMIT,
    KeyLimits,
    end_of_day,
)
from app.modules.forms import ConsoleForm, at_most, between, required

SCOPES = {
    KeyScope.READ: "Read: look and ask, change nothing",
    KeyScope.RUN: "Run: start, retry and cancel runs, publish",
    KeyScope.WRITE: "Write: make and change rules and records",
    KeyScope.ADMIN: "Admin: what only owners may",
}


class KeyForm(ConsoleForm):
    """What an owner enters for a new key, and changes of an old one."""

    name = StringField(
        "Name",
        [required("a name"), at_most(NAME_LIMIT)],
        description="What uses it, such as “Nightly import”.",
        render_kw={"autocomplete": "off"},
    )
    scopes = SelectMultipleField(
        "What it may do",
        choices={scope.value: words for scope, words in SCOPES.items()},
        description="Tick none, and it may do all that its maker's role may.",
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    site_ids = SelectMultipleField(
        "On which sites",
        coerce=int,
        choices=[],
        description="Tick none, and it works on all sites. Limited to some, it sees nothing of the others.",
        widget=ListWidget(prefix_label=False),
        option_widget=CheckboxInput(),
    )
    expires_at = DateField(
        "Last day", [Optional()], description="After it programs that use the key are refused."
    )
    requests_per_minute = IntegerField(
        "Requests a minute",
        [Optional(), between(1, MOST_REQUESTS)],
        description=f"Empty for the usual {MOST_REQUESTS:,}.",
    )
    changes_per_minute = IntegerField(
        "Changes a minute",
        [Optional(), between(1, MOST_CHANGES)],
        description=f"Empty for the usual {MOST_CHANGES:,}. What only reads is not counted.",
    )

    def offer(self, sites: list[tuple[int, str]]) -> "KeyForm":
        """With the sites of the account."""
        self.site_ids.choices = [SelectChoice(id, name) for id, name in sites]
        return self

    def fill(self, key: ApiKey, zone: str) -> None:
        """With what is stored."""
        for name in ("name", "scopes", "site_ids", "requests_per_minute", "changes_per_minute"):
            self[name].data = getattr(key, name)
        if key.expires_at:
            last = key.expires_at - timedelta(microseconds=1)
            self.expires_at.data = last.astimezone(ZoneInfo(zone)).date()

    def limits(self, zone: str) -> KeyLimits:
        """What was entered; days are those of the account's zone."""
        return KeyLimits(
            [KeyScope(scope) for scope in self.scopes.data or []] or None,
            self.site_ids.data or None,
            end_of_day(self.expires_at.data, zone),
            self.requests_per_minute.data,
            self.changes_per_minute.data,
        )

    def refuse(self, errors: dict[str, list[str]]) -> None:
        """Show the sentences beside their fields."""
        for name, sentences in errors.items():
            self[name].errors = [*self[name].errors, *sentences]
