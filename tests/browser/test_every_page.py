"""Every page that somebody can open: nothing hard to read for anybody, in both schemes, down to a narrow phone.

One in 28 of the pages in everyday runs, all of them with TRIALS=full.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page
from sqlalchemy.orm import Session

from app.business.accounts.services.audit_log import AuditActor
from app.business.accounts.services.notice_choices import NoticeKind
from app.business.accounts.services.welcome import issue_for
from app.business.writer.models import Content
from app.business.writer.services import content_shares
from app.infrastructure.mail.unsubscribing import Subscription, token_for
from app.modules.automation.rule_form.step_table import STEPS
from tests.browser.conftest import AXE
from tests.modules.permissions import FIXED, address, make_rows
from tests.people import People
from tests.sampling import share

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True, scope="session")

NO_PAGES = ("/api/", "/static/", "/healthz", "/readyz", "/system/moved", "/system/header")
FILES = (".docx", ".md", ".html", ".zip", ".<kind>", "/export")
FURTHER = ("/history?status=failed&since=7", "/keywords?columns=&columns=clicks", "/search?q=key", "/search?q=zz",
           "/help?q=budget", "/audit?who=0", "/nothing-here", "/my-work?list=failed", "/my-work?list=due",
           "/my-work?list=asked", "/content?status=draft", "/?days=1", "/history?since=30")  # fmt: skip
NARROWEST = 320
PARTS = 28
FAULTS = """async rules => (await axe.run(rules ? { runOnly: rules } : {})).violations
    .map(found => found.id + ": " + found.nodes[0].html)"""
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
BROKEN = """() => [
    ...[...document.querySelectorAll("p:empty:not([hidden], [contenteditable] *)")]
        .map(() => "a paragraph that something inside it has ended"),
    ...[...document.querySelectorAll("table:not([contenteditable] *, :is(iframe, .article-frame) *)")]
        .filter(table => !table.caption && !table.ariaLabel && !table.hasAttribute("aria-labelledby"))
        .map(table => `a table without a name: ${table.outerHTML.slice(0, 80)}`),
    ...(document.documentElement.scrollWidth > innerWidth ? ["it scrolls sideways"] : []),
]"""

PHONE = 390
CUT = """() => {
    const pen = document.createElement("canvas").getContext("2d");
    const text = input => input.selectedOptions ? input.selectedOptions[0]?.text : !input.value && input.placeholder;
    const isCut = input => {
        const look = getComputedStyle(input);
        const room = input.clientWidth - parseFloat(look.paddingLeft) - parseFloat(look.paddingRight);
        pen.font = look.font;
        return pen.measureText(text(input)).width > room;
    };
    return [...document.querySelectorAll("select, input[placeholder]")]
        .filter(input => input.offsetWidth && text(input) && isCut(input))
        .map(input => `“${text(input)}” is cut`);
}"""


def pages(app: Flask, ids: dict[str, str]) -> Iterator[str]:
    for rule in sorted(app.url_map.iter_rules(), key=str):
        path = str(rule)
        if "GET" not in (rule.methods or ()) or path.startswith(NO_PAGES) or path.endswith(FILES):
            continue
        if "<token>" in path or "<string:token>" in path:
            continue
        if "<step>" in path:
            yield from (address(path, ids).replace(f"/{FIXED['<step>']}", f"/{step.key}") for step in STEPS)
        else:
            yield address(path, ids)
    yield from FURTHER


def opened_by_links(app: Flask, session: Session, people: People, ids: dict[str, str]) -> list[str]:
    """Pages that open without a sign-in, for whoever has their address."""
    now, content = datetime.now(UTC), session.get_one(Content, int(ids["content"]))
    share = content_shares.make_share(session, content, AuditActor(people.owner.id), now)
    mails = Subscription(people.account.id, people.owner.email, NoticeKind.INCIDENT, int(ids["site"]))
    unsubscribe = token_for(app.extensions["settings"], mails)
    welcome = issue_for(session, people.viewer, now)
    return [
        f"/shared/{share}",
        f"/unsubscribe/{unsubscribe}",
        f"/welcome/{welcome}",
        "/shared/ended",
        "/welcome/used",
    ]


def faults(page: Page, path: str) -> list[str]:
    """Of the page in both schemes, with a row ticked where it has some, and of its layout on phones."""
    found = []
    page.goto(path)
    page.evaluate("document.querySelector('main input[name=ids]')?.click()")
    if page.locator("iframe").count():
        # A preview is a document of its own, checked where it is opened; axe would wait for its answer.
        page.evaluate("document.querySelectorAll('iframe').forEach(frame => frame.remove())")
    page.evaluate(AXE.read_text())
    found += page.evaluate(FAULTS)
    page.emulate_media(color_scheme="dark")
    found += [f"dark, {fault}" for fault in page.evaluate(FAULTS, CONTRAST)]
    page.set_viewport_size({"width": PHONE, "height": 844})
    found += page.evaluate(CUT)
    page.set_viewport_size({"width": NARROWEST, "height": 700})
    found += page.evaluate(BROKEN)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    return [f"{path}: {fault}" for fault in found]


@pytest.mark.parametrize("part", share(range(PARTS), 3, PARTS))
def test_no_page_is_hard_to_read(
    app: Flask, session: Session, people: People, open_page: Any, part: int
) -> None:
    ids = make_rows(app, session, people)
    paths = [*pages(app, ids), *opened_by_links(app, session, people, ids)][part::PARTS]
    session.commit()
    page: Page = open_page(people.owner, bypass_csp=True, color_scheme="light")
    found = [fault for path in paths for fault in faults(page, path)]
    assert not found, "\n".join(found)
