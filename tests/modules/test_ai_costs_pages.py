"""Model, tokens and money of the AI service: on the pages of a run, of an article and of credits."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.business.automation.unit_models import ActionRun
from app.business.outlets.models import AiConnection, AiSpend
from app.business.outlets.services.ai_spending import month_of
from tests.factories import make_content, make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.people import People, browser_of, make_people

WORDS = "small-1: 1,200 tokens sent, 840 written, 0.42 (prompt content-1)"


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def page(app: Flask, session: Session, people: People) -> FlaskClient:
    return browser_of(app, session, people.viewer)


def test_a_run_and_what_it_made_name_model_tokens_and_cost(
    session: Session, people: People, page: FlaskClient
) -> None:
    run = make_run(
        session, make_rule(session, people.account, **ON_KEYWORDS, schedule={}, conditions={}), "completed"
    )
    content = make_content(session, make_sector(session, make_site(session, people.account)))
    content.made_by_run_id = run.id
    receipt = ActionRun(
        account_id=people.account.id, run_id=run.id, step=0, type="generate_content", record_type="task", record_id=1,
        status="done", provider_key="k", made={"content": [content.id]}, model="small-1", prompt_version="content-1",
        tokens_in=1_200, tokens_out=840, ai_cost=420_000, started_at=datetime.now(UTC),
    )  # fmt: skip
    session.add(receipt)
    session.commit()
    assert WORDS in page.get(f"/runs/{run.id}").text
    assert WORDS in page.get(f"/content/{content.id}").text
    receipt.model = ""
    session.commit()
    assert "tokens sent" not in page.get(f"/runs/{run.id}").text + page.get(f"/content/{content.id}").text


def test_the_credits_page_shows_the_month(session: Session, people: People, page: FlaskClient) -> None:
    assert "AI service this month" not in page.get("/credits").text
    now, account = datetime.now(UTC), people.account
    spend = AiSpend(account_id=account.id, period=month_of(account, now), spent=16_500_000, held=250_000)
    spend.tokens_in, spend.tokens_out = 1_234_567, 89_000
    session.add(spend)
    prices = {"price_in": 1, "price_out": 1, "monthly_limit": 20_000_000}
    session.add(
        AiConnection(account_id=account.id, base_url="x", model="m", created_at=now, updated_at=now, **prices)
    )
    session.commit()
    text = page.get("/credits").text
    for words in ("AI service this month", "16.50 of 20.00", "0.25", "1,234,567", "89,000"):
        assert words in text
