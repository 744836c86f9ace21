"""The account's own AI service. Its API key is stored encrypted and never shown again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import BindParameter, Select, delete, select, update
from sqlalchemy.orm import Session

from app.business.accounts.services import audit_log
from app.business.accounts.services.audit_log import AuditActor
from app.business.base import RowValues
from app.business.errors import Invalid
from app.business.language_model import ModelConnection
from app.business.outlets.models import AiConnection
from app.business.plain_characters import fault_of_line

HAS_MODEL = "has_model"
"""Execution option of the database engine: whether the installation has an AI service of its own."""
MICROS = 1_000_000
MOST_MONEY = 1_000_000
MONEY = ("price_in", "price_out", "monthly_limit")
TEXTS = ("base_url", "api_key", "model", "article_model", "embedding_model")
Seal = Callable[[str], str]


@dataclass(frozen=True)
class ConnectionValues:
    """What an owner enters; money in whole units. `api_key`: None keeps the stored one."""

    base_url: str
    model: str
    article_model: str = ""
    embedding_model: str = ""
    api_key: str | None = None
    price_in: float | None = None
    price_out: float | None = None
    monthly_limit: float | None = None


def find(session: Session, account_id: int) -> AiConnection | None:
    """The account's connection; None where it uses that of the installation."""
    return session.scalar(select(AiConnection).where(AiConnection.account_id == account_id))


def connection_of(session: Session, account_id: int) -> ModelConnection | None:
    """The connection as plain data, for the caller of the service."""
    row = find(session, account_id)
    return as_data(row) if row else None


def is_connected(session: Session, account_id: int) -> bool:
    """Whether the account has an AI service: its own, or that of the installation."""
    if session.get_bind().get_execution_options().get(HAS_MODEL):
        return True
    return session.scalar(select(AiConnection.id).where(AiConnection.account_id == account_id)) is not None


def connected_among(account_ids: BindParameter[int]) -> Select[int]:
    """Those of the accounts that have an AI service of their own."""
    return select(AiConnection.account_id).where(AiConnection.account_id.in_(account_ids))


def as_data(row: AiConnection) -> ModelConnection:
    """A copy that needs no session; the key stays encrypted."""
    return ModelConnection(**{field.name: getattr(row, field.name) for field in fields(ModelConnection)})


def save(
    session: Session,
    account_id: int,
    actor: AuditActor,
    values: ConnectionValues,
    *,
    seal: Seal,
    now: datetime,
) -> AiConnection:
    """Connect the account, or change its connection; the next call uses it. Raises Invalid."""
    row = find(session, account_id)
    _check(values, row)
    if row is None:
        row = AiConnection(account_id=account_id, created_at=now, version=0)
        session.add(row)
    changed = _changes(row, values)
    for name, value in changed.items():
        setattr(row, name, value)
    if values.api_key is not None:
        row.api_key_sealed = seal(values.api_key) if values.api_key else ""
    if others := changed.keys() - set(MONEY):
        # Another service or model may support another JSON mode.
        row.mode = None
    if others or values.api_key is not None:
        row.tested_at = None
    row.updated_at, row.version = now, row.version + 1
    session.flush()
    key = "kept" if values.api_key is None else "changed" if values.api_key else "none"
    audit_log.record(session, account_id, actor, "ai_connection.changed", row, {**changed, "key": key}, now)
    return row


def remove(session: Session, row: AiConnection, actor: AuditActor, now: datetime) -> None:
    """Delete the connection and its key; the service of the installation is used again."""
    data = {"base_url": row.base_url, "model": row.model}
    audit_log.record(session, row.account_id, actor, "ai_connection.removed", row, data, now)
    session.execute(delete(AiConnection).where(AiConnection.id == row.id))


def keep_mode(session: Session, tested: ModelConnection, mode: str | None, now: datetime) -> None:
    """Store the result of a test, unless the connection was changed meanwhile."""
    session.execute(
        update(AiConnection)
        .where(AiConnection.id == tested.id, AiConnection.version == tested.version)
        .values(mode=mode, tested_at=now)
        .execution_options(synchronize_session=False)
    )


def sealed_keys(session: Session) -> Mapping[int, str]:
    """Every encrypted key by connection id, to be encrypted again with another secret."""
    query = select(AiConnection.id, AiConnection.api_key_sealed).where(AiConnection.api_key_sealed != "")
    return {row.id: row.api_key_sealed for row in session.execute(query)}


def replace_sealed(session: Session, connection_id: int, old: str, new: str) -> None:
    """Replace the encrypted key, unless it was changed meanwhile."""
    session.execute(
        update(AiConnection)
        .where(AiConnection.id == connection_id, AiConnection.api_key_sealed == old)
        .values(api_key_sealed=new)
        .execution_options(synchronize_session=False)
    )


def money(micros: int | None) -> float | None:
    """The amount in whole units of the currency."""
    return None if micros is None else micros / MICROS


def _check(values: ConnectionValues, row: AiConnection | None) -> None:
    faults = {name: fault_of_line(getattr(values, name) or "") for name in TEXTS}
    if found := {name: [fault] for name, fault in faults.items() if fault}:
        raise Invalid(found)
    if values.monthly_limit is not None and None in (values.price_in, values.price_out):
        sentence = "Enter both prices too: without them nothing can be counted against the limit."
        raise Invalid({"monthly_limit": [sentence]})
    # Else a person who changes the address could have the stored key sent there.
    if values.api_key is None and row and row.api_key_sealed and _origin(row) != _origin(values):
        raise Invalid({"api_key": ["Enter the key again: it was stored for another address."]})


def _origin(of: AiConnection | ConnectionValues) -> tuple[str, str]:
    parts = urlsplit(of.base_url)
    return parts.scheme, parts.netloc.lower()


def _changes(row: AiConnection, values: ConnectionValues) -> RowValues:
    wanted: RowValues = {name: getattr(values, name) for name in TEXTS if name != "api_key"}
    for name in MONEY:
        amount = getattr(values, name)
        wanted[name] = None if amount is None else round(amount * MICROS)
    return {name: value for name, value in wanted.items() if getattr(row, name) != value}
