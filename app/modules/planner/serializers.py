"""JSON of keywords, clusters and ideas: what may be sent, how they read, what their lists are filtered by."""

from typing import Annotated, Literal

from pydantic import Field

from app.business.planner.models import (
    ClusterStatus,
    IdeaStatus,
    Intent,
    KeywordStatus,
)
from app.modules.api.exports import FileQuery
from app.modules.api.fields import OneOf
from app.modules.api.models import ApiModel
from app.modules.api.records import (
    Count,
    ListOf,
    RecordQuery,
    RecordShown,
    RecordWritten,
    RowId,
)
from app.modules.api.resource import Schema


class KeywordFigures(Schema):
    """What is known about a keyword."""

    volume: Count | None = None
    difficulty: float | None = None
    cpc: float | None = None
    intent: OneOf[Intent] | None = None
    country: str = ""
    language: str = ""
    position: float | None = None
    clicks: Count | None = None
    impressions: Count | None = None
    url: str = ""
    intents: list[OneOf[Intent]] = Field(default_factory=list, description="All intents, the main one apart.")
    parent_keyword: str = ""
    traffic_potential: Count | None = None
    serp_features: list[str] = Field(default_factory=list)
    match_type: str = ""


class KeywordNew(KeywordFigures, RecordWritten):
    """A keyword; without a sector it goes to the site's "General"."""

    site: RowId
    sector: RowId | None = None
    text: str


class KeywordChanges(KeywordFigures, RecordWritten):
    """Figures, labels, note, assignee; `status` ignores or takes back; `cluster` moves (null: takes out)."""

    status: OneOf[KeywordStatus] = KeywordStatus.NEW
    cluster: RowId | None = None


class KeywordShown(RecordShown):
    """A keyword."""

    text: str
    volume: int | None
    difficulty: float | None
    cpc: float | None
    intent: str | None
    country: str
    language: str
    position: float | None
    clicks: int | None
    impressions: int | None
    url: str
    intents: list[str]
    parent_keyword: str
    traffic_potential: int | None
    serp_features: list[str]
    match_type: str
    cluster: int | None = Field(validation_alias="cluster_id")


class KeywordsAdded(ApiModel):
    """What came of a list of keywords. `duplicates`: those that their site has already, or that the list repeats."""

    results: list[KeywordShown]
    created: int
    duplicates: int


class KeywordQuery(RecordQuery):
    """Filters of the list of keywords."""

    status: Annotated[list[KeywordStatus], ListOf] = Field(default_factory=list)
    volume_from: Count | None = None
    volume_to: Count | None = None
    intent: Intent | None = None
    cluster: RowId | None = None
    doubles: bool = Field(
        default=False, description="Same as another one of the site but for case or hidden signs."
    )
    sort: Literal["newest", "volume", "difficulty", "text"] = "newest"
    ordering: (
        Literal[
            "created_at",
            "-created_at",
            "volume",
            "-volume",
            "difficulty",
            "-difficulty",
            "clicks",
            "-clicks",
            "impressions",
            "-impressions",
            "position",
            "-position",
            "text",
            "-text",
        ]
        | None
    ) = None


class KeywordExportQuery(KeywordQuery, FileQuery):
    """The filters of the list."""


class ClusterNew(RecordWritten):
    """A new, empty cluster."""

    site: RowId
    sector: RowId | None = None
    name: str
    main_keyword: str = ""
    main_intent: OneOf[Intent] | None = None


class ClusterChanges(RecordWritten):
    """Keys left out stay as they are."""

    name: str = ""
    main_keyword: str = ""
    main_intent: OneOf[Intent] | None = None
    status: OneOf[ClusterStatus] = ClusterStatus.NEW


class ClusterShown(RecordShown):
    """A cluster with what is counted of its keywords and ideas now."""

    name: str
    main_keyword: str
    main_intent: str | None
    keyword_count: int = 0
    idea_count: int = 0
    total_volume: int = 0


class ClusterQuery(RecordQuery):
    """Filters of the list of clusters."""

    status: Annotated[list[ClusterStatus], ListOf] = Field(default_factory=list)
    sort: Literal["newest", "name"] = "newest"
    ordering: Literal["created_at", "-created_at", "name", "-name"] | None = None


class ClusterExportQuery(ClusterQuery, FileQuery):
    """The filters of the list."""


class IdeaNew(RecordWritten):
    """An idea of a cluster, or of a site and sector."""

    cluster: RowId | None = None
    site: RowId | None = None
    sector: RowId | None = None
    title: str
    description: str = ""
    content_type: str = "article"
    main_keyword: str = ""


class IdeaChanges(RecordWritten):
    """Keys left out stay as they are; `status` accepts, rejects or reopens."""

    title: str = ""
    description: str = ""
    content_type: str = "article"
    main_keyword: str = ""
    status: OneOf[IdeaStatus] = IdeaStatus.NEW


class IdeaShown(RecordShown):
    """An idea."""

    cluster: int | None = Field(validation_alias="cluster_id")
    title: str
    description: str
    content_type: str
    main_keyword: str


class IdeaQuery(RecordQuery):
    """Filters of the list of ideas."""

    status: Annotated[list[IdeaStatus], ListOf] = Field(default_factory=list)
    cluster: RowId | None = None
    sort: Literal["newest", "title"] = "newest"
    ordering: Literal["created_at", "-created_at", "title", "-title"] | None = None


class IdeaExportQuery(IdeaQuery, FileQuery):
    """The filters of the list."""


class KeywordFile(ApiModel):
    """The form of an import. `existing`: what becomes of keywords that are here already."""

    file: bytes
    site: RowId | None = None
    sector: RowId | None = None
    existing: Literal["update", "leave"] = "update"
    sheet: str | None = None
    encoding: str | None = None
    columns: str | None = Field(None, description="JSON: field -> header, or an empty text for no column.")
    header_row: Annotated[int | None, Field(ge=0, description="The row that names the columns; 0: none.")] = (
        None
    )


class SheetShown(ApiModel):
    """A sheet of a workbook. `keyword`: the header of its keyword column, null where nothing looks like keywords."""

    name: str
    rows: int
    hidden: bool
    keyword: str | None
    chosen: bool


class RowRefused(ApiModel):
    """A row of a file that was left out, and why."""

    row: int
    message: str


class ImportShown(ApiModel):
    """What came of an import: created + duplicates + rejected + left_out are all rows of the file but its header.

    duplicates: includes `updated` · left_out: totals, notes and lines above the header · unread: field -> figures left
    empty because they could not be read · columns: field -> header that it was read from · header_row: 0 for none ·
    hidden_rows: those that the sheet does not show, imported like the others.
    """

    created: int
    updated: int
    duplicates: int
    rejected: int
    left_out: int
    unread: dict[str, int]
    errors: list[RowRefused]
    columns: dict[str, str]
    unknown_columns: list[str]
    header_row: int
    encoding: str
    sheets: list[SheetShown]
    hidden_rows: int
