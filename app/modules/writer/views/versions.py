"""The versions of an article: list, what each changed, and going back to one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest

from flask import Response, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.business.accounts.models import Role
from app.business.errors import Stale
from app.business.writer.models import Content, ContentVersion
from app.business.writer.services import content_edit
from app.business.writer.services.content_versions import (
    Part,
    SavedVersion,
    compare,
    next_version,
    texts_of,
    version_of,
    versions_of,
)
from app.infrastructure.database import db
from app.modules.access import allow, current_person, owned_or_404
from app.modules.changes import Change
from app.modules.gate.numbers import row_id
from app.modules.web import framing, see_other

SHOWN = 25
NOW = "now"
LINES_BESIDE = 4
FEWEST_FOLDED = 8
FIELDS = {
    "title": "Title",
    "meta_title": "Title for search engines",
    "meta_description": "Description for search engines",
}


@dataclass(frozen=True)
class VersionLine:
    """A version in the list. what: which parts differ from the one before · gained: words, none for the first."""

    saved: SavedVersion
    what: str
    gained: int | None


@dataclass(frozen=True)
class ShownPart:
    """A stretch of the comparison: same, added, removed, or folded, which is the same and far from any change."""

    kind: str
    text: str


@allow(Role.VIEWER)
def index(id: int) -> str:
    """All versions, newest first, each with the words that it gained or lost."""
    content = owned_or_404(Content, id)
    found = versions_of(db.session(), content, before=row_id(request.args.get("before")), limit=SHOWN + 1)
    shown = found[:SHOWN]
    more = len(found) > SHOWN
    return render_template(
        "pages/writer/versions.html",
        content=content,
        lines=[_line(saved, earlier) for saved, earlier in zip_longest(shown, found[1 : SHOWN + 1])],
        newest=versions_of(db.session(), content, limit=1)[0].version.number if found else None,
        next_url=url_for(".content_versions", id=id, before=shown[-1].version.number) if more else None,
    )


@allow(Role.VIEWER)
def show(id: int, number: int) -> Response:
    """One version, compared with the one before or with the present text; alone where it is both first and present."""
    content, session = owned_or_404(Content, id), db.session()
    saved = version_of(session, content, number)
    earlier = versions_of(session, content, before=number, limit=1)
    against = NOW if request.args.get("against") == NOW or not earlier else "before"
    other: ContentVersion | Content = content if against == NOW else earlier[0].version
    pair = (saved.version, other) if against == NOW else (other, saved.version)
    parts = compare(pair[0].html, pair[1].html)
    page = render_template(
        "pages/writer/version.html",
        content=content,
        saved=saved,
        against=against,
        is_first=not earlier,
        changes=_changes(*pair),
        parts=folded(parts),
        words={kind: _words(parts, kind) for kind in ("added", "removed")},
        earlier=earlier[0].version.number if earlier else None,
        later=next_version(session, content, number),
        is_now=all(getattr(content, name) == text for name, text in texts_of(saved.version).items()),
    )
    return framing(page)


@allow(Role.OPERATOR)
def restore(id: int, number: int) -> ResponseReturnValue:
    """Save an old text as the newest; its status is not changed."""
    content, session, now = owned_or_404(Content, id), db.session(), datetime.now(UTC)
    texts = texts_of(version_of(session, content, number).version)
    seen = row_id(request.form.get("seen")) or content.version
    try:
        content_edit.update_content(
            session, content, texts, seen=seen, origin=current_person().origin, now=now
        )
    except Stale:
        session.rollback()
        flash("Somebody saved this article meanwhile. Look at it again, then choose a version.", "warning")
        return see_other(url_for(".content_versions", id=id))
    session.commit()
    flash(f"The text is that of version {number} again.", "success")
    return see_other(url_for(".content", id=id))


def _line(saved: SavedVersion, earlier: SavedVersion | None) -> VersionLine:
    if earlier is None:
        return VersionLine(saved, "The first text", None)
    before, after = earlier.version, saved.version
    changed = ["text"] if before.html != after.html else []
    changed += [change.field.lower() for change in _changes(before, after)]
    return VersionLine(
        saved, ", ".join(changed).capitalize() or "Nothing of the text", after.word_count - before.word_count
    )


def folded(parts: Sequence[Part]) -> list[ShownPart]:
    """Long stretches that are the same keep the lines beside a change; what lies between them is folded."""
    shown: list[ShownPart] = []
    for at, (kind, text) in enumerate(parts):
        lines = text.splitlines(keepends=True)
        before = LINES_BESIDE if at else 0
        after = LINES_BESIDE if at < len(parts) - 1 else 0
        if kind != "same" or len(parts) == 1 or len(lines) < before + after + FEWEST_FOLDED:
            shown.append(ShownPart(kind, text))
            continue
        end = len(lines) - after
        shown += [
            ShownPart("same", "".join(lines[:before])),
            ShownPart("folded", "".join(lines[before:end])),
            ShownPart("same", "".join(lines[end:])),
        ]
    return [part for part in shown if part.text]


def _words(parts: Sequence[Part], wanted: str) -> int:
    return sum(len(text.split()) for kind, text in parts if kind == wanted)


def _changes(before: ContentVersion | Content, after: ContentVersion | Content) -> list[Change]:
    pairs = {label: (getattr(before, name), getattr(after, name)) for name, label in FIELDS.items()}
    return [Change(label, old or None, new or None) for label, (old, new) in pairs.items() if old != new]
