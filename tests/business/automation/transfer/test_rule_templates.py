"""The starter set: every template is a valid rule, reads as a sentence, and does what it says."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import Status
from app.business.automation.services.catalogue.actions.registry import CATALOGUE
from app.business.automation.services.rules.sentence import NEEDS_REPAIR, summary_of
from app.business.automation.services.transfer.templates import (
    STAGES,
    TEMPLATES,
    Template,
    by_stage,
    template,
)
from app.business.automation.services.trials.dry_run import dry_run
from app.business.errors import NotFound
from app.business.planner.models import Sector
from tests.business.automation.machine import Machine
from tests.factories import NOW, make_cluster, make_content, make_idea, make_keyword, make_task

LONG_AGO = NOW - timedelta(days=200)
each_template = pytest.mark.parametrize("template", TEMPLATES, ids=lambda entry: entry.key)


@pytest.fixture
def full(session: Session, account: Account, sector: Sector) -> Account:
    """An account in which every template finds something to do: little credit, and records in every state."""
    account.credits_balance = 40
    for number in range(6):
        values: dict[str, Any] = {"volume": 5, "intent": "commercial"}
        make_keyword(session, sector, text=f"cast iron pan {number}", **values)
    cluster = make_cluster(session, sector, name="pans")
    for number in range(4):
        make_keyword(
            session, sector, cluster_id=cluster.id, volume=900, status="clustered", text=f"pan {number}"
        )
    make_idea(session, sector, status="accepted")
    make_idea(session, sector, created_at=LONG_AGO)
    make_task(session, sector, status="queued", due_on=LONG_AGO.date(), word_count=300)
    make_content(session, sector, word_count=900, outline=False)
    make_content(session, sector, word_count=100)
    make_content(session, sector, status="published", published_at=LONG_AGO)
    session.commit()
    return account


def test_there_is_one_for_every_stage_and_no_name_twice() -> None:
    assert len(TEMPLATES) >= 10
    assert [title for title, found in by_stage() if found] == list(STAGES.values())
    for values in ([entry.key for entry in TEMPLATES], [entry.name for entry in TEMPLATES]):
        assert len(values) == len(set(values))
    with pytest.raises(NotFound):
        template("no such")


def test_together_they_use_every_action_that_a_rule_can_take() -> None:
    """But those that need a connection, or a person who answers, which a new account does not have."""
    used = {action["type"] for entry in TEMPLATES for action in entry.rule["actions"]}
    assert set(CATALOGUE) - used <= {"resume_rule", "send_webhook", "publish_content", "ask_person"}


@each_template
def test_it_reads_as_a_sentence_and_comes_switched_off(template: Template) -> None:
    definition = template.definition("Europe/Berlin")
    assert not definition.is_active
    sentence = summary_of(definition)
    assert NEEDS_REPAIR not in sentence
    if definition.trigger == "schedule":
        assert "Europe/Berlin" in sentence


@each_template
def test_it_does_what_it_says(machine: Machine, session: Session, full: Account, template: Template) -> None:
    values = template.definition("UTC").model_dump(mode="json") | {"mode": "live"}
    rule = machine.make_rule(full, **values)
    report = dry_run(session, rule, machine.now)
    checks = {gate["gate"]: gate["result"] for gate in report["gates"]}
    assert checks["conditions"] == "pass"
    run = machine.run_now(rule, even_if_off=True)
    assert (run.status, run.error_message) == (Status.COMPLETED, "")
