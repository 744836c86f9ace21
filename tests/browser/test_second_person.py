"""In the browser: somebody changes a rule that is on, somebody else finds, reads and approves the change."""

from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy.orm import Session

from tests.browser.conftest import serious_faults
from tests.modules.automation_pages import ON_KEYWORDS, make_rule
from tests.people import People

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")


def test_a_change_is_proposed_by_one_and_approved_by_another(
    open_page: Any, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **ON_KEYWORDS | {"schedule": {}, "conditions": {}})
    people.account.rule_approval_required = True
    session.commit()
    page = open_page(people.editor)
    page.goto(f"/rules/{rule.id}")
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("link", name="Change limits").click()
    page.locator("[name=max_executions_per_day]").fill("77")
    page.get_by_role("button", name="To the summary").click()
    page.get_by_label("Note for whoever approves it").fill("For Christmas.")
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_text("A change waits for approval")).to_be_visible()
    second = open_page(people.owner, bypass_csp=True)
    second.goto("/my-work")
    second.get_by_role("link", name="Mark brands").click()
    expect(second.get_by_text("For Christmas.")).to_be_visible()
    assert serious_faults(second) == []
    second.get_by_role("button", name="Approve").click()
    expect(second.get_by_text("The rule works like this from now on.")).to_be_visible()
    session.expire_all()
    assert (rule.max_executions_per_day, rule.version) == (77, 2)
