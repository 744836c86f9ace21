"""Searches through runs that no index answers: bounded, page by page; and the rows of a file of runs."""

import csv
import io
import json
from datetime import datetime, timedelta
from random import Random

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy.orm import Session

from app.business import paging
from app.business.accounts.models import Account
from app.business.accounts.services.scope import Scope
from app.business.automation.run_models import Cause, ScheduledTask, Status
from app.business.automation.services.history import run_export, run_list
from app.business.automation.services.history.run_filters import RunFilters, failed_runs
from app.business.automation.services.history.run_list import runs_page
from app.infrastructure.table_files import table_file
from tests.business.automation.run_rows import make_rule, make_run
from tests.factories import make_site, make_user

pytestmark = pytest.mark.both_databases


def matches(run: ScheduledTask, wanted: RunFilters) -> bool:
    """The same, run by run."""
    took = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else -1
    texts = (run.rule_name, run.error_message, json.dumps(run.result))
    text = (wanted.text or "").lower()
    return (
        (not text or any(text in found.lower() for found in texts) or str(run.id) == text)
        and (wanted.cost_min is None or run.credits_used >= wanted.cost_min)
        and (wanted.cost_max is None or run.credits_used <= wanted.cost_max)
        and (wanted.took_min is None or took >= wanted.took_min)
        and (wanted.site is None or run.site_id == wanted.site)
        and (wanted.user is None or run.user_id == wanted.user)
    )


@pytest.fixture
def runs(
    session: Session, account: Account, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> list[ScheduledTask]:
    monkeypatch.setattr(run_list, "SEARCHED", 7)
    monkeypatch.setattr(run_list, "SEARCHED_ON", 12)
    chance, rules = Random(3), [make_rule(session, account, name=name) for name in ("Brand A", "Nightly")]
    sites = [make_site(session, account).id for _ in range(2)]
    user = make_user(session, account, "editor").id
    return [
        make_run(
            session, chance.choice(rules), now - timedelta(minutes=number),
            chance.choice([Status.COMPLETED, Status.FAILED]), cause=Cause.MANUAL,
            started_at=now - timedelta(seconds=90), finished_at=now - timedelta(seconds=chance.choice([20, 80])),
            credits_used=chance.choice([0, 0, 5, 40]), user_id=chance.choice([None, user]),
            site_id=chance.choice([None, *sites]),
            error_message=chance.choice(["", "The brand is unknown", "50 % of A_b\\c"]),
            result={"summary": chance.choice(["Made 1 task.", "Done."])},
        )
        for number in range(40)
    ]  # fmt: skip


def wanted_filters(runs: list[ScheduledTask]) -> list[RunFilters]:
    site = next(run.site_id for run in runs if run.site_id)
    user = next(run.user_id for run in runs if run.user_id)
    return [
        RunFilters(text="BRAND"), RunFilters(text="made 1"), RunFilters(text=str(runs[4].id)),
        RunFilters(text="nothing like it"), RunFilters(text="%"), RunFilters(text="a_B"), RunFilters(text="b\\C"),
        RunFilters(text="0%"), RunFilters(text="A%b"), RunFilters(text="_b_"), RunFilters(text="Brand AThe brand"),
        RunFilters(cost_min=5), RunFilters(cost_max=0), RunFilters(cost_min=40, took_min=60),
        RunFilters(took_min=60, site=site), RunFilters(site=site),
        RunFilters(user=user), RunFilters(user=user, cost_min=1),
    ]  # fmt: skip


def test_pages_of_a_search_have_all_that_match_and_nothing_else(
    session: Session, account: Account, runs: list[ScheduledTask], now: datetime
) -> None:
    for filters in wanted_filters(runs):
        for limit in (2, 50):
            found: list[int] = []
            cursor, pages = None, 0
            while pages == 0 or cursor:
                page = runs_page(session, Scope(account.id), filters, cursor, limit, now)
                assert len(page.rows) <= limit
                found += [run.id for run in page.rows]
                cursor, pages = page.next_cursor, pages + 1
                assert pages < 60
            assert found == [run.id for run in runs if matches(run, filters)], filters


@pytest.mark.usefixtures("runs")
def test_a_search_that_goes_on_looks_further_than_its_first_page(
    session: Session, account: Account, now: datetime
) -> None:
    absent, left, cursor = RunFilters(text="nothing like it"), list[int](), None
    for _ in range(4):
        page = runs_page(session, Scope(account.id), absent, cursor, 50, now)
        cursor = page.next_cursor
        everything_older = (
            runs_page(session, Scope(account.id), RunFilters(), cursor, 50, now).rows if cursor else []
        )
        left.append(len(everything_older))
    assert left == [33, 21, 9, 0]


def test_a_retry_of_what_is_shown_takes_only_what_matches(
    session: Session, account: Account, runs: list[ScheduledTask], now: datetime
) -> None:
    for filters in wanted_filters(runs):
        clauses = failed_runs(Scope(account.id), filters, now)
        found = {run.id for run in session.query(ScheduledTask).where(*clauses)}
        assert found == {run.id for run in runs if matches(run, filters) and run.status == Status.FAILED}, (
            filters
        )


def test_a_file_has_exactly_the_runs_of_the_filter(
    session: Session, account: Account, runs: list[ScheduledTask], now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(paging, "AT_ONCE", 6)
    session.commit()
    for filters in wanted_filters(runs)[:6]:
        wanted = [run.id for run in runs if matches(session.merge(run), filters)]
        rows = list(run_export.exported_runs(session, Scope(account.id), filters, now))
        assert [row["id"] for row in rows] == wanted
        assert account in session
    monkeypatch.setattr(paging, "MOST_ROWS", 10)
    assert len(list(run_export.exported_runs(session, Scope(account.id), RunFilters(), now))) == 10


def test_what_begins_like_a_formula_is_text_in_every_kind_of_file() -> None:
    texts = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "plain", "'=x", 'two\nlines "quoted"']
    columns, rows = ("text", "number"), [{"text": text, "number": -5} for text in texts]
    with table_file("csv", columns, rows) as file:
        read = list(csv.reader(io.StringIO(file.read().decode(), newline="")))
    assert read == [
        ["text", "number"],
        *([("'" if text in texts[:6] else "") + text, "-5"] for text in texts),
    ]
    with table_file("jsonl", columns, rows) as file:
        assert [json.loads(line) for line in file.read().decode().splitlines()] == rows
    with table_file("xlsx", columns, rows) as file:
        sheet = CalamineWorkbook.from_filelike(file).get_sheet_by_index(0).to_python()
    assert sheet[1:] == [[text, -5] for text in texts]
