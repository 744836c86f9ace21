"""Every write leaves a hint for its account, whoever writes and however; without a queue server the database says."""

from collections.abc import Callable

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import delete, insert, text, update
from sqlalchemy.orm import Session

from app.business.accounts.models import Account
from app.business.base import AccountOwned, Base, RowValues
from app.business.planner.models import Sector, Site
from app.business.row_sets import update_each
from app.business.upsert import insert_many_new
from app.infrastructure import change_hints
from app.infrastructure.change_hints import SHOWN_NOWHERE, hint_of
from app.infrastructure.database import db, transaction
from app.infrastructure.redis_connection import connect
from tests.factories import NOW, make_account, make_site


@pytest.fixture
def site(session: Session) -> Site:
    made = make_site(session, make_account(session))
    make_account(session)
    session.commit()
    return made


WAYS: dict[str, Callable[[Site], None]] = {}


def way(write: Callable[[Site], None]) -> Callable[[Site], None]:
    WAYS[write.__name__] = write
    return write


@way
def object_changed(site: Site) -> None:
    with transaction() as session:
        session.get_one(Site, site.id).name = "Changed"


@way
def object_removed(site: Site) -> None:
    with transaction() as session:
        session.delete(session.get_one(Site, site.id))


@way
def account_changed(site: Site) -> None:
    with transaction() as session:
        session.execute(update(Account).where(Account.id == site.account_id).values(name="Changed"))


@way
def statement_of_account(site: Site) -> None:
    with transaction() as session:
        session.execute(update(Site).where(Site.account_id == site.account_id).values(name="Changed"))


@way
def many_rows_of_account(site: Site) -> None:
    stamp = {"created_at": NOW, "updated_at": NOW, "account_id": site.account_id, "site_id": site.id}
    rows = [stamp | {"name": name, "name_folded": name} for name in ("one", "two")]
    with transaction() as session:
        insert_many_new(session, Sector, rows, Sector.id)


@way
def each_row_of_account(site: Site) -> None:
    with transaction() as session:
        row: RowValues = {"id": site.id, "account_id": site.account_id, "name": "Changed"}
        assert update_each(session, Site, [row]) == 1


@way
def failed_savepoint_before(site: Site) -> None:
    with transaction() as session:
        try:
            with session.begin_nested():
                session.add(Site(id=site.id, account_id=site.account_id))
        except Exception:
            session.expunge_all()
        session.execute(update(Site).where(Site.account_id == site.account_id).values(name="Changed"))


FOR_EVERYBODY = ("statement_by_id", "plain_sql", "beside_the_session")


@way
def statement_by_id(site: Site) -> None:
    with transaction() as session:
        session.execute(delete(Site).where(Site.id == site.id))


@way
def plain_sql(site: Site) -> None:
    with transaction() as session:
        session.execute(text("UPDATE site SET name = 'Changed' WHERE id = :id"), {"id": site.id})


@way
def beside_the_session(site: Site) -> None:
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE site SET name = 'Changed'")


@pytest.mark.parametrize("name", WAYS)
def test_every_way_to_write_moves_the_account(name: str, site: Site) -> None:
    other = site.account_id + 1
    before, others = hint_of(site.account_id), hint_of(other)
    WAYS[name](site)
    assert hint_of(site.account_id) != before
    assert (hint_of(other) != others) is (name in FOR_EVERYBODY)


def test_rows_of_one_account_in_one_statement(site: Site) -> None:
    before, others = hint_of(site.account_id), hint_of(site.account_id + 1)
    with transaction() as session:
        make_site(session, session.get_one(Account, site.account_id))
        row = {"account_id": site.account_id, "created_at": site.created_at, "updated_at": site.updated_at}
        names = [f"Site {number}" for number in range(3)]
        session.execute(insert(Site), [row | {"name": name, "timezone": "UTC"} for name in names])
    assert hint_of(site.account_id) != before
    assert hint_of(site.account_id + 1) == others


def test_nothing_is_said_of_what_was_rolled_back_or_only_read(site: Site) -> None:
    before = hint_of(site.account_id)
    session = db.session()
    session.execute(update(Site).values(name="Changed"))
    session.rollback()
    session.get(Site, site.id)
    session.commit()
    assert hint_of(site.account_id) == before


def test_a_statement_that_finds_no_row_says_nothing(site: Site) -> None:
    before = hint_of(site.account_id)
    with transaction() as session:
        session.execute(update(Site).where(Site.id == 0).values(name="Changed"))
    assert hint_of(site.account_id) == before


@pytest.fixture
def without_queue_server(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with app.app_context():
        hints = change_hints._hints[db.engine]
    nowhere = app.extensions["settings"].model_copy(update={"redis_url": "unix:///nowhere/valkey.sock"})
    monkeypatch.setattr(hints, "_server", connect(nowhere))


@pytest.mark.usefixtures("without_queue_server")
@pytest.mark.parametrize("name", WAYS)
def test_without_a_queue_server_the_database_says_it(name: str, site: Site) -> None:
    before = hint_of(site.account_id)
    db.session.rollback()
    assert hint_of(site.account_id) == before
    db.session.rollback()
    WAYS[name](site)
    assert hint_of(site.account_id) != before


def test_what_could_not_be_sent_goes_with_the_next(
    site: Site, without_queue_server: None, valkey: Redis
) -> None:
    hints = change_hints._hints[db.engine]
    WAYS["object_changed"](site)
    hints._server = valkey
    hints.send({site.account_id + 1})
    assert valkey.hexists(change_hints.HINTS_KEY, str(site.account_id))


def test_every_table_belongs_to_an_account_or_counts_for_everybody() -> None:
    owned = {
        mapper.class_.__tablename__
        for mapper in Base.registry.mappers
        if issubclass(mapper.class_, AccountOwned)
    }
    of_nobody = {"account", "plan", "process_restart", "passkey_challenge"}
    assert owned | of_nobody == set(Base.metadata.tables)
    assert owned | of_nobody >= SHOWN_NOWHERE
