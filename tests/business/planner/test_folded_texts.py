"""Stored folds: they follow their texts whoever changes them, and decide what is the same keyword, sector or site."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.services.scope import Scope
from app.business.base import Base
from app.business.errors import Conflict, Invalid
from app.business.folded_columns import folded_value, folds_of
from app.business.planner.models import Keyword, Sector
from app.business.planner.services import cluster_service, idea_service, keyword_service, site_service
from app.business.planner.services.keyword_import import ImportResult, import_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from app.business.planner.services.record_lists import CLUSTERS, KEYWORDS
from app.business.writer.services import content_edit, task_service
from app.business.writer.services.record_editors import update_record
from tests.business.planner.stories import person, sector_of_new_account
from tests.factories import NOW, make_cluster, make_keyword

LATER = NOW + timedelta(hours=1)
TEXTS = ["Straße", "STRASSE 2", "İstanbul", "co\u00adop", "\u200bRed\ufeff Shoes", "ΣΊΣΥΦΟΣ", "plain", "É"]


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


@pytest.fixture
def by(sector: Sector) -> dict[str, Any]:
    return {"origin": person(sector), "now": LATER}


def out_of_step(session: Session) -> list[tuple[str, str, Any]]:
    """Folded columns that are not the fold of their text."""
    found = []
    for table in Base.metadata.sorted_tables:
        for name, of in folds_of(table).items():
            pairs = session.execute(select(table.c[of], table.c[name]))
            found += [(table.name, name, text) for text, folded in pairs if folded != folded_value(text)]
    return found


def test_the_folds_follow_every_change(session: Session, sector: Sector, by: dict[str, Any]) -> None:
    pick = Random(3).choice
    cluster = cluster_service.create_cluster(
        session, sector, {"name": pick(TEXTS), "labels": TEXTS[:2]}, **by
    )
    idea = idea_service.create_idea(session, cluster, {"title": pick(TEXTS)}, **by)
    task = task_service.create_task(session, idea, {"title": pick(TEXTS), "brief": pick(TEXTS)}, **by)
    content = content_edit.create_content(session, task, {"title": pick(TEXTS), "html": "<p>ẞ</p>"}, **by)
    keyword = keyword_service.add_keyword(session, sector, {"text": "Größe", "country": "İ"}, **by)
    for record in (cluster, idea, task, content, keyword) * 3:
        update_record(session, record, {"labels": [pick(TEXTS)], "note": pick(TEXTS)}, **by)
    update_record(session, content, {"html": "<p>GROẞ</p>", "meta_title": pick(TEXTS)}, **by)
    update_record(session, content, {"status": "approved"}, **by)
    content_edit.mark_published(session, content, "https://Example.com/ẞ", **by)
    site_service.update_site(session, sector.site, {"name": "STRAẞE", "timezone": "Europe/Berlin"}, now=LATER)
    site_service.rename_sector(session, sector, "İZMİR", now=LATER)
    _import(session, sector, by, "keyword,country,url\nGRÖẞE,ẞ,https://A.example\nNeu,İ,\n")
    session.flush()
    assert out_of_step(session) == []


def _import(session: Session, sector: Sector, by: dict[str, Any], file: str) -> ImportResult:
    table = read_keyword_table(file.encode())
    return import_keywords(session, table, site=sector.site, sector=sector, **by)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("straße", "STRASSE"),
        ("istanbul", "İstanbul"),
        ("coop", "co\u00adop"),
        ("red shoes", "Red\u200b Shoes"),
    ],
)
def test_a_keyword_is_once_in_a_site_in_whatever_case(
    session: Session, sector: Sector, by: dict[str, Any], first: str, second: str
) -> None:
    keyword = keyword_service.add_keyword(session, sector, {"text": first}, **by)
    with pytest.raises(Conflict, match=f"already has the keyword “{keyword.text}”"):
        keyword_service.add_keyword(session, sector, {"text": second}, **by)
    told = _import(session, sector, by, f"keyword,volume\n{second},90\n{first},70\n")
    assert (told.created, told.updated, told.duplicates) == (0, 1, 2)
    session.refresh(keyword)
    assert (keyword.text, keyword.volume) == (first, 90)


@pytest.mark.parametrize(
    ("language", "stored"), [("tr", "dış ılık"), ("az-Latn", "dış ılık"), ("en", "diş ilik")]
)
def test_keywords_are_stored_in_the_lower_case_of_their_site(
    session: Session, sector: Sector, by: dict[str, Any], language: str, stored: str
) -> None:
    site_service.update_site(session, sector.site, {"language": language}, now=LATER)
    keyword = keyword_service.add_keyword(session, sector, {"text": "DIŞ ILIK"}, **by)
    assert keyword.text == stored
    _import(session, sector, by, "keyword\nIĞDIR\n")
    texts = session.scalars(select(Keyword.text)).all()
    assert ("ığdır" in texts) is (language != "en")


def test_sectors_are_found_in_whatever_case(session: Session, sector: Sector) -> None:
    assert site_service.sector_named(session, sector.site, "SHOES\u200b", now=LATER) is sector
    with pytest.raises(Conflict):
        site_service.create_sector(session, sector.site, "shoes", now=LATER)
    site_service.rename_sector(session, sector, "SHOES", now=LATER)
    assert sector.name == "SHOES"


def test_lists_find_texts_in_whatever_case(session: Session, sector: Sector) -> None:
    cluster = make_cluster(session, sector, name="Große İşler %")
    for text in ("GROSSE", "große işler", "İŞLER\u200b", "%", "", "\u200b"):
        assert CLUSTERS.page(session, Scope(sector.account_id), {"text": text}).rows == [cluster], text
    assert CLUSTERS.page(session, Scope(sector.account_id), {"text": "_"}).rows == []


def test_keywords_that_have_become_the_same_are_listed(session: Session, sector: Sector) -> None:
    first = make_keyword(session, sector, text="straße")
    second = make_keyword(session, sector, text="strasse", text_key="strasse\n2")
    make_keyword(session, sector, text="other")
    page = KEYWORDS.page(session, Scope(sector.account_id), {"doubles": "yes"})
    assert sorted(row.id for row in page.rows) == [first.id, second.id]


@pytest.mark.parametrize("sign", ["\u202e", "\u202a", "\u2066", "\u2069"])
def test_signs_that_turn_the_direction_are_refused(
    session: Session, sector: Sector, by: dict[str, Any], sign: str
) -> None:
    with pytest.raises(Invalid, match="turns the direction"):
        cluster_service.create_cluster(session, sector, {"name": f"red{sign}shoes"}, **by)
