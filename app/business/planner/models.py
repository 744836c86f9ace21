"""Sites, sectors, and the planning half of the pipeline: keywords, clusters, ideas."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship
from sqlalchemy.schema import SchemaItem

from app.business.archived_rows import Archivable, index_in_use
from app.business.base import (
    AccountOwned,
    Base,
    Id,
    Stamped,
    Text,
    Versioned,
    of_account,
    one_of,
    owner_key,
    same_account,
)
from app.business.folded_columns import folded_default, folded_list, folded_text


class SiteStatus(StrEnum):
    """Rules do not run on a paused site."""

    ACTIVE = "active"
    PAUSED = "paused"


class KeywordStatus(StrEnum):
    NEW = "new"
    CLUSTERED = "clustered"
    IGNORED = "ignored"


class ClusterStatus(StrEnum):
    """planned from the first idea on, done when no idea is open any more."""

    NEW = "new"
    PLANNED = "planned"
    DONE = "done"


class IdeaStatus(StrEnum):
    NEW = "new"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    USED = "used"


class Intent(StrEnum):
    """What a searcher wants."""

    INFORMATIONAL = "informational"
    COMMERCIAL = "commercial"
    TRANSACTIONAL = "transactional"
    NAVIGATIONAL = "navigational"


class Grouping(StrEnum):
    """What decides which keywords belong together."""

    MEANING = "meaning"
    PARENT_KEYWORD = "parent_keyword"


class Tightness(StrEnum):
    """How near keywords must be for one page."""

    LOOSE = "loose"
    USUAL = "usual"
    TIGHT = "tight"


class Site(AccountOwned, Stamped, Versioned, Base):
    """A web site that content is made for.

    about, audience, tone, words_to_avoid, call_to_action, facts: its profile, which articles are written by.
    grouping, tightness: how its keywords are put into clusters from now on.
    """

    site_key = "id"

    __tablename__ = "site"
    __table_args__ = owner_key(
        of_account(),
        one_of("status", list(SiteStatus)),
        one_of("grouping", list(Grouping)),
        one_of("tightness", list(Tightness)),
    )

    name: Mapped[str] = mapped_column(Text(255))
    url: Mapped[str] = mapped_column(Text(2000), default="")
    timezone: Mapped[str | None] = mapped_column(Text(64))
    language: Mapped[str] = mapped_column(Text(16), default="en")
    status: Mapped[str] = mapped_column(Text(20), default=SiteStatus.ACTIVE)
    monthly_budget: Mapped[int | None]
    about: Mapped[str] = mapped_column(Text(), default="", server_default="")
    audience: Mapped[str] = mapped_column(Text(), default="", server_default="")
    tone: Mapped[str] = mapped_column(Text(), default="", server_default="")
    words_to_avoid: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    call_to_action: Mapped[str] = mapped_column(Text(), default="", server_default="")
    facts: Mapped[str] = mapped_column(Text(), default="", server_default="")
    grouping: Mapped[str] = mapped_column(Text(20), default=Grouping.MEANING, server_default=Grouping.MEANING)
    tightness: Mapped[str] = mapped_column(Text(20), default=Tightness.USUAL, server_default=Tightness.USUAL)
    name_folded: Mapped[str] = folded_text("name")
    url_folded: Mapped[str] = folded_text("url")
    timezone_folded: Mapped[str | None] = folded_text("timezone", nullable=True)
    language_folded: Mapped[str] = folded_text("language")


class Sector(AccountOwned, Stamped, Versioned, Base):
    """A topic area of a site."""

    __tablename__ = "sector"
    __table_args__ = owner_key(same_account("site_id", "site"), UniqueConstraint("site_id", "name"))

    site_id: Mapped[int] = mapped_column(Id)
    name: Mapped[str] = mapped_column(Text(255))
    name_folded: Mapped[str] = folded_text("name")
    site: Mapped[Site] = relationship(foreign_keys="Sector.site_id", primaryjoin="Sector.site_id == Site.id")


class Record(AccountOwned, Archivable, Stamped, Versioned):
    """Base for keyword, cluster, idea, task and content.

    `made_key` names the unit of work and the place in its output (`r12-s0-45-1`): the same unit,
    done again after a crash, cannot make the same row twice. `made_version`: the version up to which only the run that
    made it has changed it.
    """

    site_id: Mapped[int] = mapped_column(Id)
    sector_id: Mapped[int] = mapped_column(Id)
    status: Mapped[str] = mapped_column(Text(20))
    status_since: Mapped[datetime]
    labels: Mapped[list[str]] = mapped_column(default=list)
    note: Mapped[str] = mapped_column(Text(), default="")
    assignee_id: Mapped[int | None] = mapped_column(Id)
    made_by_run_id: Mapped[int | None] = mapped_column(Id)
    made_key: Mapped[str | None] = mapped_column(Text(128))
    made_version: Mapped[int] = mapped_column(default=1, server_default="1", sort_order=98)
    labels_folded: Mapped[list[str]] = folded_list("labels")
    note_folded: Mapped[str] = folded_text("note")

    @declared_attr
    def site(self) -> Mapped[Site]:
        return relationship(
            Site, primaryjoin=f"foreign({_class_name(self)}.site_id) == Site.id", viewonly=True
        )

    @declared_attr
    def sector(self) -> Mapped[Sector]:
        return relationship(
            Sector, primaryjoin=f"foreign({_class_name(self)}.sector_id) == Sector.id", viewonly=True
        )


def _class_name(owner: Any) -> str:
    # declared_attr passes the class under a type that knows nothing of classes.
    return str(owner.__name__)


def record_table(statuses: type[StrEnum], name: str, *extra: SchemaItem) -> tuple[SchemaItem, ...]:
    """Table arguments of a record: tenant, place, status words, output key, and the lists' indexes.

    name: the column by which its list is sorted from A to Z.
    """
    return owner_key(
        same_account("site_id", "site"),
        same_account("sector_id", "sector"),
        same_account("assignee_id", "user"),
        one_of("status", list(statuses)),
        UniqueConstraint("account_id", "made_key"),
        index_in_use(None, "account_id", "status", "id"),
        index_in_use(None, "account_id", "site_id", "status", "id"),
        index_in_use(None, "account_id", "site_id", "id"),
        index_in_use(None, "account_id", "sector_id", "id"),
        index_in_use(None, "account_id", name, "id"),
        _index_where_set("made_by_run_id"),
        _index_where_set("assignee_id"),
        *extra,
    )


def _index_where_set(column: str) -> Index:
    is_set = text(f"{column} IS NOT NULL")
    return Index(None, "account_id", column, "id", sqlite_where=is_set, postgresql_where=is_set)


class Keyword(Record, Base):
    """A search term, stored trimmed, single-spaced and lower case; in use once in a site.

    volume: searches a month · difficulty: 0-100 · cpc: money per click · position: place in results · intents: all
    that a tool names, `intent` is the main one · parent_keyword: the broader search under which a tool files it ·
    traffic_potential: visits a month of the best page on it · serp_features: boxes on its results page ·
    match_type: how it was bid on.
    """

    __tablename__ = "keyword"
    __table_args__ = (
        *record_table(
            KeywordStatus,
            "text",
            same_account("cluster_id", "cluster"),
            index_in_use("uq_keyword_site_id_text", "site_id", "text", unique=True),
            index_in_use("uq_keyword_site_id_text_key", "site_id", "text_key", unique=True),
            Index(None, "cluster_id"),
            index_in_use(None, "account_id", "status", "volume"),
            index_in_use(None, "account_id", "volume", "id"),
            index_in_use(None, "account_id", "difficulty", "id"),
            index_in_use(None, "account_id", "clicks", "id"),
            index_in_use(None, "account_id", "impressions", "id"),
            index_in_use(None, "account_id", "position", "id"),
            CheckConstraint("volume >= 0", name="volume_not_negative"),
        ),
        # Room for the row as it is after its first change, which then leaves all these indexes as they are.
        {"postgresql_with": {"fillfactor": 50}},
    )

    text: Mapped[str] = mapped_column(Text(255))
    text_folded: Mapped[str] = folded_text("text")
    text_key: Mapped[str] = mapped_column(
        Text(), default=folded_default("text"), server_default="", sort_order=96
    )
    """`text_folded`, once in a site; with the row's number where the site had more of that fold before."""
    volume: Mapped[int | None]
    difficulty: Mapped[float | None]
    cpc: Mapped[float | None]
    intent: Mapped[str | None] = mapped_column(Text(20))
    country: Mapped[str] = mapped_column(Text(64), default="")
    language: Mapped[str] = mapped_column(Text(64), default="")
    position: Mapped[float | None]
    clicks: Mapped[int | None]
    impressions: Mapped[int | None]
    url: Mapped[str] = mapped_column(Text(2000), default="")
    intents: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    parent_keyword: Mapped[str] = mapped_column(Text(255), default="", server_default="")
    traffic_potential: Mapped[int | None]
    serp_features: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    match_type: Mapped[str] = mapped_column(Text(64), default="", server_default="")
    intents_folded: Mapped[list[str]] = folded_list("intents")
    parent_keyword_folded: Mapped[str] = folded_text("parent_keyword")
    serp_features_folded: Mapped[list[str]] = folded_list("serp_features")
    match_type_folded: Mapped[str] = folded_text("match_type")
    country_folded: Mapped[str] = folded_text("country")
    language_folded: Mapped[str] = folded_text("language")
    url_folded: Mapped[str] = folded_text("url")
    cluster_id: Mapped[int | None] = mapped_column(Id)
    cluster_tried_at: Mapped[datetime | None]
    cluster: Mapped["Cluster | None"] = relationship(
        primaryjoin="foreign(Keyword.cluster_id) == Cluster.id", viewonly=True
    )


class Cluster(Record, Base):
    """Keywords that one page can answer, named by the best of them. Its counts are of live rows."""

    __tablename__ = "cluster"
    __table_args__ = record_table(ClusterStatus, "name")

    name: Mapped[str] = mapped_column(Text(255))
    main_keyword: Mapped[str] = mapped_column(Text(255))
    main_intent: Mapped[str | None] = mapped_column(Text(20))
    name_folded: Mapped[str] = folded_text("name")
    main_keyword_folded: Mapped[str] = folded_text("main_keyword")


class Idea(Record, Base):
    """A page worth writing, made from a cluster or by a person."""

    __tablename__ = "idea"
    __table_args__ = record_table(
        IdeaStatus, "title", same_account("cluster_id", "cluster"), Index(None, "cluster_id")
    )

    cluster_id: Mapped[int | None] = mapped_column(Id)
    title: Mapped[str] = mapped_column(Text(255))
    description: Mapped[str] = mapped_column(Text(), default="")
    content_type: Mapped[str] = mapped_column(Text(32), default="article")
    main_keyword: Mapped[str] = mapped_column(Text(255), default="")
    title_folded: Mapped[str] = folded_text("title")
    description_folded: Mapped[str] = folded_text("description")
    content_type_folded: Mapped[str] = folded_text("content_type")
    main_keyword_folded: Mapped[str] = folded_text("main_keyword")
    cluster: Mapped[Cluster | None] = relationship(
        primaryjoin="foreign(Idea.cluster_id) == Cluster.id", viewonly=True
    )
