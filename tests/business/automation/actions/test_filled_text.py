"""Texts of actions that name fields, and the month's figures that they and conditions may ask for."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.services.catalogue.field_types import Scope
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.planner.models import Idea, Sector, Site
from app.business.writer.models import Task
from tests.business.automation.machine import Machine
from tests.business.automation.provider import FailingModel
from tests.business.automation.rule_parts import IDEAS, clusters_with_keywords, run_once
from tests.factories import make_account, make_keyword, make_sector, make_site

FIGURES = ("account.runs_this_month", "account.failed_runs_this_month", "account.credits_used_this_month")


def idea(**params: Any) -> dict[str, Any]:
    return {"type": "create_record", "params": {"type": "idea"} | params}


def figures(machine: Machine, session: Session, account: Account) -> list[Any]:
    zone = machine.now.tzinfo
    assert zone is not None
    facts = load_facts(
        session, None, [account.id], scope=Scope(account.id, None, None), now=machine.now, zone=zone
    )
    return [facts[account.id][name] for name in FIGURES]


def test_a_text_names_what_the_record_and_its_relations_say(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(
        session, sector, text="trail shoes", volume=1284, difficulty=29.5, cpc=None, labels=["a", "b"]
    )
    text = "{volume}, {difficulty}, [{cpc}], {labels}, {site.name}, {created_at}, {now.date}"
    run_once(machine, account, idea(title="{name}", description=text), record_type="keyword")
    made = session.scalars(select(Idea)).one()
    assert made.title == "trail shoes"
    site = session.get_one(Site, sector.site_id).name
    assert made.description == f"1,284, 29.5, [], a, b, {site}, 24 Nov 2026, 09:00, 24 Nov 2026"


@pytest.mark.parametrize("text", ["{titel}", "{}", "{Volume}", "{{volume", "{site.secret}", "{__class__}"])
def test_what_is_no_field_stays_as_it_was_typed(
    machine: Machine, session: Session, account: Account, sector: Sector, text: str
) -> None:
    make_keyword(session, sector, text="trail shoes")
    run_once(machine, account, idea(title="A", description=text), record_type="keyword")
    assert session.scalars(select(Idea.description)).all() == [text]


def test_a_value_that_looks_like_a_field_is_not_read_again(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector, text="{account.name} shoes")
    run_once(machine, account, idea(title="{text}"), record_type="keyword")
    assert session.scalars(select(Idea.title)).all() == ["{account.name} shoes"]


def test_a_report_names_the_figures_of_the_month(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 2)
    again = {"type": "generate_ideas", "params": {"again": True}}
    rule = machine.make_rule(account, trigger="cluster_created", actions=[again], repeat="always")
    machine.run_now(rule)
    machine.model = FailingModel("refused")
    machine.run_now(rule)
    assert figures(machine, session, account) == [2, 1, 10]
    said = "{account.runs_this_month} runs, {account.failed_runs_this_month} failed, "
    said += "{account.credits_used_this_month} credits"
    report = {"type": "create_record", "params": {"type": "task", "title": said, "task_type": "report"}}
    notify = {"type": "notify", "params": {"message": said}}
    run_once(machine, account, report, notify, record_type=None, site=sector.site_id)
    assert session.scalars(select(Task.title)).one() == "2 runs, 1 failed, 10 credits"
    assert "2 runs, 1 failed, 10 credits" in session.scalars(select(Notice.body)).all()


def test_the_month_begins_on_the_clock_of_the_rule_and_counts_one_account(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    machine.run_now(machine.make_rule(account, trigger="cluster_created", actions=[IDEAS]))
    other = make_account(session)
    make_sector(session, make_site(session, other))
    assert figures(machine, session, other) == [0, 0, 0]
    machine.pass_time(days=6)
    assert figures(machine, session, account) == [1, 0, 5]
    machine.pass_time(days=1)
    assert figures(machine, session, account) == [0, 0, 0]


ABOUT_THE_RUN = (
    "{run.rule}, {run.site}: {run.status} after {run.credits}, {run.failures_in_a_row} in a row. {run.reason}"
)


def test_a_notice_says_which_run_has_failed(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    clusters_with_keywords(session, sector, 1)
    again = {"type": "generate_ideas", "params": {"again": True}}
    rule = machine.make_rule(
        account,
        name="Ideas",
        trigger="cluster_created",
        actions=[again],
        repeat="always",
        site=sector.site_id,
    )
    tell = {"type": "notify", "params": {"message": ABOUT_THE_RUN}}
    machine.make_rule(account, trigger="run_finished", trigger_options={"rule_id": rule.id}, actions=[tell])
    good, bad = machine.model, FailingModel("refused")
    for model in (bad, good, bad, bad):
        machine.model = model
        run = machine.run_now(rule)
        machine.pass_time(minutes=1)
    said = session.scalars(select(Notice.body).where(Notice.level == "info").order_by(Notice.id)).all()
    site = session.get_one(Site, sector.site_id).name
    failed = f"Ideas, {site}: failed after 0, {{}} in a row. {run.error_message}"
    assert run.error_message
    assert said == [
        failed.format(1),
        f"Ideas, {site}: completed after 5, 0 in a row. ",
        failed.format(1),
        failed.format(2),
    ]


def test_without_a_finished_run_its_fields_are_empty(
    machine: Machine, session: Session, account: Account
) -> None:
    tell = {"type": "notify", "params": {"message": "[{run.rule}] {run.unknown}"}}
    run_once(machine, account, tell, record_type=None)
    machine.run_now(machine.make_rule(account, trigger="run_finished", actions=[tell]))
    assert session.scalars(select(Notice.body).order_by(Notice.id)).all() == [
        "[{run.rule}] {run.unknown}",
        "[] {run.unknown}",
    ]
