"""Notes that people leave on an article when they decide on it."""

from datetime import datetime

from app.business.errors import Invalid
from app.business.writer.models import Content, ContentStatus
from app.business.writer.services import sent_back
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.display import day

NOTE_LIMIT = 2_000


def with_note(content: Content, note: str, now: datetime) -> dict[str, str]:
    """The change that puts the person's note above earlier ones; nothing for an empty one. Raises Invalid."""
    if len(note) > NOTE_LIMIT:
        raise Invalid({"note": [f"Use at most {NOTE_LIMIT:,} characters for the note."]})
    if not note:
        return {}
    user = current_person().user
    said = f"{user.name or user.email}, {day(now.date())}: {note}"
    return {"note": "\n\n".join(filter(None, (said, content.note)))}


def tell_writer(content: Content, status: str | None, note: str, now: datetime) -> None:
    """Where the article is sent back with a note, its writer gets a notice of it."""
    if status == ContentStatus.DRAFT and note:
        sent_back.tell_writer(db.session(), content, note, current_person().user, now)
