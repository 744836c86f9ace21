"""The database itself separates tenants and protects history."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError, IntegrityError
from sqlalchemy.orm import Session

from tests.factories import make_account, make_keyword, make_sector, make_site


def test_the_ledger_cannot_be_changed(session: Session) -> None:
    make_account(session)
    session.commit()
    with pytest.raises(DatabaseError, match="append-only"):
        session.execute(text("UPDATE credit_entry SET amount = 5"))
    session.rollback()
    with pytest.raises(DatabaseError, match="append-only"):
        session.execute(text("DELETE FROM credit_entry"))


def test_a_row_cannot_point_at_another_account(session: Session) -> None:
    mine, theirs = make_account(session), make_account(session)
    foreign_sector = make_sector(session, make_site(session, theirs))
    with pytest.raises(IntegrityError):
        make_keyword(session, foreign_sector, account_id=mine.id)


def test_credits_cannot_go_below_zero(session: Session) -> None:
    account = make_account(session, credits=10)
    session.commit()
    with pytest.raises(IntegrityError):
        session.execute(text("UPDATE account SET credits_balance = -1 WHERE id = :id"), {"id": account.id})
