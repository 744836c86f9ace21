"""REST: settings of the account, and its people by name."""

from datetime import UTC, datetime
from typing import Annotated

from flask import Response
from pydantic import Field
from sqlalchemy import select

from app.business.accounts.models import Account, Role, User
from app.business.accounts.services.settings import change_settings
from app.business.accounts.services.team import check_timezone
from app.business.automation.services.runs.waiting import wake_for_budget
from app.business.paging import keyset_page
from app.business.planner.services.plain_text import clean_line
from app.infrastructure.database import db
from app.modules.access import OWNER_OF_ALL, VIEWER_OF_ALL, current_person
from app.modules.accounts.api import api
from app.modules.api.bodies import Changes
from app.modules.api.records import Readable
from app.modules.api.resource import Listed, Schema, Window, answer, listed, saved

MOST_CREDITS = 1_000_000_000
Credits = Annotated[int, Field(ge=0, le=MOST_CREDITS)]


class SettingsShown(Readable):
    """Settings of the account. Days and months of limits begin in its `timezone` · `daily_ceiling`: most credits of a
    day, null for no ceiling · `operator_credit_limit`: the largest run that an operator may start ·
    `chain_notice_credits`: use of a chain of runs within an hour of which owners are told, null for a tenth of the
    monthly grant · `rule_approval_required`: whether a second person approves what makes a rule act."""

    name: str
    timezone: str
    daily_ceiling: int | None
    operator_credit_limit: int
    chain_notice_credits: int | None
    second_factor_required: bool
    rule_approval_required: bool


class SettingsChanges(Schema):
    """Keys left out stay as they are. Whether a second factor is required, and whether a second person approves
    changes of rules, can be changed in the console alone."""

    name: str = ""
    timezone: str = "UTC"
    daily_ceiling: Credits | None = None
    operator_credit_limit: Credits = 0
    chain_notice_credits: Annotated[int, Field(ge=1, le=MOST_CREDITS)] | None = None


class PersonShown(Readable):
    """Somebody of the account, by name or address. `is_active`: whether they may sign in."""

    id: int
    name: str
    role: Role
    is_active: bool


@api.call("GET", "/settings/", VIEWER_OF_ALL, answers={200: SettingsShown}, if_match=True)
def show_settings() -> Response:
    """The settings of the account."""
    return answer(_shown(current_person().account))


@api.call("PATCH", "/settings/", OWNER_OF_ALL, answers={200: SettingsShown}, if_match=True)
def change_settings_of_account(body: Changes[SettingsChanges]) -> Response:
    """Change settings of the account."""
    person, session = current_person(), db.session()
    session.refresh(person.account, with_for_update=True)
    chosen = body.of(None, _shown(person.account))
    if "name" in chosen:
        chosen["name"] = clean_line(chosen["name"], "name")
    if "timezone" in chosen:
        check_timezone(chosen["timezone"])
    changed = change_settings(session, person.account, chosen, person.actor, datetime.now(UTC))
    if "daily_ceiling" in changed:
        wake_for_budget(session, person.account.id)
    session.refresh(person.account)
    return saved(answer(_shown(person.account)))


@api.call("GET", "/people/", Role.VIEWER, answers={200: Listed[PersonShown]})
def list_people(window: Window) -> Response:
    """The people of the account, those added last first: whom records are given to, and who started a run."""
    query = select(User).where(User.account_id == current_person().account.id)
    page = keyset_page(db.session(), query, keys=[User.id], cursor=window.cursor, limit=window.limit)
    return listed(window, page, _person)


def _shown(account: Account) -> SettingsShown:
    return SettingsShown.model_validate(account)


def _person(user: User) -> PersonShown:
    return PersonShown(
        id=user.id, name=user.name or user.email, role=Role(user.role), is_active=user.is_active
    )
