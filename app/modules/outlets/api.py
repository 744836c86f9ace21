"""REST: the account's own AI service."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from flask import Response
from pydantic import Field, StringConstraints

from app.business.accounts.models import Role
from app.business.errors import NotFound
from app.business.outlets.models import AiConnection
from app.business.outlets.services import ai_connections
from app.business.outlets.services.ai_connections import MOST_MONEY, ConnectionValues, money
from app.infrastructure.database import db
from app.modules.access import OWNER_OF_ALL, current_person
from app.modules.api.declaration import ApiBlueprint
from app.modules.api.models import ApiModel
from app.modules.api.resource import Schema, answer, report, require_match, saved
from app.modules.outlets import connection
from app.modules.outlets.forms import KEY_LIMIT
from app.modules.quotas import AI_TESTS

api = ApiBlueprint("outlets_api", __name__, url_prefix="/api/outlets")
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")
]
Money = Annotated[float, Field(ge=0, le=MOST_MONEY, allow_inf_nan=False)]


class AiShown(ApiModel):
    """The account's AI service; its key is never shown. Prices are for a million tokens.

    `embedding_model`: makes the vectors by which keywords are grouped; left out where the built-in ones do.
    """

    base_url: str
    model: str
    article_model: str
    embedding_model: Annotated[str, Field(exclude_if=lambda name: not name)] = ""
    price_in: float | None
    price_out: float | None
    monthly_limit: float | None


class AiSent(Schema):
    """`api_key`: left out, the stored one stays; empty or null: none. `article_model`: empty, `model` writes too.

    `embedding_model`: makes the vectors by which keywords are grouped; empty, the built-in ones do.
    """

    base_url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000)]
    api_key: Annotated[str, StringConstraints(strip_whitespace=True, max_length=KEY_LIMIT)] | None = None
    model: Annotated[Line, Field(min_length=1)]
    article_model: Line = ""
    embedding_model: Line = ""
    price_in: Money | None = None
    price_out: Money | None = None
    monthly_limit: Money | None = None


class AiTested(ApiModel):
    """What came of a test. `mode`: how the service is asked for JSON from now on; null when it failed."""

    ok: bool
    mode: Literal["json_schema", "json_object", "plain"] | None
    message: str


@api.call("GET", "/ai/", Role.OWNER, answers={200: AiShown}, errors=(NotFound,), if_match=True)
def show_ai() -> Response:
    """The account's own AI service; 404 where it uses that of the installation."""
    row = _row()
    return answer(_shown(row), version=row.version)


@api.call("PUT", "/ai/", OWNER_OF_ALL, answers={200: AiShown}, if_match=True)
def replace_ai(body: AiSent) -> Response:
    """Connect the account's own AI service, or replace the connection. An absent key takes its default."""
    before = ai_connections.find(db.session(), current_person().account.id)
    require_match(_shown(before) if before else None, before.version if before else None)
    values = body.model_dump()
    if "api_key" in body.model_fields_set:
        values["api_key"] = body.api_key or ""
    row = connection.save(ConnectionValues(**values))
    return saved(answer(_shown(row), version=row.version))


@api.call("DELETE", "/ai/", OWNER_OF_ALL, answers={204: None}, errors=(NotFound,), if_match=True)
def remove_ai() -> tuple[str, int]:
    """Use the AI service of the installation again; the stored key is deleted."""
    row = _row()
    require_match(_shown(row), row.version)
    ai_connections.remove(db.session(), row, current_person().actor, datetime.now(UTC))
    db.session.commit()
    return "", 204


@api.call(
    "POST",
    "/ai/test/",
    OWNER_OF_ALL,
    answers={200: AiTested},
    errors=(NotFound,),
    quota=AI_TESTS,
)
def test_ai() -> Response:
    """Ask the service a small question: whether it answers, and in which form it can be asked for JSON."""
    found = connection.test(_row())
    return report(AiTested(ok=found.ok, mode=found.mode, message=found.message))


def _row() -> AiConnection:
    row = ai_connections.find(db.session(), current_person().account.id)
    if row is None:
        raise NotFound()
    return row


def _shown(row: AiConnection) -> AiShown:
    return AiShown(
        base_url=row.base_url,
        model=row.model,
        article_model=row.article_model,
        embedding_model=row.embedding_model,
        price_in=money(row.price_in),
        price_out=money(row.price_out),
        monthly_limit=money(row.monthly_limit),
    )
