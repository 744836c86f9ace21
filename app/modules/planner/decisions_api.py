"""REST: decisions on many keywords or ideas at once."""

from flask import Response

from app.business.accounts.models import Role
from app.business.errors import NotFound
from app.business.planner.services.idea_service import decide_ideas
from app.business.planner.services.record_changes import IDEA, KEYWORD
from app.modules.api.status_of_many import MovedRecordsShown, StatusOfMany, give_status
from app.modules.planner.api import api


@api.call(
    "POST", "/keywords/set-status/", Role.OPERATOR, answers={200: MovedRecordsShown}, errors=(NotFound,)
)
def set_status_of_keywords(body: StatusOfMany) -> Response:
    """Ignore keywords (`ignored`), or take them back (`new`)."""
    return give_status(KEYWORD, body)


@api.call("POST", "/ideas/set-status/", Role.OPERATOR, answers={200: MovedRecordsShown}, errors=(NotFound,))
def set_status_of_ideas(body: StatusOfMany) -> Response:
    """Accept ideas (`accepted`), reject them (`rejected`) or open them again (`new`)."""
    return give_status(
        IDEA,
        body,
        lambda session, ids, status, origin, now: decide_ideas(session, ids, status, origin=origin, now=now),
    )
