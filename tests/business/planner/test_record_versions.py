"""Versions of records: each change counts once, whoever makes it; a change of an old version is refused completely."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.errors import Stale
from app.business.planner.models import Record, Sector
from app.business.planner.services import cluster_service, site_service
from app.business.planner.services.keyword_import import import_keywords
from app.business.planner.services.keyword_table import read_keyword_table
from app.business.planner.services.record_changes import KEYWORD, set_status
from app.business.writer.models import Content, ContentVersion
from app.business.writer.services.content_edit import create_content, update_content
from app.business.writer.services.record_editors import EDITORS, update_record
from tests.business.planner.stories import person, rule, sector_of_new_account
from tests.factories import NOW, make_cluster, make_content, make_idea, make_keyword, make_task

LATER = NOW + timedelta(hours=1)
Make = Callable[..., Any]
MAKERS = {
    "keyword": (make_keyword, {"volume": 7}),
    "cluster": (make_cluster, {"name": "Boots"}),
    "idea": (make_idea, {"title": "Boots"}),
    "task": (make_task, {"title": "Boots"}),
    "content": (make_content, {"title": "Boots"}),
}


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("by", [person, rule])
def test_every_change_of_a_record_counts(
    session: Session, sector: Sector, kind: str, by: Callable[[Sector], Any]
) -> None:
    make, change = MAKERS[kind]
    record: Record = make(session, sector)
    assert record.version == 1
    for number, changes in enumerate([change, {"labels": ["a"]}, {"note": "n"}, change | {"note": "m"}], 2):
        update_record(session, record, changes, origin=by(sector), now=LATER)
        assert (record.version, record.updated_at) == (number, LATER)
    update_record(session, record, change | {"note": "m"}, origin=by(sector), now=LATER + timedelta(hours=1))
    assert (record.version, record.updated_at) == (5, LATER), "nothing differs, so nothing is counted"


def test_changes_of_many_rows_count_too(session: Session, sector: Sector) -> None:
    keyword = make_keyword(session, sector, text="socks")
    by: dict[str, Any] = {"origin": person(sector), "now": LATER}
    set_status(session, KEYWORD, [keyword.id], "ignored", by["origin"], LATER)
    table = read_keyword_table(b"keyword,volume\nsocks,90\n")
    import_keywords(session, table, site=sector.site, sector=sector, **by)
    cluster_service.move_keywords(session, cluster := make_cluster(session, sector), [keyword.id], **by)
    cluster_service.merge_clusters(session, make_cluster(session, sector), [cluster], **by)
    session.refresh(keyword)
    assert (keyword.version, keyword.volume) == (5, 90)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_change_of_an_old_version_changes_nothing(session: Session, sector: Sector, kind: str) -> None:
    make, change = MAKERS[kind]
    record = make(session, sector)
    update_record(session, record, {"note": "theirs"}, origin=person(sector), now=LATER)
    edit = EDITORS[type(record)]
    with pytest.raises(Stale):
        edit(session, record, change, seen=1, origin=person(sector), now=LATER)
    session.refresh(record)
    assert (record.version, record.note) == (2, "theirs")
    edit(session, record, change, seen=2, origin=person(sector), now=LATER)
    assert (record.version, record.note) == (3, "theirs")


def test_sites_and_sectors_count_their_changes(session: Session, sector: Sector, now: datetime) -> None:
    site = sector.site
    site_service.update_site(session, site, {"name": "Tea"}, seen=1, now=now)
    site_service.rename_sector(session, sector, "Green", seen=1, now=now)
    assert (site.version, sector.version) == (2, 2)
    with pytest.raises(Stale):
        site_service.update_site(session, site, {"name": "Old"}, seen=1, now=now)
    with pytest.raises(Stale):
        site_service.rename_sector(session, sector, "Old", seen=1, now=now)
    assert (site.name, sector.name) == ("Tea", "Green")


def _texts(session: Session, content: Content) -> list[tuple[int, str, str, int]]:
    query = (
        select(ContentVersion).where(ContentVersion.content_id == content.id).order_by(ContentVersion.number)
    )
    return [(row.number, row.html, row.meta_title, row.word_count) for row in session.scalars(query)]


def test_every_text_of_an_article_is_kept(session: Session, sector: Sector) -> None:
    by: dict[str, Any] = {"origin": person(sector), "now": LATER}
    content = create_content(session, sector, {"title": "Sheds", "html": "<p>One.</p>"}, **by)
    update_content(session, content, {"html": "<p>One two.</p>"}, **by)
    update_content(session, content, {"labels": ["a"]}, **by)
    update_content(session, content, {"meta_title": "M", "status": "approved"}, **by)
    assert _texts(session, content) == [
        (1, "<p>One.</p>", "", 1),
        (2, "<p>One two.</p>", "", 2),
        (5, "<p>One two.</p>", "M", 2),
    ]
    assert content.version == 5


def test_a_text_from_before_versions_is_kept_when_it_is_first_changed(
    session: Session, sector: Sector
) -> None:
    content = make_content(session, sector, html="<p>Old words.</p>", word_count=2)
    update_content(session, content, {"html": "<p>New.</p>"}, origin=person(sector), now=LATER)
    assert _texts(session, content) == [(1, "<p>Old words.</p>", "", 2), (2, "<p>New.</p>", "", 1)]
