"""What the REST resources of all records share: the fields everybody may read, filter by and change."""

from datetime import datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, ConfigDict, Field
from sqlalchemy import select

from app.business.base import AccountOwned
from app.business.paging import Page
from app.business.planner.services.record_lists import RecordList
from app.infrastructure.database import db
from app.modules.access import current_person, owned_or_404
from app.modules.api.models import ApiModel
from app.modules.api.resource import Query, Schema, Window

Row = TypeVar("Row", bound=AccountOwned)
Read = TypeVar("Read", bound="Readable")
Count = Annotated[int, Field(ge=0, le=2_147_483_647)]
RowId = Annotated[int, Field(ge=1, lt=2**63)]
Text = Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]
"""A text to look for; a NUL would break PostgreSQL."""

ListOf = BeforeValidator(lambda value: value if isinstance(value, list) else [value])


class Readable(ApiModel):
    """An answer that is read from the attributes of a row."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)


class Shown(Readable):
    """How a row reads in JSON; times are in UTC."""

    id: int
    created_at: datetime
    updated_at: datetime


class RecordShown(Shown):
    """The fields of every record. `made_by_run`: the run that made it, null when a person did."""

    site: int = Field(validation_alias="site_id")
    sector: int = Field(validation_alias="sector_id")
    status: str
    status_since: datetime
    labels: list[str]
    note: str
    assignee: int | None = Field(validation_alias="assignee_id")
    made_by_run: int | None = Field(validation_alias="made_by_run_id")


class RecordWritten(Schema):
    """What may be sent with every record, new or changed, beside its own fields."""

    labels: list[str] = Field(default_factory=list)
    note: str = ""
    assignee: RowId | None = None


class RecordQuery(Query):
    """Filters that every list of records takes."""

    site: RowId | None = None
    sector: RowId | None = None
    assignee: RowId | None = None
    made_by_run: RowId | None = None
    text: Text = ""


def show(schema: type[Read], row: Any) -> Read:
    """`row` as it is answered."""
    return schema.model_validate(row)


def list_rows(rows: RecordList[Row], query: Query, window: Window) -> Page[Row]:
    """The part of the list that the address asks for. Raises Invalid."""
    chosen = query.model_dump(exclude_unset=True, exclude={"format"})
    return rows.page(
        db.session(),
        current_person().scope,
        chosen,
        sort=chosen.pop("sort", None),
        ordering=chosen.pop("ordering", None),
        cursor=window.cursor,
        limit=window.limit,
    )


def row_to_change(model: type[Row], id: int) -> Row:
    """The account's row, locked so that If-Match and the change are one. Raises NotFound."""
    row = owned_or_404(model, id)
    locked = (
        select(model)
        .where(model.id == row.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return db.session.scalars(locked).one()


def in_zone(at: datetime | None) -> datetime | None:
    """The instant; without an offset, the time is in the account's zone."""
    if at is None or at.tzinfo:
        return at
    return at.replace(tzinfo=ZoneInfo(current_person().account.timezone))
