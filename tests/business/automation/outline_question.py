"""A run that asks a person whether the outline of its article is right."""

from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask
from tests.business.automation.machine import Machine
from tests.factories import make_ai_connection, make_sector, make_site, make_task

WRITE = {"type": "generate_content", "params": {"approve_outline": True}}


def ask_about_outline(session: Session, account: Account, machine: Machine) -> ScheduledTask:
    """The run, which waits for the answer."""
    make_ai_connection(session, account)
    sector = make_sector(session, make_site(session, account))
    task = make_task(session, sector, title="Oak tables", word_count=600)
    rule = machine.make_rule(account, trigger="task_created", actions=[WRITE])
    return machine.run_now(rule, record_ids=[task.id])
