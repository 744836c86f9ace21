"""Five hundred keywords through three chained rules: nothing lost, nothing left over, every credit explained."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.automation.run_models import ScheduledTask, Status
from app.business.billing.models import CreditEntry
from app.business.planner.models import Cluster, Idea, Keyword
from app.business.writer.models import Task
from tests.business.automation.machine import Machine
from tests.business.automation.rule_parts import import_texts
from tests.factories import make_account, make_sector, make_site

PRODUCTS = ("running shoes", "hiking boots", "rain jacket", "camping stove", "sleeping bag")
PLACES = ("in winter", "for women", "for men", "for kids", "on a budget")
QUESTIONS = ("best", "how to choose", "how to clean", "cheap", "waterproof")
YEARS = ("2023", "2024", "2025", "2026")


def five_hundred() -> list[str]:
    """Search terms around five products."""
    texts = [f"{q} {p} {x} {y}" for q in QUESTIONS for p in PRODUCTS for x in PLACES for y in YEARS]
    assert len(set(texts)) == 500
    return texts


def test_five_hundred_keywords_through_three_chained_rules(machine: Machine, session: Session) -> None:
    account = make_account(session, credits=100_000)
    sector = make_sector(session, make_site(session, account))
    limits = {"max_executions_per_day": 1000, "credit_limit_per_execution": 1000}
    ideas = {"type": "generate_ideas", "params": {"ideas_per_cluster": 2}}
    machine.make_rule(
        account, name="1", trigger="keyword_added", actions=[{"type": "cluster_keywords"}], **limits
    )
    machine.make_rule(account, name="2", trigger="cluster_created", actions=[ideas], **limits)
    machine.make_rule(account, name="3", trigger="idea_created", actions=[{"type": "create_tasks"}], **limits)
    import_texts(session, sector, five_hundred())
    machine.settle()
    assert count(session, ScheduledTask, ScheduledTask.status == Status.PENDING) == 0
    assert account.credits_held == 0
    assert machine.breaches() == []
    assert _spent(session, account) == sum(run.credits_used for run in machine.runs()) > 0
    clusters = count(session, Cluster)
    assert clusters >= 5
    assert clusters / 2 < count(session, Idea) == count(session, Task) <= 2 * clusters
    assert count(session, Keyword, Keyword.status == "clustered") > 400


def count(session: Session, model: type, *where: object) -> int:
    return session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def _spent(session: Session, account: Account) -> int:
    query = select(func.sum(CreditEntry.amount)).where(
        CreditEntry.account_id == account.id, CreditEntry.kind == "charge"
    )
    return -(session.scalar(query) or 0)
