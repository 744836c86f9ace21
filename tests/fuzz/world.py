"""Shared by the fuzzers: an account with one of everything, the addresses, and odd values."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.automation.models import RuleDraft
from app.business.automation.rule_change_models import RuleChange
from app.business.automation.services.rules.versions import definition_of
from app.business.base import Base
from tests.factories import (
    make_cluster,
    make_content,
    make_delivery,
    make_idea,
    make_keyword,
    make_passkey,
    make_sector,
    make_site,
    make_task,
    make_webhook,
)
from tests.modules.automation_pages import ON_KEYWORDS, make_rule, make_run
from tests.people import People, browser_of, make_people, program_of
from tests.sampling import FULL

SEEDS = {"sqlite": 14, "postgresql": 15}
"""Each database is asked something else: what stops a request before it is its own matter stops it on both."""


def share(session: Session) -> tuple[int, int]:
    """Requests that this database takes, and their seed: 80 on both together, 5,000 on each in long trials."""
    return 5000 if FULL else 40, SEEDS[session.get_bind().dialect.name]


MOST_SECONDS = 2
"""Processor time of one request; wall time would say how busy the machine is."""
UNCOUNTED = {"user_session", "api_key", "rule_draft", "operation"}
LEFT_OUT = ("sign", "password", "welcome", "sessions", "team", "api-keys", "healthz", "static", "execute")
"""They end the session that the fuzzer works in, or wait on purpose."""
ODD = [
    "", " ", "²", "--5", "-1", "0", "1", "2", "1e5", "1" + "0" * 400, str(2**63), "NaN", "x", "true", "[]", "{}",
    "é\u202e", "\u200b", "a" * 300, "'\"<b>", "keyword:new", "site:²", "status_changed",
    "run_finished",
    "schedule", "2026-13-45", "99:99", "* * * * *", "UTC", "all", "a0-type", "up:a0", "add:g0", "chosen", "cron",
]  # fmt: skip
NAMES = [
    "name", "status", "ids", "do", "go", "on", "change", "record_type", "trigger", "of_rule", "ended", "which_change",
    "place", "priority", "frequency", "every", "minute", "at", "cron", "timezone", "window_until", "weekdays",
    "a0-type", "a0-sent", "a0-p-type", "a0-p-rule_id", "a²-type", "c0-group", "c0-field", "c0-operator", "c0-value",
    "c0-kept", "g0-match", "batching", "repeat", "record_minimum", "record_limit", "monthly_budget", "how", "records",
    "overwrite", "version", "seen", "as_of", "days", "existing", "cluster", "limit", "cursor", "text", "site", "rule",
]  # fmt: skip


@dataclass
class Page(HTMLParser):
    """The forms of a page: for each its address and what stands in its fields."""

    forms: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "form" and (said.get("method") or "").lower() == "post":
            self.forms.append((said.get("action") or "", []))
        elif tag in ("input", "textarea", "select", "button") and self.forms and said.get("name"):
            self.forms[-1][1].append((said["name"] or "", said.get("value") or ""))


@dataclass
class World:
    """The application with one of everything in it."""

    app: Flask
    session: Session
    people: People
    browser: FlaskClient
    api: FlaskClient
    ids: dict[str, int]

    def address(self, rule: str, number: str | None = None) -> str:
        """An address of the URL map with ids of rows that are there, or `number` for all of them."""
        parts = []
        for part in rule.split("/"):
            if part.startswith("<"):
                name = part.strip("<>").rpartition(":")[2]
                own = {
                    "step": "when",
                    "record_type": "keyword",
                    "key": "nightly-clusters",
                    "name": "x",
                    "number": "1",
                }
                part = number or own.get(name) or str(self._id_for(parts, name))
            parts.append(part)
        return "/".join(parts)

    def forms(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Every form of every page, each as the browser would send it."""
        found: dict[str, list[tuple[str, str]]] = {}
        for rule in self.app.url_map.iter_rules():
            if (
                "GET" in (rule.methods or ())
                and not rule.rule.startswith("/api/")
                and not _is_left_out(rule.rule)
            ):
                steps = STEPS if "<step>" in rule.rule and rule.endpoint.endswith("wizard") else ("when",)
                for step in steps:
                    self._read(self.address(rule.rule).replace("/when", f"/{step}"), found)
        for rule in self.app.url_map.iter_rules():
            if (
                "POST" in (rule.methods or ())
                and not rule.rule.startswith("/api/")
                and not _is_left_out(rule.rule)
            ):
                found.setdefault(self.address(rule.rule), [])
        return sorted(found.items())

    def _read(self, address: str, found: dict[str, list[tuple[str, str]]]) -> None:
        answer = self.browser.get(address)
        if answer.status_code == 200 and answer.mimetype == "text/html":
            page = Page()
            page.feed(answer.text)
            for action, fields in page.forms:
                if not _is_left_out(action):
                    found.setdefault(action or address, []).extend(fields)

    def _id_for(self, parts: list[str], name: str) -> int:
        if name == "rule_id" or ("rules" in parts and not {"drafts", "changes"} & {*parts}):
            return self.ids["rule"]
        known = {
            "drafts": "draft",
            "runs": "run",
            "scheduled-tasks": "run",
            "sites": "site",
            "sectors": "sector",
        }
        known |= {
            "keywords": "keyword",
            "clusters": "cluster",
            "ideas": "idea",
            "tasks": "task",
            "content": "content",
            "webhooks": "webhook",
            "deliveries": "delivery",
            "changes": "change",
            "rule-changes": "change",
            "passkeys": "passkey",
        }
        return next((self.ids[known[part]] for part in reversed(parts) if part in known), self.ids["keyword"])


STEPS = ("name", "when", "where", "which", "do", "often", "limits", "check")


def _is_left_out(address: str) -> bool:
    return any(word in address for word in LEFT_OUT)


def make_world(app: Flask, session: Session) -> World:
    """One of everything, committed."""
    people = make_people(session)
    sector = make_sector(session, make_site(session, people.account))
    cluster = make_cluster(session, sector)
    rows = {
        "keyword": make_keyword(session, sector), "cluster": cluster,
        "idea": make_idea(session, sector, cluster_id=cluster.id),
        "task": make_task(session, sector), "content": make_content(session, sector), "sector": sector,
    }  # fmt: skip
    rule = make_rule(session, people.account, **ON_KEYWORDS, schedule={}, conditions={})
    ids = {name: row.id for name, row in rows.items()} | {"site": sector.site_id, "rule": rule.id}
    ids["run"] = make_run(session, rule, "failed").id
    hook = make_webhook(session, people.account)
    ids |= {"webhook": hook.id, "delivery": make_delivery(session, hook).id}
    change = RuleChange(
        account_id=rule.account_id, rule_id=rule.id, base_version=rule.version, kind="change",
        definition=definition_of(rule) | {"priority": 1}, proposed_by_id=people.editor.id,
        proposed_at=datetime.now(UTC),
    )  # fmt: skip
    session.add(change)
    session.flush()
    ids |= {"change": change.id, "passkey": make_passkey(session, people.owner).id}
    browser = browser_of(app, session, people.owner)
    browser.post(f"/rules/{rule.id}/edit")
    ids["draft"] = session.scalars(select(RuleDraft.id)).one()
    api = program_of(app, session, people.owner)
    session.commit()
    return World(app, session, people, browser, api, ids)


@contextmanager
def within_time(what: Any) -> Iterator[None]:
    """Fails when the request took more of the processor than it may."""
    begun = time.process_time()
    yield
    taken = time.process_time() - begun
    assert taken < MOST_SECONDS, (taken, what)


def fingerprint(session: Session) -> str:
    """Changes with every row that people care for. As the driver gives them: nobody reads these values."""
    state = hashlib.sha256()
    session.rollback()
    connection = session.connection()
    for query in _queries():
        state.update(repr(connection.exec_driver_sql(query).all()).encode())
    session.rollback()
    return state.hexdigest()


@cache
def _queries() -> list[str]:
    """The rows of each counted table in the order of their keys."""
    return [
        f'SELECT * FROM "{table.name}" ORDER BY {", ".join(column.name for column in table.primary_key)}'
        for table in Base.metadata.sorted_tables
        if table.name not in UNCOUNTED
    ]


def steady(app: Flask) -> None:
    """Faults become answers, as in production, and nothing is counted against the fuzzer."""
    app.config.update(PROPAGATE_EXCEPTIONS=False, RATELIMIT_ENABLED=False)
    assert datetime.now(UTC)
