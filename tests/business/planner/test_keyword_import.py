"""An import: every row is created, a duplicate or refused; figures are updated; one batch reports it."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.errors import Conflict, Invalid
from app.business.planner.models import Keyword, Sector
from app.business.planner.services.keyword_import import ImportResult, import_keywords
from app.business.planner.services.keyword_service import add_keyword, update_keyword
from app.business.planner.services.keyword_table import read_keyword_table
from tests.business.planner.stories import closed_batches, events, person, sector_of_new_account
from tests.factories import make_keyword, make_site


@pytest.fixture
def sector(session: Session) -> Sector:
    return sector_of_new_account(session)


def take(session: Session, sector: Sector, text: str, now: datetime, **options: object) -> ImportResult:
    table = read_keyword_table(text.encode())
    chosen = {"site": sector.site, "origin": person(sector), "now": now} | options
    return import_keywords(session, table, **chosen)  # type: ignore[arg-type]


def test_every_row_is_created_a_duplicate_or_refused(session: Session, sector: Sector, now: datetime) -> None:
    make_keyword(session, sector, text="red shoe", volume=10, difficulty=5.0)
    text = "keyword,volume\nRed Shoe,20\nblue shoe,30\nblue  SHOE,31\n,4\nold shoe,many\nTotal:,85\n"
    result = take(session, sector, text, now)
    assert (result.created, result.updated, result.duplicates, result.rejected) == (2, 1, 2, 1)
    assert result.left_out == 1
    assert [error.row for error in result.errors] == [5]
    assert result.columns == {"keyword": "keyword", "volume": "volume"}


def test_figures_are_updated_and_empty_cells_keep_what_is_known(
    session: Session, sector: Sector, now: datetime
) -> None:
    known = make_keyword(session, sector, text="red shoe", volume=10, difficulty=5.0)
    later = now + timedelta(hours=1)
    take(session, sector, "keyword,volume,difficulty\nred shoe,20,\n", later)
    session.refresh(known)
    assert (known.volume, known.difficulty, known.updated_at) == (20, 5.0, later)


def test_keywords_already_here_can_be_left_alone(session: Session, sector: Sector, now: datetime) -> None:
    known = make_keyword(session, sector, text="red shoe", volume=10)
    result = take(session, sector, "keyword,volume\nred shoe,20\n", now, existing="leave")
    session.refresh(known)
    assert (known.volume, result.updated, result.duplicates) == (10, 0, 1)


def test_new_keywords_are_reported_in_one_closed_batch(
    session: Session, sector: Sector, now: datetime
) -> None:
    take(session, sector, "keyword\nred shoe\nblue shoe\n", now)
    assert events(session) == {("keyword_added", "keyword"): 2}
    assert closed_batches(session, now) == 1
    assert session.info["wake"] == {"events"}


def test_without_a_sector_keywords_go_to_general(session: Session, sector: Sector, now: datetime) -> None:
    take(session, sector, "keyword\nred shoe\n", now)
    take(session, sector, "keyword\nblue shoe\n", now)
    names = session.scalars(select(Sector.name).join(Keyword, Keyword.sector_id == Sector.id))
    assert sorted(names) == ["General", "General"]


def test_a_column_can_name_sector_and_site(session: Session, sector: Sector, now: datetime) -> None:
    other = make_site(session, _account(session, sector), name="Boot World")
    text = "keyword,site,sector\nrain boot,boot world,Rain\nmoon boot,Moon World,Rain\nski boot,,\n"
    result = take(session, sector, text, now, site=None)
    placed = session.scalars(select(Keyword)).one()
    assert (placed.site_id, placed.sector.name) == (other.id, "Rain")
    assert [error.message for error in result.errors] == [
        "There is no site “Moon World”.", "The row names no site."
    ]  # fmt: skip


def _account(session: Session, sector: Sector) -> Account:
    return session.get_one(Account, sector.account_id)


def test_a_wrong_sector_column_does_not_make_hundreds_of_sectors(
    session: Session, sector: Sector, now: datetime
) -> None:
    rows = "".join(f"word {number},topic {number}\n" for number in range(201))
    with pytest.raises(Invalid, match="201 different sectors"):
        take(session, sector, f"keyword,sector\n{rows}", now)
    assert session.scalar(select(func.count()).select_from(Keyword)) == 0


def test_ten_thousand_rows_take_a_few_seconds(session: Session, sector: Sector, now: datetime) -> None:
    text = "keyword,volume\n" + "".join(f"word {number},{number}\n" for number in range(10_000))
    assert take(session, sector, text, now).created == 10_000
    again = take(session, sector, text, now)
    assert (again.created, again.updated, again.duplicates) == (0, 0, 10_000)


def test_one_keyword_is_added_once(session: Session, sector: Sector, now: datetime) -> None:
    fields = {"text": " Red  Shoe ", "volume": 5, "labels": ["new", "new"]}
    added = add_keyword(session, sector, fields, origin=person(sector), now=now)
    assert (added.text, added.volume, added.labels, added.status) == ("red shoe", 5, ["new"], "new")
    with pytest.raises(Conflict, match="already has the keyword “red shoe”"):
        add_keyword(session, sector, {"text": "RED SHOE"}, origin=person(sector), now=now)


@pytest.mark.parametrize(
    "fields", [{"text": ""}, {"text": "a\x00b"}, {"text": "x" * 256}, {"text": "a", "difficulty": 101},
               {"text": "a", "volume": -1}, {"text": "a", "intent": "buying"}, {"text": "a", "colour": 1},
               {"text": "a", "assignee": 99}],
)  # fmt: skip
def test_an_invalid_keyword_is_refused_by_field(
    session: Session, sector: Sector, now: datetime, fields: dict[str, object]
) -> None:
    with pytest.raises(Invalid) as refusal:
        add_keyword(session, sector, fields, origin=person(sector), now=now)
    assert list(refusal.value.errors) == [list(fields)[-1]]


def test_a_person_may_ignore_a_keyword_and_take_it_back(
    session: Session, sector: Sector, now: datetime
) -> None:
    keyword = make_keyword(session, sector)
    later = now + timedelta(days=1)
    update_keyword(session, keyword, {"status": "ignored"}, origin=person(sector), now=later)
    assert (keyword.status, keyword.status_since) == ("ignored", later)
    update_keyword(session, keyword, {"status": "new", "note": "again"}, origin=person(sector), now=later)
    assert events(session) == {("status_changed", "keyword"): 2}
