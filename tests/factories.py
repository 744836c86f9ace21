"""Plain functions that make rows with sensible defaults; each flushes, none commits."""

from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.business.accounts.models import Account, Role, User
from app.business.accounts.passkey_models import Passkey
from app.business.accounts.services.audit_log import AuditActor
from app.business.billing.models import CreditEntry, Plan
from app.business.billing.services.replenishment import grant_key, month_of
from app.business.outlets.incident_models import Incident, IncidentFailure
from app.business.outlets.models import AiConnection
from app.business.outlets.services.webhooks import WebhookValues, create
from app.business.outlets.webhook_models import Webhook, WebhookDelivery
from app.business.planner.models import Cluster, Idea, Keyword, Sector, Site
from app.business.writer.models import Content, Task

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
_number = count(1)


def make_plan(session: Session, code: str = "starter", **values: Any) -> Plan:
    """The plan of that code, made on first use."""
    plan = session.scalar(select(Plan).where(Plan.code == code))
    if plan is None:
        plan = Plan(**{"code": code, "name": code.title(), "monthly_credits": 1000} | values)
        session.add(plan)
        session.flush()
    return plan


def make_account(
    session: Session, *, credits: int = 1000, granted_at: datetime = NOW, **values: Any
) -> Account:
    """An active account with `credits` granted in its ledger.

    granted_at: in which month; tests by the clock on the wall name the present moment, or the grant would be due.
    """
    account = new_account(values.pop("plan", None) or make_plan(session), credits, **values)
    session.add(account)
    session.flush()
    if credits:
        session.add(first_grant(account, granted_at))
        session.flush()
    return account


def new_account(plan: Plan, credits: int = 1000, **values: Any) -> Account:
    """One that no session knows yet, and whose ledger lacks its grant."""
    stamps = {"created_at": NOW, "updated_at": NOW}
    account = Account(**{"name": f"Account {next(_number)}", "plan_id": plan.id} | stamps | values)
    account.credits_balance = credits
    return account


def first_grant(account: Account, granted_at: datetime) -> CreditEntry:
    """What the ledger has of an account that has not used anything."""
    credits = account.credits_balance
    return CreditEntry(
        account_id=account.id,
        kind="grant",
        amount=credits,
        balance_after=credits,
        key=grant_key(_month(account, granted_at)),
        reason="Monthly credits",
        created_at=NOW,
    )


def _month(account: Account, at: datetime) -> str:
    """In the account's zone, as far as that is one."""
    with suppress(ZoneInfoNotFoundError):
        return month_of(account.timezone or "UTC", at)
    return month_of("UTC", at)


def make_ai_connection(session: Session, account: Account, **values: Any) -> AiConnection:
    """An AI service of the account's own: with it, articles cost their words."""
    fields = {"base_url": "https://ai.example/v1", "model": "m", "created_at": NOW, "updated_at": NOW}
    row = AiConnection(account_id=account.id, **fields | values)
    session.add(row)
    session.flush()
    return row


def make_user(session: Session, account: Account, role: Role = Role.OWNER, **values: Any) -> User:
    user = new_user(account, role, **values)
    session.add(user)
    session.flush()
    return user


def new_user(account: Account, role: Role = Role.OWNER, **values: Any) -> User:
    """One that no session knows yet."""
    defaults = {"email": f"{role}{next(_number)}@example.com", "name": role.title()}
    stamps = {"account_id": account.id, "created_at": NOW, "updated_at": NOW}
    return User(**{"role": role} | defaults | stamps | values)


def make_site(session: Session, account: Account, **values: Any) -> Site:
    return _add(session, Site, account, {"name": f"Site {next(_number)}"} | values)


def make_sector(session: Session, site: Site, **values: Any) -> Sector:
    defaults = {"account_id": site.account_id, "site_id": site.id, "name": f"Sector {next(_number)}"}
    return _add(session, Sector, None, defaults | values)


def make_keyword(session: Session, sector: Sector, **values: Any) -> Keyword:
    return _record(session, Keyword, sector, {"text": f"keyword {next(_number)}"} | values)


def make_cluster(session: Session, sector: Sector, **values: Any) -> Cluster:
    name = f"cluster {next(_number)}"
    return _record(session, Cluster, sector, {"name": name, "main_keyword": name} | values)


def make_idea(session: Session, sector: Sector, **values: Any) -> Idea:
    return _record(session, Idea, sector, {"title": f"Idea {next(_number)}"} | values)


def make_task(session: Session, sector: Sector, **values: Any) -> Task:
    return _record(session, Task, sector, {"title": f"Task {next(_number)}", "status": "draft"} | values)


def make_content(session: Session, sector: Sector, **values: Any) -> Content:
    return _record(
        session, Content, sector, {"title": f"Content {next(_number)}", "status": "draft"} | values
    )


def make_passkey(session: Session, user: User, **values: Any) -> Passkey:
    """One that no device holds: nobody signs in with it."""
    row = Passkey(
        **{
            "account_id": user.account_id,
            "user_id": user.id,
            "name": "Phone",
            "public_key": b"",
            "sign_count": 0,
        }
        | {
            "credential_id": f"credential{next(_number)}",
            "user_handle": f"handle{user.id}",
            "created_at": NOW,
        }
        | values
    )
    session.add(row)
    session.flush()
    return row


def make_webhook(session: Session, account: Account, **values: Any) -> Webhook:
    """Its secret cannot be opened: nothing is sent to it."""
    said = {"name": f"Webhook {next(_number)}", "url": "https://hooks.example/", "events": ["run.failed"]}
    made = WebhookValues(**said | values)
    return create(session, account.id, AuditActor(), made, seal=str, now=datetime.now(UTC))[0]


def make_delivery(session: Session, webhook: Webhook, **values: Any) -> WebhookDelivery:
    """One that has ended, so that no worker takes it."""
    number = next(_number)
    row = WebhookDelivery(
        **{"account_id": webhook.account_id, "webhook_id": webhook.id, "event": "run.failed", "body": "{}"}
        | {"message_id": f"msg_{webhook.id}_{number}", "status": "failed", "created_at": NOW}
        | values
    )
    session.add(row)
    session.flush()
    return row


def make_incident(session: Session, account: Account, **failure: Any) -> Incident:
    """An open one with a failure."""
    cause = {
        "place": "ai",
        "fault": f"fault-{next(_number)}",
        "subject": "The AI service",
        "message": "No answer.",
    }
    incident = Incident(account_id=account.id, first_at=NOW, **cause)
    session.add(incident)
    session.flush()
    values = {"account_id": account.id, "incident_id": incident.id, "message": "No answer.", "at": NOW}
    session.add(IncidentFailure(**values | {"key": "run-1"} | failure))
    session.flush()
    return incident


def _record(session: Session, model: type, sector: Sector, values: dict[str, Any]) -> Any:
    place = {"account_id": sector.account_id, "site_id": sector.site_id, "sector_id": sector.id}
    return _add(session, model, None, place | {"status": "new", "status_since": NOW} | values)


def _add(session: Session, model: type, account: Account | None, values: dict[str, Any]) -> Any:
    stamps = {"created_at": NOW, "updated_at": NOW}
    owner = {"account_id": account.id} if account else {}
    row = model(**stamps | owner | values)
    session.add(row)
    session.flush()
    return row
