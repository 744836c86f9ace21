"""What needs a person, for the top of the dashboard: each with a sentence and the way to what helps."""

from dataclasses import dataclass
from datetime import UTC, datetime

from flask import current_app, url_for

from app.business.accounts.models import Notice, Role
from app.business.accounts.services.notices import notices_by_key
from app.business.automation.run_models import ScheduledTask, Waiting
from app.business.automation.services.auditing.invariants import NOTICE_KEY
from app.business.automation.services.forecast.credit_watch import LOW, RUN_OUT, nothing_left
from app.business.automation.services.history.listed_runs import ListedRun
from app.business.automation.services.history.run_attention import (
    failed_since,
    waiting_budgets,
    waiting_counts,
)
from app.business.automation.services.triggering.watch import KEY as LATE
from app.business.billing.services.ledger import next_grant_on
from app.infrastructure.database import db
from app.modules.access import current_person
from app.modules.automation.incident_lines import open_lines
from app.modules.automation.labels.runs import outcome
from app.modules.display import credits, number, plural

FAILURES = 3
INCIDENTS = 3
BUDGETS = 3


@dataclass(frozen=True)
class Need:
    """One matter. tone: bad or warn where something is wrong, info for work that is to be done · run: a waiting run
    whose limit can be raised."""

    tone: str
    icon: str
    title: str
    text: str
    action: str = ""
    url: str = ""
    run: ScheduledTask | None = None


@dataclass(frozen=True)
class Attention:
    """All that needs somebody. `failures`: the latest failed runs of the period that belong to no open incident; there
    may be more."""

    needs: list[Need]
    failures: list[ListedRun]
    silent: str
    unaccounted: int

    @property
    def first(self) -> list[Need]:
        """What stands above the failed runs: what is broken."""
        return [need for need in self.needs if need.tone == "bad"]

    @property
    def last(self) -> list[Need]:
        """What stands below them: what waits, and then the work that is to be done."""
        others = (need for need in self.needs if need.tone != "bad")
        return sorted(others, key=lambda need: need.tone == "info")

    @property
    def wrong(self) -> int:
        """The number of matters that are not as they should be."""
        found = sum(need.tone != "info" for need in self.needs) + bool(self.failures)
        return found + bool(self.silent) + bool(self.unaccounted)

    @property
    def tone(self) -> str:
        bad = self.silent or self.unaccounted or any(need.tone == "bad" for need in self.needs)
        return "bad" if bad else "warn" if self.wrong else "good"


def attention(unaccounted: int, to_check: int, since: datetime) -> Attention:
    """About five queries. `since`: failures before it are no news."""
    session, scope = db.session(), current_person().scope
    waiting = waiting_counts(session, scope)
    needs = [*_incidents(), *_from_notices(waiting), *_waiting(waiting), *_budgets(waiting)]
    if to_check and current_person().can(Role.OPERATOR):
        needs.append(_drafts(to_check))
    return Attention(
        needs,
        failed_since(session, scope, since, FAILURES + 1, without_incidents=True),
        current_app.extensions["machinery"].silent(),
        unaccounted,
    )


def _incidents() -> list[Need]:
    lines = open_lines(INCIDENTS + 1)
    needs = [
        Need(
            "bad",
            "alert-circle",
            line.title,
            f"{plural(line.extent.count, 'failure')}. {line.advice}",
            "Open the incident",
            url_for("automation.incident", id=line.row.id),
        )
        for line in lines[:INCIDENTS]
    ]
    if len(lines) > INCIDENTS:
        page = url_for("automation.incidents", status="open")
        needs.append(Need("bad", "alert-circle", "There are more open incidents", "", "See all", page))
    return needs


def _from_notices(waiting: dict[str, int]) -> list[Need]:
    """Rows that break invariants (for owners), rules that did not start in time, and credits that run short."""
    person = current_person()
    if not person.sees_all:
        return []
    found = notices_by_key(db.session(), person.account.id, [NOTICE_KEY, LATE, RUN_OUT, LOW])
    unread = {key: notice for key, notice in found.items() if notice.read_at is None}
    needs = []
    if person.can(Role.OWNER) and (books := unread.get(NOTICE_KEY)):
        needs.append(_noticed(books, "bad", "shield", "System health", url_for("system.health")))
    if late := unread.get(LATE):
        page = url_for("automation.history", status="pending")
        needs.append(_noticed(late, "bad", "clock", "See what waits", page))
    # Runs that wait for credits say so themselves.
    if person.account.credits_available <= 0 and not waiting.get(Waiting.CREDITS):
        needs.append(_empty_balance())
    elif short := found.get(RUN_OUT) or unread.get(LOW):
        needs.append(_about_credits(short.title, ""))
    return needs


def _empty_balance() -> Need:
    account = current_person().account
    grant_on = next_grant_on(account.timezone, datetime.now(UTC)) if account.plan_id else None
    return _about_credits("No credits are left for new runs", nothing_left(grant_on))


def _about_credits(title: str, text: str) -> Need:
    page = url_for("billing.credits")
    return Need("warn", "coins", title, text, "See what uses them, and try what helps", page)


def _noticed(notice: Notice, tone: str, icon: str, action: str, url: str) -> Need:
    return Need(tone, icon, notice.title, notice.body, action, url)


def _waiting(waiting: dict[str, int]) -> list[Need]:
    needs = []
    if count := waiting.get(Waiting.CREDITS):
        free = credits(current_person().account.credits_available)
        needs.append(
            Need(
                "warn",
                "coins",
                f"{plural(count, 'run waits', 'runs wait')} for credits",
                f"They start by themselves as soon as there are enough. {free} free now.",
                *(("See what uses credits", url_for("billing.credits")) if current_person().sees_all else ()),
            )
        )
    if count := waiting.get(Waiting.PERSON):
        needs.append(
            Need(
                "warn",
                "user",
                f"{plural(count, 'run waits', 'runs wait')} for an answer",
                "Somebody is asked before they go on.",
                "Look at them",
                url_for("automation.my_work", list="asked")
                if current_person().can(Role.OPERATOR)
                else url_for("automation.history", status="pending"),
            )
        )
    if count := waiting.get(Waiting.REVIEW):
        needs.append(
            Need(
                "warn",
                "user",
                "A long chain of runs waits for a person",
                f"{plural(count, 'run')} came from one start.",
                "Look at them",
                url_for("automation.history", status="pending"),
            )
        )
    return needs


def _budgets(waiting: dict[str, int]) -> list[Need]:
    if not waiting.get(Waiting.BUDGET):
        return []
    found = waiting_budgets(db.session(), current_person().scope)[:BUDGETS]
    return [
        Need("warn", "coins", outcome(run), f"{plural(count, 'run waits', 'runs wait')} for it.", run=run)
        for run, count in found
    ]


def _drafts(count: int) -> Need:
    return Need(
        "info",
        "file-text",
        f"{plural(count, 'article waits', 'articles wait')} for a check",
        "Approve or send back: nothing is published before."
        if count < 1000
        else f"{number(count)} are more than one person reads: narrow the rules that write them.",
        "Open my work",
        url_for("automation.my_work"),
    )
