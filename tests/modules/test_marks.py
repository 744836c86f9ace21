"""The mark of a page is older than everything that the page shows."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.infrastructure.database import db
from app.modules import access, live
from tests.modules.test_live_pages import asks, mark_of
from tests.people import browser_of, make_people


@pytest.mark.parametrize("is_known", [True, False])
def test_a_page_says_nothing_of_the_account_that_is_older_than_its_mark(
    app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    people = make_people(session)
    owner = browser_of(app, session, people.owner)
    owner.get("/")
    if not is_known:
        monkeypatch.setitem(app.extensions, "askers", live.Askers())
    identify = access._identify

    def then_pause(now: datetime) -> access.Person | None:
        person = identify(now)
        with Session(db.engine) as elsewhere:
            pausing = update(Account).where(Account.id == people.account.id)
            elsewhere.execute(pausing.values(paused_at=datetime.now(UTC)))
            elsewhere.commit()
        return person

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(access, "_identify", then_pause)
        drawn = owner.get("/").text
    assert "All automation is paused" in drawn or asks(owner, mark_of(drawn)) == 204
