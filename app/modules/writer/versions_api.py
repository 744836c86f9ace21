"""REST: the versions of an article, its file, and what the checks found in it."""

from datetime import UTC, datetime
from typing import Literal, TypeVar

from flask import Response
from pydantic import Field

from app.business.accounts.models import Role
from app.business.writer.models import Content
from app.business.writer.services import content_edit
from app.business.writer.services.article_files import FILE_KINDS
from app.business.writer.services.article_scores import check_again
from app.business.writer.services.content_versions import (
    SavedVersion,
    compare,
    texts_of,
    version_of,
    versions_of,
    versions_page,
)
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.api.declaration import Media
from app.modules.api.models import ApiModel
from app.modules.api.records import Readable, show
from app.modules.api.resource import Listed, Query, Window, answer, listed, require_present, saved
from app.modules.writer.api import api
from app.modules.writer.article_answers import article_file
from app.modules.writer.decisions_api import content_to_decide
from app.modules.writer.serializers import ContentShown

DOCX, *OTHERS = (kind.mimetype for kind in FILE_KINDS.values())


class ContentVersionShown(Readable):
    """A text of an article after one save. `user`, `run`: who saved it, both null where it is older than versions."""

    number: int
    created_at: datetime
    user: int | None = Field(validation_alias="user_id")
    user_name: str | None = None
    run: int | None = Field(validation_alias="run_id")
    title: str
    word_count: int


VersionRead = TypeVar("VersionRead", bound=ContentVersionShown)


class TextPart(ApiModel):
    """Text, as Markdown, that stands in both versions, or in one of them."""

    kind: Literal["same", "added", "removed"]
    text: str


class ContentVersionWhole(ContentVersionShown):
    """A version with its text. `compared`: from the text of the version before to this one."""

    html: str
    meta_title: str
    meta_description: str
    compared: list[TextPart] = Field(default_factory=list)


class FileOfContentQuery(Query):
    """`format`: a Word document, Markdown with front matter, or an HTML page."""

    format: Literal["docx", "md", "html"] = "docx"


class CheckFinding(Readable):
    """What a check of the text found. `points`: what it takes off the score, 0 where it is passed · `quotes`: places in
    the text."""

    check: str
    points: int
    message: str
    quotes: list[str]


class ArticleChecksShown(ApiModel):
    """What the checks found when the text was saved, or checked again. `score`: 0 to 100, null for a brief."""

    score: int | None
    checks: list[CheckFinding]


@api.call("GET", "/content/<int:id>/versions/", Role.VIEWER, answers={200: Listed[ContentVersionShown]})
def list_content_versions(id: int, window: Window) -> Response:
    """The texts that an article had, newest first."""
    content = owned_or_404(Content, id)
    page = versions_page(db.session(), content, cursor=window.cursor, limit=window.limit)
    return listed(window, page, lambda found: _shown(ContentVersionShown, found))


@api.call(
    "GET",
    "/content/<int:id>/versions/<int:number>/",
    Role.VIEWER,
    answers={200: ContentVersionWhole},
    if_match=True,
)
def get_content_version(id: int, number: int) -> Response:
    """One text that an article had, compared with the one before."""
    content, session = owned_or_404(Content, id), db.session()
    found = version_of(session, content, number)
    earlier = versions_of(session, content, before=number, limit=1)
    parts = compare(earlier[0].version.html if earlier else "", found.version.html)
    compared = [TextPart(kind=kind, text=text) for kind, text in parts]
    return answer(_shown(ContentVersionWhole, found).model_copy(update={"compared": compared}))


@api.call(
    "POST",
    "/content/<int:id>/versions/<int:number>/restore/",
    Role.OPERATOR,
    answers={200: ContentShown},
    if_match=True,
)
def restore_content_version(id: int, number: int) -> Response:
    """Save an old text as the newest; the status stays as it is. If-Match names the version of the article."""
    content, session = content_to_decide(id), db.session()
    texts = texts_of(version_of(session, content, number).version)
    origin, now = current_person().origin, datetime.now(UTC)
    content_edit.update_content(session, content, texts, origin=origin, now=now)
    return saved(answer(show(ContentShown, content), version=content.version))


@api.call("GET", "/content/<int:id>/checks/", Role.VIEWER, answers={200: ArticleChecksShown}, if_match=True)
def show_checks(id: int) -> Response:
    """What the checks found in an article."""
    return answer(_checks(owned_or_404(Content, id)))


@api.call(
    "POST", "/content/<int:id>/checks/", Role.OPERATOR, answers={200: ArticleChecksShown}, if_match=True
)
def check_content(id: int) -> Response:
    """Check an article again, against the profile and the pages of its site as they are now."""
    content = owned_or_404(Content, id)
    require_present(_checks(content))
    check_again(db.session(), content, datetime.now(UTC))
    return saved(answer(_checks(content)))


@api.call("GET", "/content/<int:id>/file/", Role.VIEWER, answers={200: Media(DOCX, tuple(OTHERS))})
def download_content(id: int, query: FileOfContentQuery) -> Response:
    """An article as a file."""
    content, kind = owned_or_404(Content, id), FILE_KINDS[query.format]
    return article_file(kind.write(content), kind.name(content), kind.mimetype)


def _checks(content: Content) -> ArticleChecksShown:
    return ArticleChecksShown(
        score=content.score, checks=[show(CheckFinding, found) for found in content.checks]
    )


def _shown(schema: type[VersionRead], found: SavedVersion) -> VersionRead:
    return show(schema, found.version).model_copy(update={"user_name": found.saved_by})
