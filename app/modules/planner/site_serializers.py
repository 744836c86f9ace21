"""JSON of sites and sectors."""

from typing import Annotated, Literal

from pydantic import Field

from app.business.planner.models import Grouping, SiteStatus, Tightness
from app.modules.api.fields import OneOf
from app.modules.api.records import Count, ListOf, RowId, Shown, Text
from app.modules.api.resource import Query, Schema


class SiteNew(Schema):
    """A web site that content is made for."""

    name: str
    url: str = ""
    timezone: str | None = None
    language: str = "en"
    status: OneOf[SiteStatus] = SiteStatus.ACTIVE
    monthly_budget: Count | None = None
    about: str = ""
    audience: str = ""
    tone: str = ""
    words_to_avoid: list[str] = Field(default_factory=list)
    call_to_action: str = ""
    facts: str = ""
    grouping: OneOf[Grouping] = Grouping.MEANING
    tightness: OneOf[Tightness] = Tightness.USUAL


class SiteChanges(SiteNew):
    """Keys left out stay as they are."""

    name: str = ""


class SiteShown(Shown):
    """A site."""

    name: str
    url: str
    timezone: str | None
    language: str
    status: SiteStatus
    monthly_budget: int | None
    about: str
    audience: str
    tone: str
    words_to_avoid: list[str]
    call_to_action: str
    facts: str
    grouping: Grouping
    tightness: Tightness


class SiteQuery(Query):
    """Filters of the list of sites."""

    status: Annotated[list[SiteStatus], ListOf] = Field(default_factory=list)
    text: Text = ""
    sort: Literal["newest", "name"] = "newest"
    ordering: Literal["created_at", "-created_at", "name", "-name"] | None = None


class SectorNew(Schema):
    """A topic area of a site."""

    site: RowId
    name: str


class SectorChanges(Schema):
    """A sector stays with its site."""

    name: str = ""


class SectorShown(Shown):
    """A sector."""

    site: int = Field(validation_alias="site_id")
    name: str


class SectorQuery(Query):
    """Filters of the list of sectors."""

    site: RowId | None = None
    ordering: Literal["created_at", "-created_at"] | None = None
