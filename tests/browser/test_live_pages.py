"""Open pages stay current: what one tab changes shows in the other; polling is measured by the page's own clock."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import Notice
from tests.browser.conftest import serious_faults
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People

STEP = 500
MOVED = "/system/moved"
WATCH = """
    window.asked = []; window.open_calls = 0;
    const real = window.fetch;
    window.fetch = async (address, options) => {
        const call = String(address);
        window.asked.push([call, Date.now()]);
        window.open_calls++;
        try { return await real(address, options); } finally { window.open_calls--; }
    };
"""
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def tab(open_page: Any, people: People) -> Callable[..., Page]:
    """A page whose clock moves only with `run`."""

    def open_at(address: str) -> Page:
        page: Page = open_page(people.owner)
        page.clock.install(time=datetime.now(UTC))
        page.add_init_script(WATCH)
        page.goto(address)
        page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
        settle(page)
        return page

    return open_at


def settle(page: Page) -> None:
    """Wait until every request is answered; timers stand still meanwhile."""
    for _ in range(3000):
        if page.evaluate("window.open_calls") == 0:
            return
        time.sleep(0.01)
    pytest.fail("a question of the page is not answered")


def run(page: Page, seconds: float, step: int = STEP) -> None:
    for _ in range(round(seconds * 1000 / step)):
        page.clock.run_for(step)
        settle(page)


def asked(page: Page) -> list[float]:
    """When the page polled, in its own time."""
    calls = page.evaluate("window.asked")
    return [at for address, at in calls if address.endswith(MOVED)]


def gaps(page: Page) -> list[float]:
    times = asked(page)
    return [later - earlier for earlier, later in pairwise(times)]


def test_a_page_polls_within_three_seconds_and_every_ten_after_five_idle_minutes(tab: Any) -> None:
    page = tab("/history")
    run(page, 12)
    assert len(gaps(page)) >= 3
    assert all(2000 <= gap <= 2000 + STEP for gap in gaps(page)[1:]), gaps(page)
    page.clock.fast_forward(290_000)
    run(page, 45)
    assert all(10_000 <= gap <= 10_000 + STEP for gap in gaps(page)[-2:]), gaps(page)
    before = len(asked(page))
    page.mouse.move(200, 200)
    settle(page)
    assert len(asked(page)) == before + 1, "use is answered at once"
    run(page, 7)
    assert gaps(page)[-1] <= 2000 + STEP


def test_an_idle_page_asks_the_server_seldom_and_a_hidden_one_never(
    tab: Any, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tab("/history")
    served, serve = [], app.wsgi_app

    def counted(environment: Any, begin: Any) -> Any:
        served.append(environment["PATH_INFO"])
        return serve(environment, begin)

    monkeypatch.setattr(app, "wsgi_app", counted)
    page.mouse.move(200, 200)
    settle(page)
    served.clear()
    # A little more than a whole part of the pause: a timer set within a step is due a moment after the whole part.
    run(page, 300, step=1010)
    quick = served.count(MOVED)
    run(page, 600, step=5010)
    slow = served.count(MOVED) - quick
    others = [path for path in served if path != MOVED]
    before = len(served)
    page.evaluate(HIDE, True)
    run(page, 900, step=60_000)
    assert 143 <= quick <= 152, "every two seconds"
    assert 57 <= slow <= 62, "every ten seconds"
    assert len(others) <= 2, (
        f"drawn anew only when a day or the server's own five minutes have passed: {others}"
    )
    assert len(served) == before, "hidden"


def test_what_goes_on_is_asked_for_every_second_until_it_ends(
    tab: Any, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account)
    run_at_work = make_run(session, rule, "running", started_at=datetime.now(UTC))
    page = tab("/history")
    run(page, 6)
    assert all(1000 <= gap <= 1000 + STEP for gap in gaps(page)[1:]), gaps(page)
    run_at_work.status, run_at_work.finished_at = "completed", datetime.now(UTC)
    session.commit()
    run(page, 3)
    expect(page.locator(f"#run_{run_at_work.id}")).to_contain_text("Completed")
    run(page, 6)
    assert all(2000 <= gap <= 2000 + STEP for gap in gaps(page)[-2:]), gaps(page)


def test_a_hidden_page_does_not_poll_and_polls_at_once_when_it_is_shown_again(tab: Any) -> None:
    page = tab("/history")
    run(page, 4)
    page.evaluate(HIDE, True)
    before = len(asked(page))
    page.clock.fast_forward(60_000)
    run(page, 15)
    assert len(asked(page)) == before
    page.evaluate(HIDE, False)
    settle(page)
    assert len(asked(page)) == before + 1


def test_relative_times_advance_without_a_request(tab: Any, session: Session, people: People) -> None:
    make_run(session, make_rule(session, people.account), "completed", timedelta(0))
    page = tab("/history")
    when = page.locator("#history_table time[data-ages]").first
    page.evaluate("() => { window.fetch = () => Promise.reject(new TypeError('no line')); }")
    page.clock.run_for(120_000)
    expect(when).to_have_text("3 minutes ago")
    assert "UTC" in str(when.get_attribute("title"))


def test_what_one_tab_changes_shows_in_the_other(open_page: Any, session: Session, people: People) -> None:
    rule = make_rule(session, people.account)
    one, other, history = open_page(people.owner), open_page(people.viewer), open_page(people.operator)
    other.goto(f"/rules/{rule.id}")
    expect(other.locator("main")).to_contain_text("It has not run yet")
    history.goto("/history")
    one.goto(f"/rules/{rule.id}")
    one.locator(f"#rule_switch_{rule.id} button").first.click()
    expect(one.locator("#toasts")).to_contain_text("is switched off")
    expect(other.locator(".switch-form, main").first).not_to_contain_text("Next run in")
    expect(other.locator("main .facts").last).to_contain_text("None while it is off")
    one.get_by_text("Pause all", exact=True).first.click()
    one.get_by_role("button", name="Pause all automation").click()
    for page in (other, history):
        expect(page.locator("#paused")).to_contain_text("All automation is paused")
    make_run(session, rule, "completed", timedelta(0), credits_used=7)
    people.account.credits_held = people.account.credits_balance - 123
    session.add(
        Notice(account_id=people.account.id, level="info", title="T", body="B", created_at=datetime.now(UTC))
    )
    session.commit()
    expect(history.locator("#history_table")).to_contain_text(rule.name)
    expect(other.locator("main")).not_to_contain_text("It has not run yet")
    for page in (other, history):
        expect(page.locator(".balance")).to_contain_text("123")
        expect(page.locator(".bell-count")).to_have_text("1")


def test_a_redraw_keeps_what_the_reader_has_selected_or_typed(
    open_page: Any, session: Session, people: People, keywords: None
) -> None:
    rule = make_rule(session, people.account)
    page = open_page(people.owner, bypass_csp=True)
    page.goto("/keywords")
    page.get_by_label("word 600", exact=True).check()
    page.get_by_role("searchbox", name="Search", exact=True).evaluate(
        "field => { field.value = 'typed'; field.focus(); }"
    )
    page.locator(".topbar .confirm > summary").click()
    make_run(session, rule, "completed")
    people.account.credits_held = people.account.credits_balance - 77
    session.commit()
    expect(page.locator(".balance")).to_contain_text("77")
    expect(page.get_by_label("word 600", exact=True)).to_be_checked()
    expect(page.get_by_role("searchbox", name="Search", exact=True)).to_have_value("typed")
    expect(page.get_by_text("Pause all automation?")).to_be_visible()
    assert serious_faults(page) == []
