"""The bell beside the person: how many notices nobody has read."""

from flask import g

from app.business.accounts.services import notices
from app.infrastructure.database import db


def unread_notices() -> int:
    """For the bar above every page."""
    return notices.unread_notices(db.session(), g.person.user) if g.get("person") else 0
