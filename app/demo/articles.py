"""Four articles that people briefed, completed from their briefs, approved and published."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.planner.models import Sector, Site
from app.business.writer.models import Content, Task
from app.business.writer.services.article_html import from_markdown
from app.business.writer.services.content_edit import mark_published, update_content
from app.demo.agency import SITES, Agency

TEXTS = Path(__file__).with_name("texts")


@dataclass(frozen=True)
class DemoArticle:
    """One article: its place, the task it began as, and its file in TEXTS."""

    site: str
    sector_name: str
    title: str
    keyword: str
    file: str

    @property
    def brief(self) -> dict[str, Any]:
        """The fields of the task, as a person types them."""
        brief = "Short and practical, for readers who want an answer before they leave the house."
        return {
            "title": self.title,
            "main_keyword": self.keyword,
            "brief": brief,
            "word_count": 400,
            "status": "queued",
        }

    def sector(self, session: Session, agency: Agency) -> Sector:
        return session.scalars(
            select(Sector)
            .join(Site, Site.id == Sector.site_id)
            .where(Site.account_id == agency.account.id, Site.name == SITES[self.site]["name"])
            .where(Sector.name == self.sector_name)
        ).one()

    def content(self, session: Session, agency: Agency) -> Content | None:
        """The draft that a rule has made of it, if any."""
        return session.scalar(
            select(Content)
            .join(Task, Task.id == Content.task_id)
            .where(Task.account_id == agency.account.id, Task.title == self.title)
        )


ARTICLES = (
    DemoArticle("ridgeline", "Hiking boots", "How Should Hiking Boots Fit?", "how should hiking boots fit",
            "hiking-boots-fit.md"),
    DemoArticle("ridgeline", "Tents", "Do You Need a Tent Footprint?", "do you need a tent footprint",
            "tent-footprint.md"),
    DemoArticle("kaffeewerk", "Filterkaffee", "French Press: Anleitung in vier Minuten", "french press anleitung",
            "french-press.md"),
    DemoArticle("clear-ledger", "Invoicing", "How to Chase Late Payments Without Losing the Client",
            "how to chase late payments", "late-payments.md"),
)  # fmt: skip


def write_out(session: Session, agency: Agency, article: DemoArticle, now: datetime) -> None:
    """The writer completes the article from its brief and submits it for review."""
    text = TEXTS.joinpath(article.file).read_text(encoding="utf-8")
    changes = {"html": from_markdown(text), "outline": False, "status": "review"}
    _change(session, agency, article, changes, agency.operator.id, now)


def approve(session: Session, agency: Agency, article: DemoArticle, now: datetime) -> None:
    _change(session, agency, article, {"status": "approved"}, agency.editor.id, now)


def publish(session: Session, agency: Agency, article: DemoArticle, now: datetime) -> None:
    """Mark the article as published on the site."""
    content = article.content(session, agency)
    if content is not None and content.status == "approved":
        url = f"{SITES[article.site]['url']}/guides/{article.file.removesuffix('.md')}"
        mark_published(session, content, url, origin=agency.by(agency.editor), now=now)


def _change(
    session: Session,
    agency: Agency,
    article: DemoArticle,
    changes: dict[str, Any],
    user_id: int,
    now: datetime,
) -> None:
    content = article.content(session, agency)
    if content is not None:
        origin = agency.by(agency.editor if user_id == agency.editor.id else agency.operator)
        update_content(session, content, changes, origin=origin, now=now)
