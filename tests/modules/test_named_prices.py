"""Every price shown before a start is an upper bound of what the ledger shows afterwards.

For the whole chain: a start, its follow-ups over days, and what a person continues. Nothing else is spent.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.automation.models import AutomationRule
from app.business.automation.run_models import Cause, ScheduledTask
from app.business.automation.services.operation_registry import KINDS
from app.business.automation.services.operations import lifecycle
from app.business.automation.services.runs import loop_guard
from app.business.automation.services.runs.opening import Opening, open_run
from app.business.billing.models import CreditEntry
from tests.business.automation.machine import Machine
from tests.factories import make_ai_connection, make_keyword, make_sector, make_site, make_task
from tests.modules.automation_pages import make_rule, make_run
from tests.people import People, browser_of, make_people, program_of
from tests.sampling import times

API, RUNS = "/api/automation/rules", "/api/automation/scheduled-tasks"
WRITE: dict[str, Any] = {
    "name": "Write", "trigger": "task_created", "record_type": "task", "schedule": {}, "conditions": {},
    "actions": [{"type": "generate_content", "params": {}}], "credit_limit_per_execution": 6,
    "max_executions_per_day": 2,
}  # fmt: skip
LABEL = {"type": "update_records", "params": {"labels_add": ["seen"]}}


@dataclass
class Scene:
    """Seven tasks at 3 credits each, and a rule that writes two of them a run."""

    session: Session
    people: People
    page: FlaskClient
    api: FlaskClient
    tasks: list[int]

    def rule(self, **changes: Any) -> AutomationRule:
        return make_rule(self.session, self.people.account, **WRITE | changes)

    def form(self, address: str, action: str = "") -> dict[str, str]:
        """The hidden fields of the form with that address."""
        text = self.page.get(address).text
        found = re.search(rf'<form[^>]*action="{re.escape(action)}[^"]*"[^>]*>(.*?)</form>', text, re.S)
        assert found, text
        fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', found[1])
        return {name: value for name, value in fields if name != "csrf_token"}

    def machine(self) -> Machine:
        return Machine(self.session, now=datetime.now(UTC))

    def settle(self) -> None:
        machine = self.machine()
        for _ in range(6):
            machine.settle()
            machine.pass_time(days=1)

    def spent(self) -> int:
        charged = select(func.coalesce(-func.sum(CreditEntry.amount), 0)).where(CreditEntry.kind == "charge")
        return self.session.scalar(charged) or 0

    def failed(
        self, rule: AutomationRule, records: list[int], left: list[int] | None = None
    ) -> ScheduledTask:
        """A run that has done nothing yet; `left`: what it passes on when it is completed."""
        left = left or []
        return make_run(
            self.session, rule, "failed", admitted_at=datetime.now(UTC), reason="timed_out", record_type="task",
            record_count=len(records), promised=len(records) + len(left), remaining=len(left),
            detail={"records": records, "options": {"left_over": left}},
        )  # fmt: skip

    def ended_with_five_left(self) -> ScheduledTask:
        """A start that may spend 6 credits and has processed two of the seven tasks."""
        self.api.post(f"{API}/{self.rule().id}/execute/", json={"max_credits": 6})
        self.settle()
        assert self.spent() == 6
        return self.session.scalars(select(ScheduledTask).order_by(ScheduledTask.id.desc())).first()

    def waiting_for_review(self) -> ScheduledTask:
        """Three runs of a long chain: over four tasks, two and one."""
        root = make_run(self.session, self.rule(name="Root", actions=[LABEL]), "completed")
        rule = self.rule()
        parts = [self.tasks[:4], self.tasks[4:6], self.tasks[6:]]
        runs = [
            open_run(self.session, rule, Opening(
                cause=Cause.EVENT, scheduled_at=datetime.now(UTC), record_type="task", records=part,
                chain=[root.automation_rule_id], root_id=root.id, depth=2,
            ))
            for part in parts
        ]  # fmt: skip
        self.machine().settle()
        self.session.refresh(runs[0])
        assert runs[0].waiting_for == "review"
        return runs[0]


@pytest.fixture
def scene(app: Flask, session: Session, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(loop_guard, "MOST_RUNS_FROM_ONE_ROOT", 0)
    people = make_people(session)
    make_ai_connection(session, people.account)
    sector = make_sector(session, make_site(session, people.account))
    tasks = [
        make_task(session, sector, title=f"Task {number}", word_count=300, status="queued").id
        for number in range(7)
    ]
    session.commit()
    owner = people.owner
    return Scene(session, people, browser_of(app, session, owner), program_of(app, session, owner), tasks)


def run_now(scene: Scene) -> int:
    address = f"/rules/{scene.rule().id}/run"
    fields = scene.form(address, address)
    scene.page.post(address, data=fields | {"how": "matching"})
    return int(fields["max_credits"])


def switch_on(scene: Scene) -> int:
    rule = scene.rule(is_active=False)
    fields = scene.form(f"/rules/{rule.id}/switch", f"/rules/{rule.id}/switch")
    scene.page.post(f"/rules/{rule.id}/switch", data=fields | {"on": "1", "backfill": "1"})
    return int(fields["max_credits"])


def rule_form(scene: Scene) -> int:
    rule = scene.rule(is_active=False)
    step = re.sub(r"/[a-z]+$", "/check", scene.page.post(f"/rules/{rule.id}/edit").location)
    text = scene.page.get(step).text
    found = re.search(r'name="max_credits" value="(\d+)"', text)
    assert found
    save = re.search(r'<form[^>]*action="([^"]+/save)"', text)
    assert save
    data = {"on": "1", "backfill": "1", "max_credits": found[1]}
    assert scene.page.post(save[1], data=data).status_code == 303
    return int(found[1])


def skipped_runs_records(scene: Scene) -> int:
    rule = scene.rule()
    run = make_run(
        scene.session, rule, "skipped", reason="daily_limit", record_type="task", error_message="Daily limit.",
        detail={"records": scene.tasks[:5]},
    )  # fmt: skip
    address = f"/rules/{rule.id}/run"
    fields = scene.form(f"{address}?of_run={run.id}", address)
    scene.page.post(f"{address}?of_run={run.id}", data=fields | {"how": "of_run"})
    return int(fields["max_credits_of_run"])


def retry(scene: Scene) -> int:
    run = scene.failed(scene.rule(), scene.tasks[:2])
    fields = scene.form(f"/runs/{run.id}", f"/runs/{run.id}/retry")
    scene.page.post(f"/runs/{run.id}/retry", data=fields)
    return int(fields["max_credits"])


def retry_of_one_that_hands_on(scene: Scene) -> int:
    run = scene.failed(scene.rule(), scene.tasks[:2], scene.tasks[2:])
    fields = scene.form(f"/runs/{run.id}", f"/runs/{run.id}/retry")
    scene.page.post(f"/runs/{run.id}/retry", data=fields)
    return int(fields["max_credits"])


def retry_all(scene: Scene) -> int:
    for records in (scene.tasks[:2], scene.tasks[2:4]):
        scene.failed(scene.rule(), records)
    fields = scene.form("/history/retry", "/history/retry")
    assert scene.page.post("/history/retry", data=fields).status_code == 303
    machine = scene.machine()
    lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    return int(fields["max_credits"])


def what_is_left(scene: Scene) -> int:
    run, before = scene.ended_with_five_left(), scene.spent()
    text = scene.page.get(f"/runs/{run.id}").text
    found = re.search(rf'action="(/runs/{run.id}/left/(\d+))"', text)
    assert found
    assert "takes 3 runs and at most 15 credits" in text.replace(" over 2 days", "")
    scene.page.post(found[1])
    return before + int(found[2])


def long_chain(scene: Scene) -> int:
    run = scene.waiting_for_review()
    text = scene.page.get(f"/runs/{run.id}").text
    assert "3 runs of this chain wait and, with all that follows, come to 4 runs over 2 days." in text
    fields = scene.form(f"/runs/{run.id}", f"/runs/{run.id}/go-on")
    assert scene.page.post(f"/runs/{run.id}/go-on", data=fields).status_code == 303
    return int(fields["max_credits"])


def api_price(scene: Scene) -> int:
    rule = scene.rule()
    price = scene.api.post(f"{API}/{rule.id}/price/", json={}).json
    assert (price["runs"], price["days"]) == (4, 2)
    scene.api.post(f"{API}/{rule.id}/execute/", json={})
    return int(price["credits_max"])


def api_execute(scene: Scene) -> int:
    return int(scene.api.post(f"{API}/{scene.rule().id}/execute/", json={}).json["max_credits"])


def api_test(scene: Scene) -> int:
    rule = scene.rule()
    report = scene.api.post(f"{API}/{rule.id}/test/", json={}).json
    assert (report["price"], report["records"], report["runs"], report["days"]) == (21, 7, 4, 2)
    scene.api.post(f"{API}/{rule.id}/execute/", json={})
    return int(report["price_max"])


def api_enable(scene: Scene) -> int:
    rule = scene.rule(is_active=False)
    price = scene.api.post(f"{API}/{rule.id}/price/", json={"backfill": True}).json
    scene.api.post(f"{API}/{rule.id}/enable/", json={"backfill": True})
    return int(price["credits_max"])


def api_go_on_with_what_is_left(scene: Scene) -> int:
    run, before = scene.ended_with_five_left(), scene.spent()
    named = scene.api.get(f"{RUNS}/{run.id}/").json["go_on"]
    assert named == {"what": "5 tasks", "runs": 3, "days": 2, "credits_max": 15}
    answer = scene.api.post(f"{RUNS}/{run.id}/go-on/", json={})
    assert (answer.status_code, answer.json["status"]) == (202, "pending")
    assert scene.api.post(f"{RUNS}/{run.id}/go-on/", json={}).status_code == 409
    return before + int(named["credits_max"])


def api_go_on_with_a_long_chain(scene: Scene) -> int:
    run = scene.waiting_for_review()
    named = scene.api.get(f"{RUNS}/{run.id}/").json["go_on"]
    assert scene.api.post(f"{RUNS}/{run.id}/go-on/", json={"max_credits": 20}).status_code == 409
    assert scene.api.post(f"{RUNS}/{run.id}/go-on/", json={"max_credits": 21}).status_code == 202
    return int(named["credits_max"])


def api_retry(scene: Scene) -> int:
    for records in (scene.tasks[:2], scene.tasks[2:4]):
        scene.failed(scene.rule(), records)
    report = scene.api.post(f"{RUNS}/retry/", json={}).json
    scene.api.post(f"{RUNS}/retry/", json={"dry_run": False})
    machine = scene.machine()
    lifecycle.execute_next(machine.transaction, KINDS, machine.clock)
    return int(report["credits_most"])


PLACES: list[Callable[[Scene], int]] = [
    run_now, switch_on, rule_form, skipped_runs_records, retry, retry_of_one_that_hands_on, retry_all, what_is_left,
    long_chain, api_price, api_execute, api_test, api_enable, api_go_on_with_what_is_left, api_go_on_with_a_long_chain,
    api_retry,
]  # fmt: skip


ON_ONE_ROAD = [switch_on, retry, what_is_left, api_execute, api_test, api_go_on_with_a_long_chain, api_retry]
"""They name and hold what another one shows as well: its twin on a page or in the API, or a longer chain."""
IN_SHORT = [place for place in PLACES if place not in ON_ONE_ROAD]


@pytest.mark.parametrize("place", times(full=PLACES, sample=IN_SHORT), ids=lambda place: place.__name__)
def test_the_named_price_is_what_the_ledger_shows_in_the_end(
    scene: Scene, place: Callable[[Scene], int]
) -> None:
    named = place(scene)
    scene.settle()
    assert scene.spent() == named > 6 - 3 * (place is retry)


@pytest.mark.parametrize(
    "place",
    times(
        full=[run_now, switch_on, rule_form, long_chain, api_go_on_with_a_long_chain],
        sample=[switch_on, api_go_on_with_a_long_chain],
    ),
    ids=lambda place: place.__name__,
)
def test_what_came_or_became_dearer_after_the_confirmation_is_not_paid_for(
    scene: Scene, place: Callable[[Scene], int]
) -> None:
    named = place(scene)
    sector = make_sector(scene.session, make_site(scene.session, scene.people.account))
    make_task(scene.session, sector, word_count=300, status="queued")
    make_keyword(scene.session, sector)
    scene.session.commit()
    scene.settle()
    assert scene.spent() == named


def test_a_figure_below_todays_price_continues_nothing(scene: Scene) -> None:
    run = scene.waiting_for_review()
    answer = scene.page.post(f"/runs/{run.id}/go-on", data={"max_credits": "20"})
    assert answer.status_code == 409
    assert "up to 21 credits by now, more than the 20 that were named" in answer.text
    failed = scene.failed(scene.rule(), scene.tasks[:2])
    assert scene.page.post(f"/runs/{failed.id}/retry", data={"max_credits": "5"}).status_code == 409
    now = datetime.now(UTC) + timedelta(seconds=1)
    data = {"as_of": now.isoformat(), "max_credits": "5"}
    assert scene.page.post("/history/retry", data=data).status_code == 409
    scene.settle()
    assert scene.spent() == 0
