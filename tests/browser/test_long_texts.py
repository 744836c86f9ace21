"""Random long texts in every name, title and text, on all pages, on phones and screens: nothing scrolls sideways, and
what an ellipsis cuts stands whole in a title.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page
from sqlalchemy.orm import Session

from app.business.accounts.services.notices import add_notice
from app.business.planner.models import Sector
from app.business.writer.services.content_versions import keep_first_version
from tests.browser.test_rule_stories import on_one_database
from tests.business.automation.machine import Machine
from tests.factories import (
    NOW,
    make_cluster,
    make_content,
    make_idea,
    make_keyword,
    make_sector,
    make_site,
    make_task,
)
from tests.people import People, browser_of
from tests.sampling import FULL

WIDTHS = {390: 1 if FULL else 5, 1280: 1 if FULL else 20}
"""Width of the window, and which page is shown in it: each, or one of so many."""
LENGTHY = 3_000 if FULL else 600
SCRIPTS = ("w", "W", "ﷺ", "𒐫", "😀", "漢", "ש", "ۏ", "ẞ", "👨‍👩‍👧‍👦", "_", "%", "&lt;", "i")
SKIPPED = ("/static/", "/api/", "/sign-out", "/welcome/", "/healthz", "/readyz", "/metrics", "/system/moved")
NO_PAGES = (".html", ".md", ".docx", "/export")
TOO_WIDE = """() => {
    const root = document.documentElement, width = root.clientWidth;
    if (root.scrollWidth <= width) return null;
    const wide = [...document.querySelectorAll("main *, header *, nav *")]
        .filter(one => one.getBoundingClientRect().right > width + 1);
    const named = wide.slice(0, 3).map(one => one.outerHTML.slice(0, 120));
    return root.scrollWidth + " of " + width + ": " + named.join(" | ");
}"""

SHORTENED = """() => [...document.querySelectorAll("body *")].filter(box => {
    const look = getComputedStyle(box);
    if (!box.offsetWidth || look.overflowX === "visible" || box.matches("select, input")) return false;
    return (look.textOverflow === "ellipsis" && box.scrollWidth > box.clientWidth)
        || (look.webkitLineClamp !== "none" && box.scrollHeight > box.clientHeight + 2);
}).filter(box => !(box.closest("[title]") || box.querySelector("[title]")))
    .map(box => `nothing says the rest of “${box.innerText.slice(0, 60)}”`)"""
"""Text that an ellipsis cuts stands whole in a title."""


class _Long:
    """Texts of `length` letters without a space, each of another script."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)

    def __call__(self, length: int = 255) -> str:
        sign = self.chance.choice(SCRIPTS)
        kinds = [sign * length, "".join(self.chance.choices(SCRIPTS, k=length)), "a" * (length - 1) + sign]
        return self.chance.choice(kinds)[:length]


@pytest.fixture
def long() -> _Long:
    return _Long(11)


@pytest.fixture
def full(app: Flask, session: Session, people: People, long: _Long) -> dict[str, int]:
    """An account whose every text is long; the ids by the name that addresses give them."""
    people.account.name, people.owner.name, people.operator.name = long(), long(), long()
    people.owner.email = f"{'e' * 240}@example.com"
    site = make_site(session, people.account, name=long(), url=f"https://{'x' * 60}.example/{'y' * 1500}")
    sector = make_sector(session, site, name=long())
    ids = _pipeline(session, sector, long, people)
    session.commit()
    ids |= {"site": site.id, "sector": sector.id, "user": people.operator.id}
    ids |= _rules(session, people, sector, long)
    edited = browser_of(app, session, people.owner).post(f"/rules/{ids['rule']}/edit")
    ids["draft"] = int(edited.headers["Location"].split("/drafts/")[1].split("/")[0])
    for level in ("info", "danger"):
        add_notice(
            session, account_id=people.account.id, level=level, title=long(), body=long(2_000), now=NOW
        )
    session.commit()
    return ids


def _pipeline(session: Session, sector: Sector, long: _Long, people: People) -> dict[str, int]:
    shared: dict[str, Any] = {"assignee_id": people.owner.id}

    def labels() -> dict[str, Any]:
        return {"labels": [long(64) for _ in range(3)], "note": long(LENGTHY), **shared}

    cluster = make_cluster(session, sector, name=long(), main_keyword=long(), **labels())
    keyword = make_keyword(
        session,
        sector,
        text=long(),
        url=f"https://{'z' * 900}",
        cluster_id=cluster.id,
        country=long(64),
        **labels(),
    )
    idea = make_idea(
        session,
        sector,
        title=long(),
        description=long(LENGTHY),
        main_keyword=long(),
        cluster_id=cluster.id,
        **labels(),
    )
    task = make_task(
        session, sector, title=long(), brief=long(LENGTHY), main_keyword=long(), idea_id=idea.id, **labels()
    )
    content = make_content(
        session,
        sector,
        title=long(),
        html=f"<h2>{long()}</h2><p>{long(LENGTHY)}</p>",
        meta_title=long(),
        meta_description=long(500),
        main_keyword=long(),
        published_url=f"https://{'p' * 900}",
        task_id=task.id,
        **labels(),
    )
    session.flush()
    keep_first_version(session, content)
    return {
        "keyword": keyword.id,
        "cluster": cluster.id,
        "idea": idea.id,
        "task": task.id,
        "content": content.id,
    }


def _rules(session: Session, people: People, sector: Sector, long: _Long) -> dict[str, int]:
    """A rule full of long texts, with a run."""
    machine = Machine(session)
    leaf = {"field": "text", "operator": "not_contains", "value": "q" * 250}
    other = {"field": "labels", "operator": "not_contains", "value": long(64)}
    update = {"labels_add": [long(64)], "note": long(2_000)}
    rule = machine.make_rule(
        people.account,
        name=long(),
        description=long(2_000),
        trigger="keyword_added",
        site=sector.site_id,
        sector=sector.id,
        conditions={"any": [leaf, {"not": other}]},
        actions=[
            {"type": "update_records", "params": update},
            {"type": "notify", "params": {"message": long(500)}},
        ],
    )
    return {"rule": rule.id, "run": machine.run_now(rule).id}


def _addresses(app: Flask, ids: dict[str, int]) -> Iterator[str]:
    """Every page of the console that is asked for by GET, of the records of `ids`."""
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            if (
                "GET" not in (rule.methods or ())
                or rule.rule.startswith(SKIPPED)
                or rule.rule.endswith(NO_PAGES)
            ):
                continue
            filled = _filled(rule.rule, ids)
            if filled is not None:
                yield filled


def _filled(path: str, ids: dict[str, int]) -> str | None:
    for record_type in ("keyword", "content") if "<record_type>" in path else ("",):
        path = path.replace("<record_type>", record_type)
    named = {
        "keywords": "keyword",
        "clusters": "cluster",
        "ideas": "idea",
        "tasks": "task",
        "content": "content",
    }
    named |= {
        "sectors": "sector",
        "sites": "site",
        "runs": "run",
        "drafts": "draft",
        "rules": "rule",
        "why": "content",
    }
    named |= {"team": "user"}
    parts = path.strip("/").split("/")
    owner = next((named[part] for part in reversed(parts) if part in named), "")
    values = {"<int:id>": ids.get(owner), "<int:rule_id>": ids["rule"], "<int:number>": 1, "<step>": "check"}
    for name, value in values.items():
        if name in path and value is None:
            return None
        path = path.replace(name, str(value))
    return None if "<" in path else path


@on_one_database
def test_no_page_is_too_wide_or_cuts_a_text_for_good(
    app: Flask, full: dict[str, int], people: People, open_page: Any
) -> None:
    addresses = list(_addresses(app, full))
    assert len(addresses) > 45, addresses
    page: Page = open_page(people.owner)
    found = []
    for width, each in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 800})
        for address in addresses[::each]:
            answer = page.goto(address)
            assert answer, address
            assert answer.status in (200, 409, 422), (answer.status, address)
            if fault := page.evaluate(TOO_WIDE):
                found.append(f"{address} at {width}: {fault}")
            found += [f"{address} at {width}: {fault}" for fault in page.evaluate(SHORTENED)]
    assert not found, "\n".join(found)
