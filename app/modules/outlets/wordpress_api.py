"""REST: the WordPress of a site."""

from datetime import UTC, datetime
from typing import Annotated

from flask import Response
from pydantic import Field, StringConstraints

from app.business.accounts.models import KeyScope, Role
from app.business.errors import NotFound
from app.business.outlets.services import wordpress_connections
from app.business.outlets.services.wordpress_connections import (
    CATEGORY_LIMIT,
    MOST_CATEGORIES,
    WordPressValues,
)
from app.business.outlets.site_publisher import PostStatus
from app.business.outlets.wordpress_models import WordPressConnection
from app.business.planner.models import Site
from app.infrastructure.database import db
from app.modules.access import Permission, current_person, owned_or_404
from app.modules.api.bodies import Changes
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.models import ApiModel
from app.modules.api.resource import Schema, answer, read_new, report, require_match, saved
from app.modules.outlets import site_connection
from app.modules.outlets.wordpress_forms import MOST_PER_DAY, PASSWORD_LIMIT
from app.modules.quotas import SITE_TESTS

api = ApiBlueprint("wordpress_api", __name__, url_prefix="/api/planner")
ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255, pattern=ONE_LINE)]
Category = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=CATEGORY_LIMIT, pattern=ONE_LINE)
]


class WordPressShown(ApiModel):
    """The WordPress of a site; its application password is never shown."""

    url: str
    username: str
    default_status: PostStatus
    categories: list[str]
    author: str
    max_per_day: int | None


class WordPressSent(Schema):
    """`application_password`: left out, the stored one stays. `author`: empty, the user itself."""

    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
    username: Annotated[Line, Field(min_length=1)]
    application_password: (
        Annotated[str, StringConstraints(strip_whitespace=True, max_length=PASSWORD_LIMIT)] | None
    ) = None
    default_status: PostStatus = "draft"
    categories: Annotated[list[Category], Field(max_length=MOST_CATEGORIES)] = Field(default_factory=list)
    author: Line = ""
    max_per_day: Annotated[int, Field(ge=1, le=MOST_PER_DAY)] | None = None


class WordPressTested(ApiModel):
    """What came of a test. `name`: of the site · `version`: of WordPress, where the site tells it."""

    ok: bool
    message: str
    name: str | None
    version: str | None


@api.call(
    "GET",
    "/sites/<int:id>/wordpress/",
    Role.EDITOR,
    answers={200: WordPressShown},
    errors=(NotFound,),
    if_match=True,
)
def show_wordpress(id: int) -> Response:
    """The WordPress of a site; 404 where none is connected."""
    row = _row(owned_or_404(Site, id))
    return answer(_shown(row), version=row.version)


@api.call(
    "PUT",
    "/sites/<int:id>/wordpress/",
    Role.OWNER,
    answers={200: WordPressShown},
    errors=(NotFound,),
    if_match=True,
)
def replace_wordpress(id: int, body: Changes[WordPressSent]) -> Response:
    """Connect a site to its WordPress, or replace the connection. An absent key takes its default."""
    site = owned_or_404(Site, id)
    before = site_connection.find(site)
    require_match(_shown(before) if before else None, before.version if before else None)
    sent = read_new(body.schema)
    values = sent.model_dump() | {"categories": tuple(sent.categories)}
    row = site_connection.save(site, WordPressValues(**values))
    return saved(answer(_shown(row), version=row.version))


@api.call(
    "DELETE",
    "/sites/<int:id>/wordpress/",
    Role.OWNER,
    answers={204: None},
    errors=(NotFound,),
    if_match=True,
)
def remove_wordpress(id: int) -> tuple[str, int]:
    """Disconnect a site; the stored password is deleted, posts stay as they are."""
    row = _row(owned_or_404(Site, id))
    require_match(_shown(row), row.version)
    wordpress_connections.remove(db.session(), row, current_person().actor, datetime.now(UTC))
    db.session.commit()
    return "", 204


@api.call(
    "POST",
    "/sites/<int:id>/wordpress/test/",
    Permission(Role.EDITOR, scope=KeyScope.RUN),
    answers={200: WordPressTested},
    errors=(NotFound,),
    quota=SITE_TESTS,
)
def test_wordpress(id: int) -> Response:
    """Ask the site whether it is a WordPress and lets our user publish; nothing there is changed."""
    found = site_connection.test(_row(owned_or_404(Site, id)))
    return report(WordPressTested(ok=found.ok, message=found.message, name=found.name, version=found.version))


def _row(site: Site) -> WordPressConnection:
    row = site_connection.find(site)
    if row is None:
        raise NotFound()
    return row


def _shown(row: WordPressConnection) -> WordPressShown:
    return WordPressShown.model_validate(row, from_attributes=True)
