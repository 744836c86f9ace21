"""The columns of the keyword list are chosen by the person, and stay chosen in this browser."""

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from tests.factories import make_keyword, make_sector, make_site
from tests.people import browser_of, make_people

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


def test_columns_are_shown_and_kept(app: Flask, session: Session) -> None:
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    make_keyword(
        session, sector, text="running shoes", clicks=4321, position=7.5, parent_keyword="shoes",
        serp_features=["snippet", "video"], traffic_potential=98765,
    )  # fmt: skip
    session.commit()
    browser = browser_of(app, session, people.viewer)
    assert "4,321" not in browser.get("/keywords").text
    names = "&".join(
        f"columns={name}"
        for name in (
            "",
            "clicks",
            "position",
            "parent_keyword",
            "serp_features",
            "traffic_potential",
            "nonsense",
        )
    )
    for address in (f"/keywords?{names}", "/keywords"):
        page = browser.get(address).text.partition("<table")[2]
        for said in ("4,321", "7.5", "shoes", "snippet, video", "98,765"):
            assert said in page, said
        assert "Difficulty" not in page
    assert "4,321" not in browser.get("/keywords?columns=").text.partition("<table")[2]
