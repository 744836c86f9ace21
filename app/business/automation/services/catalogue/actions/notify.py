"""Send a notice to people of the account, and by mail to them or to other addresses."""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from app.business.automation.services.catalogue.actions.base import ActionType, Params
from app.business.automation.services.catalogue.actions.effects import Effects
from app.business.automation.services.catalogue.actions.parameters import (
    ROLES,
    Input,
    Names,
    RowId,
    Said,
    quoted,
)
from app.business.automation.services.catalogue.record_models import RECORD_TYPES

MOST_RECIPIENTS = 20
_ADDRESS = re.compile(r"[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]+\.[^\s@<>,;\".]+")

Recipient = RowId | str
"""A role, the id of a person, or an e-mail address."""


def split(value: Said) -> Said:
    """Of a text with commas its parts, as the form sends them."""
    if isinstance(value, str) and "," in value:
        return [_one(part.strip()) for part in value.split(",") if part.strip()]
    return [_one(item) for item in value] if isinstance(value, list) else _one(value)


def _one(value: Said) -> Said:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    singular = text.lower().removesuffix("s")
    return singular if singular in ROLES else text


def _known(value: Recipient | list[Recipient] | None) -> Recipient | list[Recipient] | None:
    for item in recipients_of(value):
        if isinstance(item, str) and item not in ROLES and not is_address(item):
            raise ValueError(
                f"“{item[:64]}” is neither a role ({', '.join(ROLES)}), the number of a person, nor an e-mail "
                "address."
            )
    return value


def is_address(text: str) -> bool:
    """Whether it is an e-mail address."""
    return len(text) <= 255 and _ADDRESS.fullmatch(text) is not None


def recipients_of(to: Recipient | Sequence[Recipient] | None) -> list[Recipient]:
    """Each of them; none where nobody is named."""
    if to is None:
        return []
    return [to] if isinstance(to, int | str) else list(to)


def _phrase(to: Said, _type: str | None, _rules: Names) -> str:
    said = [f"person {one}" if isinstance(one, int) else ROLES.get(one, one) for one in recipients_of(to)]
    return f"to {', '.join(said)}"


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
        Recipient | Annotated[list[Recipient], Field(min_length=1, max_length=MOST_RECIPIENTS)] | None,
        BeforeValidator(split),
        AfterValidator(_known),
        Input(
            "To whom",
            "Roles (viewers, operators, editors, owners) or e-mail addresses, separated with commas. A role includes "
            "those above it. Empty: everybody sees it in the console, and editors and owners get the mail.",
            names="recipient",
            phrase=_phrase,
        ),
    ] = None
    email: Annotated[
        bool,
        Input(
            "By e-mail too",
            "At most one mail an hour to each address: further messages come together in the next one.",
            phrase=lambda _value, _type, _rules: "by e-mail too",
        ),
    ] = False


class NotifyAction(ActionType[Notify]):
    key = "notify"
    label = "Send a notice"
    explanation = "Tells people within the console, and by e-mail if you want it."
    icon = "bell"
    params = Notify
    takes = RECORD_TYPES
    unit_of = "run"
    done = "sent"
    may_repeat = True

    def effects(self, params: Notify, record_type: str | None) -> Effects:
        return Effects()


NOTIFY = NotifyAction()
