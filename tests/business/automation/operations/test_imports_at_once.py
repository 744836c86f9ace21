"""Two people import the same keywords at once, and somebody works with a keyword while its import is taken back."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.models import AutomationRule, RuleRecord
from app.business.automation.operation_models import Operation
from app.business.automation.services.operations import keyword_import, lifecycle
from app.business.automation.services.operations.keyword_import import USES, ask_import, execute_import
from app.business.events import Event, EventBatch
from app.business.planner.models import Keyword, Sector
from app.business.planner.services.import_file import FileChoices, read_import_file
from app.business.planner.services.import_parts import Destination, WritePace
from app.infrastructure.database import db, transaction
from tests.business.automation.operations.import_trials import KNOWN, begin
from tests.business.automation.rule_parts import LABEL
from tests.factories import make_account, make_keyword, make_sector, make_site

DIFFERENT, TWICE, WRONG = 200, 20, 2
THERE = 10


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many transactions, which come between those of others."""
    monkeypatch.setattr(keyword_import, "WritePace", lambda: WritePace(timer=lambda: 0.0, rows=10))
    monkeypatch.setattr(WritePace, "LARGEST", 10)
    monkeypatch.setattr(keyword_import, "pause", lambda _seconds: None)


@dataclass
class People:
    """Two who begin at the same moment, each with a file and a database connection of their own."""

    app: Flask
    sector: Sector
    existing: str
    together: Barrier

    def import_file(self, lines: Sequence[str]) -> Operation:
        site = self.sector.site
        file = read_import_file(
            "\n".join(["keyword,volume", *lines]).encode(), FileChoices({}, None, (site.id, "en"), True)
        )
        with self.app.app_context():
            self.together.wait(20)
            with transaction() as session:
                operation = ask_import(
                    session, file, Destination(site, self.sector), account_id=site.account_id, user_id=None,
                    existing=self.existing, here=True, now=datetime.now(UTC),
                )  # fmt: skip
            lifecycle.execute_here(transaction, operation, execute_import, lambda: datetime.now(UTC))
            ended = db.session.get_one(Operation, operation.id, populate_existing=True)
            db.session.commit()
            db.session.expunge_all()
            return ended


def lines() -> list[str]:
    new = [f"garden lamp {number},{number}" for number in range(DIFFERENT)]
    return [*new, *new[:TWICE], *[",1"] * WRONG]


@pytest.mark.parametrize("existing", ["update", "leave"])
@pytest.mark.parametrize("order", ["the same order", "the other way round"])
def test_two_imports_of_the_same_keywords_at_once(
    app: Flask, session: Session, existing: str, order: str
) -> None:
    sector = make_sector(session, make_site(session, make_account(session)))
    for number in range(THERE):
        make_keyword(session, sector, text=f"garden lamp {number}")
    assert sector.site
    session.commit()
    people, rows = People(app, sector, existing, Barrier(2)), lines()
    files = [rows, rows if order == "the same order" else rows[::-1]]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(people.import_file, files))
    assert [operation.state for operation in ended] == ["done", "done"]
    for operation in ended:
        told = operation.result
        assert told["created"] + told["duplicates"] + told["rejected"] == len(rows)
        assert told["rejected"] == WRONG
    new = DIFFERENT - THERE
    assert sum(operation.result["created"] for operation in ended) == new
    session.expire_all()
    assert session.scalar(select(func.count(Keyword.id))) == DIFFERENT
    assert session.scalar(select(func.count(func.distinct(Keyword.text_key)))) == DIFFERENT
    assert session.scalar(select(func.count(func.distinct(Event.record_id)))) == new
    assert session.scalar(select(func.count(Event.id))) == new
    assert session.scalars(select(EventBatch).where(EventBatch.closed_at.is_(None))).all() == []


def edit(session: Session, _rule: AutomationRule, id: int) -> None:
    session.execute(update(Keyword).where(Keyword.id == id).values(version=2))


def claim(session: Session, rule: AutomationRule, id: int) -> None:
    session.add(
        RuleRecord(
            account_id=rule.account_id, rule_id=rule.id, record_type="keyword", record_id=id, state="claimed",
            run_id=1, updated_at=rule.updated_at,
        )
    )  # fmt: skip
    session.flush()


TOUCHES = {"edited": edit, "taken by a rule": claim}


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_is_touched_while_an_import_is_taken_back_stays(
    session: Session, monkeypatch: pytest.MonkeyPatch, touch: str
) -> None:
    """After the keywords were chosen, and before they are deleted."""
    trial, touched = begin(session), set[int]()
    account = session.get_one(Account, trial.sector.account_id)
    rule = trial.machine.make_rule(account, trigger="keyword_added", actions=[LABEL])
    session.commit()

    def meanwhile(session: Session, account_id: int, ids: Sequence[int]) -> Collection[int]:
        awaited = USES.awaited(session, account_id, ids)
        if not touched:
            touched.add(ids[0])
            TOUCHES[touch](session, rule, ids[0])
        return awaited

    monkeypatch.setattr(keyword_import, "USES", replace(USES, awaited=meanwhile))
    trial.after = {5: trial.cancel}
    trial.execute()
    found = trial.found()
    assert (found.state, found.left, len(touched)) == ("cancelled", 1, 1)
    assert found.taken_back == found.created - 1
    assert trial.count(Keyword.id) == KNOWN + 1
    assert trial.count(Event.id) == 1
    assert session.get(Keyword, touched.pop())
