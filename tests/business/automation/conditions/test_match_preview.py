"""The number of matching records while a rule is edited: exact, or estimated where counting takes long."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.business.automation.services.catalogue.field_types import Frame, RuleScope
from app.business.automation.services.conditions.match_preview import Matches, preview_matches
from app.business.planner.models import Sector
from tests import factories

BIG = {"field": "volume", "operator": "gte", "value": 500}
FOREIGN = {"field": "site.language", "operator": "eq", "value": "de"}


@pytest.fixture
def sector(session: Session) -> Sector:
    """Forty keywords of a German site; every second one has a high volume."""
    account = factories.make_account(session)
    sector = factories.make_sector(session, factories.make_site(session, account, language="de"))
    for number in range(40):
        factories.make_keyword(session, sector, text=f"word {number}", volume=900 if number % 2 else 100)
    return sector


def count(session: Session, sector: Sector, leaf: dict[str, Any], **how: Any) -> Matches:
    return preview_matches(
        session,
        Frame(RuleScope(sector.account_id, None, None), datetime.now(UTC), ZoneInfo("UTC")),
        record_type="keyword",
        conditions={"all": [leaf]},
        **how,
    )


def test_all_are_counted_and_the_first_ten_shown(session: Session, sector: Sector) -> None:
    found = count(session, sector, BIG)
    assert (found.count, found.total, found.is_about) == (20, 40, False)
    assert [title for _, title in found.first][:2] == ["word 1", "word 3"]
    assert len(found.first) == 10


def test_conditions_on_own_columns_are_always_counted(session: Session, sector: Sector) -> None:
    assert not count(session, sector, BIG, counted_exactly=10, sample=5).is_about


def test_conditions_on_other_rows_are_estimated_where_there_are_many(
    session: Session, sector: Sector
) -> None:
    found = count(session, sector, FOREIGN, counted_exactly=39, sample=20)
    assert (found.count, found.total, found.is_about) == (40, 40, True)
    assert not count(session, sector, FOREIGN, counted_exactly=40, sample=20).is_about
    assert not count(session, sector, FOREIGN).is_about
