"""The straight pipeline of an event whose rule writes ideas for credits: it checks three budgets by what the ledger
says, and pays from the account's balance.

It holds nothing back while it works and claims nothing, so two workers could spend the same credits.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Engine, Index, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from straight_pipeline import Base

ACCOUNTS, PRICE = 20, 6
TITLES = ("How to choose", "The best", "What is")


class Account(Base):
    __tablename__ = "reference_account"
    id: Mapped[int] = mapped_column(primary_key=True)
    credits: Mapped[int]
    daily_ceiling: Mapped[int]


class Site(Base):
    __tablename__ = "reference_site"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    monthly_budget: Mapped[int]


class Rule(Base):
    __tablename__ = "reference_paid_rule"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(index=True)
    trigger: Mapped[str]
    monthly_budget: Mapped[int]


class Cluster(Base):
    __tablename__ = "reference_cluster"
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    site_id: Mapped[int]
    name: Mapped[str]


class Idea(Base):
    __tablename__ = "reference_idea"
    id: Mapped[int] = mapped_column(primary_key=True)
    cluster_id: Mapped[int]
    title: Mapped[str]


class Run(Base):
    __tablename__ = "reference_paid_run"
    id: Mapped[int] = mapped_column(primary_key=True)
    rule_id: Mapped[int]
    record_id: Mapped[int]
    status: Mapped[str]
    credits: Mapped[int] = mapped_column(default=0)


class Entry(Base):
    """Of the ledger."""

    __tablename__ = "reference_entry"
    __table_args__ = (
        Index("reference_entry_rule", "rule_id", "at"),
        Index("reference_entry_site", "site_id", "at"),
        Index("reference_entry_account", "account_id", "at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int]
    rule_id: Mapped[int]
    site_id: Mapped[int]
    run_id: Mapped[int]
    amount: Mapped[int]
    at: Mapped[datetime]


def execute(engine: Engine, cluster_id: int) -> None:
    """The whole work of one event."""
    now = datetime.now(UTC).replace(tzinfo=None)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = today.replace(day=1)
    with Session(engine) as session:
        cluster = session.get_one(Cluster, cluster_id)
        rules = select(Rule).where(Rule.account_id == cluster.account_id, Rule.trigger == "cluster_created")
        for rule in session.scalars(rules).all():
            account, site = (
                session.get_one(Account, cluster.account_id),
                session.get_one(Site, cluster.site_id),
            )
            left = min(
                account.credits,
                rule.monthly_budget - _spent(session, Entry.rule_id == rule.id, month),
                site.monthly_budget - _spent(session, Entry.site_id == site.id, month),
                account.daily_ceiling - _spent(session, Entry.account_id == account.id, today),
            )
            if left < PRICE:
                continue
            run = Run(rule_id=rule.id, record_id=cluster_id, status="running")
            session.add(run)
            session.commit()
            session.add_all(Idea(cluster_id=cluster_id, title=f"{how} {cluster.name}") for how in TITLES)
            session.add(_charge(run, rule, site, now))
            account.credits -= PRICE
            run.status, run.credits = "completed", PRICE
            session.commit()


def _spent(session: Session, whose: ColumnElement[bool], since: datetime) -> int:
    return -(session.scalar(select(func.sum(Entry.amount)).where(whose, Entry.at >= since)) or 0)


def _charge(run: Run, rule: Rule, site: Site, now: datetime) -> Entry:
    return Entry(
        account_id=rule.account_id, rule_id=rule.id, site_id=site.id, run_id=run.id, amount=-PRICE, at=now
    )


def rows(records: int) -> Iterator[Base]:
    """Accounts with a rule and a site each, and clusters with the ids from 1."""
    for id in range(1, ACCOUNTS + 1):
        yield Account(id=id, credits=1_000_000, daily_ceiling=900_000)
        yield Site(id=id, account_id=id, monthly_budget=500_000)
        yield Rule(id=id, account_id=id, trigger="cluster_created", monthly_budget=100_000)
    for number in range(1, records + 1):
        of = number % ACCOUNTS + 1
        yield Cluster(id=number, account_id=of, site_id=of, name=f"lamp {number}")
