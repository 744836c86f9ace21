"""Hundreds of keywords through three chained rules: nothing lost, nothing left over, every credit explained."""

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
from tests.sampling import times

PRODUCTS = ("running shoes", "hiking boots", "rain jacket", "camping stove", "sleeping bag")
PLACES = ("in winter", "for women", "for men", "for kids", "on a budget")
QUESTIONS = ("best", "how to choose", "how to clean", "cheap", "waterproof")
YEARS = times(full=("2023", "2024", "2025", "2026"), sample=("2026",))


def many_texts() -> list[str]:
    """Search terms around five products: 500, or 125 in everyday runs."""
    texts = [f"{q} {p} {x} {y}" for q in QUESTIONS for p in PRODUCTS for x in PLACES for y in YEARS]
    assert len(set(texts)) == 125 * len(YEARS)
    return texts


def test_hundreds_of_keywords_through_three_chained_rules(machine: Machine, session: Session) -> None:
    account = make_account(session, credits=100_000)
    sector = make_sector(session, make_site(session, account))
    limits = {"max_executions_per_day": 1000, "credit_limit_per_execution": 1000}
    ideas = {"type": "generate_ideas", "params": {"ideas_per_cluster": 2}}
    machine.make_rule(
        account, name="1", trigger="keyword_added", actions=[{"type": "cluster_keywords"}], **limits
    )
    machine.make_rule(account, name="2", trigger="cluster_created", actions=[ideas], **limits)
    machine.make_rule(account, name="3", trigger="idea_created", actions=[{"type": "create_tasks"}], **limits)
    texts = many_texts()
    import_texts(session, sector, texts)
    machine.settle()
    assert count(session, ScheduledTask, ScheduledTask.status == Status.PENDING) == 0
    assert account.credits_held == 0
    assert machine.breaches() == []
    assert _spent(session, account) == sum(run.credits_used for run in machine.runs()) > 0
    clusters = count(session, Cluster)
    assert clusters >= 5
    assert clusters / 2 < count(session, Idea) == count(session, Task) <= 2 * clusters
    assert count(session, Keyword, Keyword.status == "clustered") > 0.8 * len(texts)


def count(session: Session, model: type, *where: object) -> int:
    return session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def _spent(session: Session, account: Account) -> int:
    query = select(func.sum(CreditEntry.amount)).where(
        CreditEntry.account_id == account.id, CreditEntry.kind == "charge"
    )
    return -(session.scalar(query) or 0)
