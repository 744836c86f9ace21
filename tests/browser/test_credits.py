"""The credits page in a real browser: a change is tried without leaving the page, and everybody can read it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.sync_api import expect
from sqlalchemy.orm import Session

from tests.browser.conftest import serious_faults
from tests.business.automation.forecast.past_use import make_paid_rule, use
from tests.people import People


def test_a_change_is_tried_in_place(open_page: Any, session: Session, people: People) -> None:
    now = datetime.now(UTC)
    rule = make_paid_rule(session, people.account, now - timedelta(days=60), name="Ideas at once")
    for back in range(1, 29):
        use(session, rule, 20, now - timedelta(days=back))
    session.commit()
    page = open_page(people.viewer, bypass_csp=True)
    page.goto("/credits")
    assert serious_faults(page) == []
    page.get_by_label("What if: Ideas at once").select_option("off")
    expect(page.get_by_text("No rule uses credits at present")).to_be_visible()
    expect(page).to_have_url(f"http://{page.url.split('/')[2]}/credits?rule-{rule.id}=off")
    assert serious_faults(page) == []
