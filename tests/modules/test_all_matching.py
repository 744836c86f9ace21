"""Bulk actions on all rows that match the filters of a list, not only on the ticked ones of its page."""

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.planner.models import Keyword
from app.modules import record_pages
from tests.factories import make_keyword, make_sector, make_site
from tests.people import browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


def test_all_that_match_are_asked_about_and_changed(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    for number in range(61):
        make_keyword(session, sector, text=f"shoes {number}", volume=900)
    other = make_keyword(session, sector, text="hats", volume=10)
    session.commit()
    browser = browser_of(app, session, people.operator)
    address = "/keywords?volume_from=500"
    assert "All 61 that match" in browser.get(address).text
    sent = {"all": "1", "ids": other.id, "status": "ignored"}
    asked = browser.post("/keywords/decide?volume_from=500", data=sent).text
    assert "Ignore 61 keywords?" in asked
    done = browser.post("/keywords/decide?volume_from=500", data=sent | {"confirmed": "1"})
    assert done.location == address
    counted = select(Keyword.status, func.count()).group_by(Keyword.status)
    assert dict(session.execute(counted).all()) == {"ignored": 61, "new": 1}
    monkeypatch.setattr(record_pages, "IDS_MOST", 50)
    refused = browser.post("/keywords/decide?volume_from=500", data=sent)
    assert refused.status_code == 422
    assert "These are more than 50." in refused.text
