"""REST: the switch that pauses all automation of the account."""

from datetime import UTC, datetime

from flask import Response

from app.business.accounts.models import Role
from app.business.automation.services.history.run_attention import waiting_for_pause
from app.business.automation.services.triggering.account_pause import pause_account, resume_account
from app.infrastructure.database import db
from app.modules.access import VIEWER_OF_ALL, Permission, current_person
from app.modules.api.models import ApiModel
from app.modules.api.resource import answer, require_present, saved
from app.modules.automation.api.blueprint import api

EDITOR_OF_ALL = Permission(Role.EDITOR, whole_account=True)


class PauseShown(ApiModel):
    """`paused_at`: null while automation works · `waiting`: runs, at most 1,000, that start as soon as it is resumed ·
    `max_credits`: what they cost together at most."""

    paused_at: datetime | None
    waiting: int
    max_credits: int


@api.call("GET", "/pause/", VIEWER_OF_ALL, answers={200: PauseShown}, if_match=True)
def show_pause() -> Response:
    """Whether all automation of the account is paused, and what waits for its end."""
    return answer(_shown())


@api.call("POST", "/pause/", EDITOR_OF_ALL, answers={200: PauseShown}, if_match=True)
def pause() -> Response:
    """Pause all automation: nothing starts until it is resumed, and times planned until then are left out."""
    person = current_person()
    require_present(_shown())
    pause_account(db.session(), person.account, person.actor, datetime.now(UTC))
    return saved(answer(_shown()))


@api.call("POST", "/pause/end/", EDITOR_OF_ALL, answers={200: PauseShown}, if_match=True)
def end_pause() -> Response:
    """Resume all automation; the runs that waited for it start, which costs credits."""
    person = current_person()
    require_present(_shown())
    resume_account(db.session(), person.account, person.actor, datetime.now(UTC))
    return saved(answer(_shown()))


def _shown() -> PauseShown:
    person = current_person()
    limits = [limit for _, limit in waiting_for_pause(db.session(), person.scope)]
    return PauseShown(paused_at=person.account.paused_at, waiting=len(limits), max_credits=sum(limits))
