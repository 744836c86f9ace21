"""Forms that start or spend something are executed once, however often they are sent; every such form is listed."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import FormRequest
from app.business.automation.models import AutomationRule
from app.business.automation.operation_models import Operation
from app.business.automation.run_models import Cause, RunAttempt, ScheduledTask, Status
from app.business.automation.services.runs.opening import Opening, open_run
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords, run_once
from tests.factories import make_keyword, make_sector, make_site
from tests.modules.automation_pages import ON_KEYWORDS, make_rule
from tests.people import People, browser_of, make_people

pytestmark = pytest.mark.both_databases

STARTS = {
    "automation.run_now", "automation.switch", "automation.take_existing", "automation.end_practice",
    "automation.retry", "automation.retry_all",
    "automation.go_on", "automation.do_left_over", "automation.save", "automation.resume_all_now",
    "automation.begin_past", "automation.begin_draft_past", "automation.undo", "automation.draft_described",
}  # fmt: skip
"""Forms that start runs or operations, or spend money on an AI service."""

STARTS_NOTHING = {
    "automation.answer", "automation.archive", "automation.begin_rule", "automation.cancel",
    "automation.approve_change", "automation.send_back_change", "automation.withdraw_change",
    "automation.propose_anew",
    "automation.cancel_operation", "automation.copy_rule", "automation.decide_work", "automation.discard",
    "automation.edit_rule", "automation.import_rules", "automation.keep", "automation.mute_incident",
    "automation.pause_all", "automation.preview", "automation.take_back_decision", "automation.unmute_incident",
    "automation.save_filter", "automation.remove_filter",
    "automation.history_columns", "automation.read_notices", "automation.release_set_aside",
    "automation.restore", "automation.restore_version", "automation.take_import", "automation.use_template",
    "automation.save_site_calendar", "automation.remove_site_calendar",
    "automation.save_account_calendar", "automation.remove_account_calendar",
}  # fmt: skip
"""Forms that change rules, drafts or notices, or stop something: sending them twice has the same result, or is
refused."""

LABELS = ON_KEYWORDS | {"schedule": {}, "conditions": {}}
Asked = tuple[str, dict[str, Any]]


@pytest.fixture
def people(session: Session) -> People:
    return make_people(session)


@pytest.fixture
def owner(app: Flask, session: Session, people: People) -> FlaskClient:
    make_keyword(session, make_sector(session, make_site(session, people.account)))
    return browser_of(app, session, people.owner)


def test_every_form_of_automation_is_classified(app: Flask) -> None:
    forms = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if "POST" in (rule.methods or ()) and rule.endpoint.startswith("automation.")
    }
    assert forms == STARTS | STARTS_NOTHING


def run_now(session: Session, people: People) -> Asked:
    rule = make_rule(session, people.account, **LABELS)
    return f"/rules/{rule.id}/run", {"how": "matching"}


def existing_records(session: Session, people: People) -> Asked:
    rule = make_rule(session, people.account, **LABELS, is_active=False)
    return f"/rules/{rule.id}/switch", {"on": "1", "backfill": "1"}


def end_practice(session: Session, people: People) -> Asked:
    rule = make_rule(session, people.account, **LABELS, mode="shadow")
    return f"/rules/{rule.id}/real", {"version": str(rule.version)}


def retry(session: Session, people: People) -> Asked:
    run = failed_run(session, people)
    return f"/runs/{run.id}/retry", {}


def retry_all(session: Session, people: People) -> Asked:
    failed_run(session, people)
    return "/history/retry", {"as_of": datetime.now(UTC).isoformat()}


def on_the_past(session: Session, people: People) -> Asked:
    rule = make_rule(session, people.account, **LABELS)
    return f"/rules/{rule.id}/past", {"days": "7"}


def undo(session: Session, people: People) -> Asked:
    clusters_with_keywords(session, make_sector(session, make_site(session, people.account)), 1)
    run = run_once(Machine(session), people.account, IDEAS, record_type="cluster")
    return f"/runs/{run.id}/undo", {}


def failed_run(session: Session, people: People) -> ScheduledTask:
    rule = make_rule(session, people.account, **LABELS)
    run = open_run(session, rule, Opening(Cause.MANUAL, datetime.now(UTC)))
    run.status, run.reason, run.error_message = Status.FAILED, "action_failed", "It failed."
    run.started_at = run.finished_at = run.admitted_at = datetime.now(UTC)
    session.commit()
    return run


FORMS: list[Callable[[Session, People], Asked]] = [
    run_now, existing_records, end_practice, retry, retry_all, on_the_past, undo,
]  # fmt: skip


def opened(session: Session) -> tuple[int, ...]:
    """The number of runs, attempts, operations and rule versions."""
    session.expire_all()
    counts = [
        session.scalar(select(func.count(table.id))) or 0 for table in (ScheduledTask, RunAttempt, Operation)
    ]
    return (*counts, session.scalar(select(func.sum(AutomationRule.version))) or 0)


@pytest.mark.parametrize("form", FORMS)
def test_a_form_sent_twice_starts_once_and_redirects_where_it_led(
    owner: FlaskClient, session: Session, people: People, form: Callable[[Session, People], Asked]
) -> None:
    address, data = form(session, people)
    data = data | {"request_key": key_of(owner, address)}
    first = owner.post(address, data=data)
    assert first.status_code == 303, first.text
    before = opened(session)
    again = owner.post(address, data=data)
    assert (again.status_code, again.location, opened(session)) == (303, first.location, before)
    assert "sent before" in owner.get(again.location).text


def key_of(browser: FlaskClient, address: str) -> str:
    """The key in the form on the page; pages of runs contain their forms."""
    page = browser.get(address.removesuffix("/retry") if address.startswith("/runs/") else address).text
    form = next(
        form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'action="{address}' in form
    )
    found = re.search(r'name="request_key" value="([^"]+)"', form)
    assert found, form
    return found[1]


def test_each_page_has_a_key_of_its_own(owner: FlaskClient, session: Session, people: People) -> None:
    address, data = run_now(session, people)
    for _ in range(2):
        owner.post(address, data=data | {"request_key": key_of(owner, address)})
    assert len(session.scalars(select(ScheduledTask.id)).all()) == 2


def test_a_refused_form_may_be_corrected_and_sent_again(
    owner: FlaskClient, session: Session, people: People
) -> None:
    rule = make_rule(session, people.account, **LABELS, is_active=False)
    address = f"/rules/{rule.id}/run"
    data = {"how": "matching", "request_key": key_of(owner, address)}
    assert owner.post(address, data=data).status_code == 422
    assert session.scalars(select(FormRequest.id)).all() == []
    assert owner.post(address, data=data | {"even_if_off": "y"}).status_code == 303
    assert len(session.scalars(select(ScheduledTask.id)).all()) == 1


def test_the_last_step_of_a_rule_carries_a_key(owner: FlaskClient, session: Session, people: People) -> None:
    rule = make_rule(session, people.account, **LABELS)
    step = owner.post(f"/rules/{rule.id}/edit").location
    check = re.sub(r"/[a-z]+$", "/check", step)
    assert 'name="request_key"' in owner.get(check).text
