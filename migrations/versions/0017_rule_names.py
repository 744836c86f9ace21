"""Make rule names unique in an account, ignoring case and spaces; store the time zone in each schedule.

Of rules with the same name the oldest keeps it, the others become "name (2)" and so on, in a new version and with a
notice. Archived rules keep their names. Schedules without a zone used UTC, and continue to.

Revision ID: 0017
Revises: 0016
"""

from collections import defaultdict
from datetime import UTC, datetime
from itertools import count

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime
from app.business.folding import name_key
from app.infrastructure.schema import protect_history, unprotect_history


revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

LONGEST = 255
KEY = 'rules-renamed'
rule = sa.table(
    'automation_rule',
    sa.column('id', Id), sa.column('account_id', Id), sa.column('name', Text()), sa.column('name_key', Text()),
    sa.column('trigger', Text()), sa.column('split_by', Text()), sa.column('schedule', Json()),
    sa.column('version', sa.Integer), sa.column('archived_at', UtcDateTime()), sa.column('updated_at', UtcDateTime()),
)
version = sa.table(
    'rule_version',
    sa.column('id', Id), sa.column('account_id', Id), sa.column('rule_id', Id), sa.column('version', sa.Integer),
    sa.column('definition', Json()), sa.column('created_by_id', Id), sa.column('created_at', UtcDateTime()),
)
span = sa.table(
    'rule_activation',
    sa.column('rule_id', Id), sa.column('version', sa.Integer), sa.column('to_at', UtcDateTime()),
)
notice = sa.table(
    'notice',
    sa.column('account_id', Id), sa.column('level', Text()), sa.column('title', Text()), sa.column('body', Text()),
    sa.column('key', Text()), sa.column('created_at', UtcDateTime()),
)


def upgrade() -> None:
    op.add_column('automation_rule', sa.Column('name_key', Text(), nullable=False, server_default=''))
    bind, now = op.get_bind(), datetime.now(UTC)
    _write_zones(bind)
    _rename_doubles(bind, now)
    for row in bind.execute(sa.select(rule.c.id, rule.c.name)).all():
        bind.execute(sa.update(rule).where(rule.c.id == row.id).values(name_key=name_key(row.name)))
    op.create_index(
        'uq_automation_rule_name_key', 'automation_rule', ['account_id', 'name_key'], unique=True,
        sqlite_where=sa.text('archived_at IS NULL'), postgresql_where=sa.text('archived_at IS NULL'),
    )
    protect_history(bind)


def downgrade() -> None:
    bind = op.get_bind()
    unprotect_history(bind)
    for row in bind.execute(sa.select(notice).where(notice.c.key == KEY)).all():
        _name_back(bind, row)
    op.drop_index('uq_automation_rule_name_key', table_name='automation_rule')
    op.drop_column('automation_rule', 'name_key')
    protect_history(bind)


def _write_zones(bind: sa.Connection) -> None:
    """Rules split by site may have none: then each site's own zone is used."""
    unprotect_history(bind)
    rules = sa.select(rule.c.id, rule.c.schedule).where(rule.c.trigger == 'schedule', rule.c.split_by != 'site')
    for row in bind.execute(rules).all():
        if 'timezone' not in row.schedule:
            schedule = row.schedule | {'timezone': 'UTC'}
            bind.execute(sa.update(rule).where(rule.c.id == row.id).values(schedule=schedule))
    for row in bind.execute(sa.select(version.c.id, version.c.definition)).all():
        said = row.definition
        if said['trigger'] == 'schedule' and said['split_by'] != 'site' and 'timezone' not in said['schedule']:
            definition = said | {'schedule': said['schedule'] | {'timezone': 'UTC'}}
            bind.execute(sa.update(version).where(version.c.id == row.id).values(definition=definition))


def _rename_doubles(bind: sa.Connection, now: datetime) -> None:
    rows = bind.execute(sa.select(rule).where(rule.c.archived_at.is_(None)).order_by(rule.c.id)).all()
    taken = {(row.account_id, name_key(row.name)) for row in rows}
    seen: set[tuple[int, str]] = set()
    renamed: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        key = (row.account_id, name_key(row.name))
        if key not in seen:
            seen.add(key)
            continue
        name = _free_name(row.account_id, row.name, taken)
        taken.add((row.account_id, name_key(name)))
        _rename(bind, row, name, now)
        renamed[row.account_id].append(f'“{row.name}” (rule {row.id}) is now “{name}”.')
    for account_id, sentences in renamed.items():
        body = ' '.join(['Two rules may no longer be called alike.', *sentences, 'Give them other names as you like.'])
        bind.execute(sa.insert(notice).values(
            account_id=account_id, level='info', title='Rules that were called alike have been renamed', body=body,
            key=KEY, created_at=now,
        ))


def _free_name(account_id: int, name: str, taken: set[tuple[int, str]]) -> str:
    tails = (f' ({number})' for number in count(2))
    names = (name[:LONGEST - len(tail)].rstrip() + tail for tail in tails)
    return next(one for one in names if (account_id, name_key(one)) not in taken)


def _rename(bind: sa.Connection, row: sa.Row, name: str, now: datetime) -> None:
    number = row.version + 1
    said = bind.execute(
        sa.select(version.c.definition).where(version.c.rule_id == row.id, version.c.version == row.version)
    ).scalar_one()
    bind.execute(sa.update(rule).where(rule.c.id == row.id).values(name=name, version=number, updated_at=now))
    bind.execute(sa.insert(version).values(
        account_id=row.account_id, rule_id=row.id, version=number, definition=said | {'name': name}, created_at=now,
    ))
    bind.execute(sa.update(span).where(span.c.rule_id == row.id, span.c.to_at.is_(None)).values(version=number))


def _name_back(bind: sa.Connection, told: sa.Row) -> None:
    """Remove the versions created with this notice, unless somebody has changed the rule since."""
    made = sa.select(version).where(
        version.c.account_id == told.account_id, version.c.created_at == told.created_at,
        version.c.version == sa.select(rule.c.version).where(rule.c.id == version.c.rule_id).scalar_subquery(),
    )
    for row in bind.execute(made).all():
        before = bind.execute(sa.select(version.c.definition).where(
            version.c.rule_id == row.rule_id, version.c.version == row.version - 1
        )).scalar_one()
        values = {'name': before['name'], 'version': row.version - 1}
        bind.execute(sa.update(rule).where(rule.c.id == row.rule_id).values(**values))
        bind.execute(sa.update(span).where(
            span.c.rule_id == row.rule_id, span.c.version == row.version
        ).values(version=row.version - 1))
        bind.execute(sa.delete(version).where(version.c.id == row.id))
    bind.execute(sa.delete(notice).where(notice.c.account_id == told.account_id, notice.c.key == KEY))
