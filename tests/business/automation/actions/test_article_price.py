"""The price of an article, and of the brief that is made where there is no AI connection."""

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from app import create_app
from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.automation.services.preflight.money_findings import least_price
from app.business.automation.services.preflight.start_price import start_price
from app.business.automation.services.rules.cost import most_per_run
from app.business.automation.services.rules.versions import read_definition
from app.business.billing.models import CreditEntry, CreditHold
from app.business.outlets.services.ai_connections import find, is_connected
from app.business.planner.models import Sector
from app.business.writer.models import Content
from app.infrastructure.database import db
from app.settings import Settings
from tests.business.automation.machine import Machine
from tests.business.automation.provider import ArticleModel
from tests.factories import make_ai_connection, make_task

WRITE: dict[str, Any] = {"trigger": "task_created", "actions": [{"type": "generate_content"}]}


class ConnectedMeanwhile(Machine):
    """The AI service is connected between the price of a run and its first unit."""

    @property
    def draining(self) -> bool:
        account = self.session.get_one(Account, self.account_id)
        if account.credits_held and find(self.session, account.id) is None:
            make_ai_connection(self.session, account)
            self.session.commit()
        return False

    @draining.setter
    def draining(self, _value: bool) -> None:
        pass

    account_id = 0


def written(machine: Machine, session: Session, account: Account, sector: Sector) -> ScheduledTask:
    task = make_task(session, sector, word_count=3000)
    run = machine.run_now(machine.make_rule(account, **WRITE), record_ids=[task.id])
    assert run.status == Status.COMPLETED
    return run


def test_a_brief_made_without_a_connection_costs_one_credit(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    run = written(machine, session, account, sector)
    assert run.credits_used == 1
    hold = session.scalars(select(CreditHold)).one()
    assert (hold.amount, hold.posted, hold.state) == (1, 1, "closed")
    assert session.scalars(select(Content.outline)).all() == [True]
    (reason,) = session.scalars(select(CreditEntry.reason).where(CreditEntry.kind == "charge"))
    assert reason.startswith("Brief of “")
    assert machine.breaches() == []


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.4])
def test_an_article_costs_the_words_delivered_at_most_those_requested(
    machine: Machine, session: Session, account: Account, sector: Sector, ratio: float
) -> None:
    machine.model = ArticleModel(ratio, sections=3)
    make_ai_connection(session, account)
    run = written(machine, session, account, sector)
    words = session.scalars(select(Content.word_count)).one()
    assert (words < 3000) == (ratio < 1)
    assert run.credits_used == math.ceil(min(words, 3000) / 100)


def test_the_price_of_a_brief_is_the_most_that_is_spent_when_a_connection_is_added_meanwhile(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    ids = [make_task(session, sector, word_count=3000).id for _ in range(3)]
    rule = machine.make_rule(account, **WRITE)
    named = start_price(session, rule, machine.now, record_ids=ids)
    assert (named.credits, named.credits_max) == (3, 3)
    # As when the connection is there once the credits are set aside.
    machine = ConnectedMeanwhile(session, ArticleModel(sections=3))
    machine.account_id = account.id
    run = machine.run_now(rule, record_ids=ids)
    assert run.status == Status.COMPLETED
    assert session.scalars(select(Content.outline)).all() == [False] * 3
    assert run.credits_used <= named.credits_max
    assert machine.breaches() == []


def test_a_price_is_that_of_words_once_there_is_a_connection(
    machine: Machine, session: Session, account: Account, sector: Sector
) -> None:
    rule = machine.make_rule(account, **WRITE)
    definition, ids = read_definition(rule), [make_task(session, sector, word_count=950).id]
    prices = []
    for connected in (False, True):
        if connected:
            make_ai_connection(session, account)
        assert is_connected(session, account.id) == connected
        least = least_price(definition, connected=connected)
        most = most_per_run(definition, connected=connected)
        prices.append((start_price(session, rule, machine.now, record_ids=ids).credits_max, least, most))
    assert prices == [(1, 1, 50), (10, 1, 100)]


def test_the_service_of_the_installation_counts_as_a_connection(tmp_path: Path) -> None:
    connected = []
    for key in ("", "k"):
        settings = Settings(data_dir=tmp_path, ai_api_key=SecretStr(key), ai_model="m")
        with create_app(settings, web=False).app_context():
            db.create_all()
            connected.append(is_connected(db.session(), 1))
            db.session.remove()
            db.engine.dispose()
    assert connected == [False, True]
