"""Action texts that name fields, and the month's figures for texts and conditions."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Notice
from app.business.automation.services.automation_service import Actor, AutomationService
from app.business.automation.services.catalogue.field_types import RuleScope
from app.business.automation.services.conditions.record_fields import load_facts
from app.business.automation.services.preflight.finding import Level
from app.business.automation.services.preflight.text_findings import text_findings
from app.business.automation.services.rules.definition import definition_from
from app.business.automation.services.rules.versions import definition_of, keep_version
from app.business.errors import Invalid
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
        session, None, [account.id], scope=RuleScope(account.id, None, None), now=machine.now, zone=zone
    )
    return [facts[account.id][name] for name in FIGURES]


def test_a_text_shows_fields_of_the_record_and_its_relations(
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


@pytest.mark.parametrize("text", ["{}", "{{volume", "{1}", '{"a": 1}', "a } b {"])
def test_other_braces_stay_as_they_were_typed(
    machine: Machine, session: Session, account: Account, sector: Sector, text: str
) -> None:
    make_keyword(session, sector, text="trail shoes")
    run_once(machine, account, idea(title="A", description=text), record_type="keyword")
    assert session.scalars(select(Idea.description)).all() == [text]


NOTE = {"type": "update_records", "params": {"note": "Was {status} on {site.name}: {text}"}}
TITLES = ["trail shoes", "hiking boots", "wool socks"]
OVER_SEVERAL = [
    ("Look at {text}.", "Look at trail shoes, hiking boots and wool socks (3)."),
    ("{volume} searches", "500 and 1,284 (2) searches"),
    ("On {site.name}: {country}", "On SITE: "),
    ("{each: {text} ({volume})}", "trail shoes (500)\nhiking boots (500)\nwool socks (1,284)"),
    (
        "New: {each: {title} ({volume})}.",
        "New: trail shoes (500), hiking boots (500) and wool socks (1,284).",
    ),
    ("New:\n- {each: {name}}\nBye", "New:\n- trail shoes\n- hiking boots\n- wool socks\nBye"),
    ("{each: {account.name}}", "NAME\nNAME\nNAME"),
    ("{account.credits_available} left, {status}", "1,000 left, New"),
]


def notify(message: str) -> dict[str, Any]:
    return {"type": "notify", "params": {"message": message}}


def notice_of(session: Session) -> str:
    return session.scalars(select(Notice.body).order_by(Notice.id.desc())).first() or ""


@pytest.mark.parametrize(("message", "said"), OVER_SEVERAL)
def test_a_notice_over_several_records_lists_and_counts_them(
    machine: Machine, session: Session, account: Account, sector: Sector, message: str, said: str
) -> None:
    for text, volume in zip(TITLES, (500, 500, 1284), strict=True):
        make_keyword(session, sector, text=text, volume=volume)
    run_once(machine, account, notify(message), record_type="keyword")
    site = session.get_one(Site, sector.site_id).name
    assert notice_of(session) == said.replace("SITE", site).replace("NAME", account.name)


def test_of_many_records_ten_are_named_and_the_others_counted(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    for number in range(14):
        make_keyword(session, sector, text=f"shoes {number}")
    run_once(machine, account, notify("{text} | {each: {text}}"), record_type="keyword")
    ten = ", ".join(f"shoes {number}" for number in range(10))
    assert notice_of(session) == f"{ten} and 4 more (14) | {ten} and 4 more"


def test_a_notice_of_one_record_needs_no_list(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector, text="trail shoes", volume=12)
    run_once(machine, account, notify("{text} has {volume}"), record_type="keyword")
    assert notice_of(session) == "trail shoes has 12"


def test_a_note_is_filled_for_each_record(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rows = [make_keyword(session, sector, text=text) for text in TITLES]
    run_once(machine, account, NOTE, record_type="keyword")
    site = session.get_one(Site, sector.site_id).name
    for row in rows:
        session.refresh(row)
    assert [row.note for row in rows] == [f"Was New on {site}: {text}" for text in TITLES]


# What a rule of another kind might fill, but this one cannot: record type, action, the text, what is refused.
REFUSED: list[tuple[str | None, str, str, str]] = [
    (
        "keyword",
        "notify.message",
        "{titel}",
        "{titel} names no field of a keyword, so it cannot be filled in. Did you mean {title}?",
    ),
    ("keyword", "notify.message", "{Volume}", "Did you mean {volume}?"),
    ("keyword", "notify.message", "{site name} and {colour}", "{site name}, {colour} name no field"),
    ("keyword", "notify.message", "{each: {word_count}}", "{word_count} names no field"),
    ("keyword", "notify.message", "{each {text}}", "not written to its end"),
    ("keyword", "notify.message", "{each: {text}", "not written to its end"),
    ("keyword", "notify.message", "{run.rule}", "{run.rule} names no field"),
    (None, "notify.message", "{title}", "{title} names no field of the account"),
    ("keyword", "create_record.title", "{__class__}", "{__class__}"),
    ("keyword", "create_record.description", "{site.secret}", "{site.secret}"),
    ("task", "update_records.note", "{volume}", "{volume} names no field of a task"),
    ("keyword", "pause_rule.reason", "{text}", "{text} names no field of the account"),
]


@pytest.mark.parametrize(("record_type", "place", "text", "sentence"), REFUSED)
def test_a_name_that_cannot_be_filled_is_refused(
    machine: Machine, account: Account, record_type: str | None, place: str, text: str, sentence: str
) -> None:
    action, _, param = place.partition(".")
    params = {"type": "idea", "title": "T"} if action == "create_record" else {}
    actions = [notify("{now.hour}"), {"type": action, "params": params | {param: text}}]
    rule = {
        "trigger": "schedule",
        "schedule": {"cron": "7 * * * *", "timezone": "UTC"},
        "record_type": record_type,
    }
    with pytest.raises(Invalid) as refused:
        machine.make_rule(account, **rule, actions=actions)
    (path,) = refused.value.errors
    assert path == f"actions[1].params.{param}"
    assert sentence in refused.value.errors[path][0]
    assert refused.value.errors[path][0].startswith("Action 2: ")


def test_a_stored_rule_with_such_a_name_works_and_needs_repair(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    make_keyword(session, sector, text="trail shoes")
    rule = machine.make_rule(account, trigger="keyword_added", actions=[notify("x")])
    rule.actions = [notify("New: {text}{titel}.")]
    keep_version(session, rule, machine.now, None)
    machine.run_now(rule)
    assert notice_of(session) == "New: trail shoes."
    definition = definition_from(definition_of(rule))
    (finding,) = text_findings(definition)
    assert (finding.level, finding.field) == (Level.STOP, "actions[0].params.message")
    assert "needs repair" in finding.sentence
    with pytest.raises(Invalid, match="titel"):
        AutomationService().enable(session, rule, Actor(None), machine.now, backfill=False)


def test_a_value_that_looks_like_a_field_is_not_expanded_again(
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
    by_rule = Notice.body.contains(" in a row")
    said = session.scalars(select(Notice.body).where(by_rule).order_by(Notice.id)).all()
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
    machine.run_now(machine.make_rule(account, trigger="run_finished", actions=[notify("[{run.rule}]")]))
    assert notice_of(session) == "[]"
