"""Drop the foreign keys to the account of rows that another key ties to it: a row of the same account, by both ids.

SQLite keeps a table's constraints nowhere but in the text of its definition. That text is changed as SQLite describes
("Making Other Kinds Of Table Schema Changes"), because to rebuild the largest tables would take minutes: no row, index
or trigger is touched.

Revision ID: 0072
Revises: 0071
"""

import re
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = '0072'
down_revision = '0071'
branch_labels = None
depends_on = None

TABLES = (
    'action_run', 'api_key', 'api_request', 'batch_delivery', 'cluster', 'cluster_centre', 'content', 'content_share',
    'content_version', 'event', 'form_request', 'idea', 'incident_failure', 'keyword', 'keyword_import',
    'keyword_import_rows', 'notice_choice', 'publication', 'publishing_day', 'recovery_code', 'rule_activation',
    'rule_day', 'rule_draft', 'rule_failure', 'rule_record', 'rule_rhythm', 'rule_version', 'run_attempt', 'run_detail',
    'saved_filter', 'scheduled_task', 'second_factor', 'sector', 'sector_cut', 'task', 'unit_part', 'upload',
    'user_session', 'webhook_delivery', 'welcome_link', 'wordpress_connection',
)


def upgrade() -> None:
    if op.get_bind().dialect.name == 'sqlite':
        _redefine(_without_key)
    else:
        for table in TABLES:
            op.drop_constraint(_name(table), table, type_='foreignkey')


def downgrade() -> None:
    if op.get_bind().dialect.name == 'sqlite':
        _redefine(_with_key)
    else:
        for table in TABLES:
            op.create_foreign_key(_name(table), table, 'account', ['account_id'], ['id'], ondelete='RESTRICT')


def _name(table: str) -> str:
    return f'fk_{table}_account_id_account'


def _redefine(change: Callable[[str, str], str]) -> None:
    bind, master = op.get_bind(), sa.table('sqlite_master', *map(sa.column, ('type', 'name', 'sql')))
    is_table = sa.and_(master.c.type == 'table', master.c.name.in_(TABLES))
    known = bind.execute(sa.select(master.c.name, master.c.sql).where(is_table)).all()
    changed = {table: change(table, definition) for table, definition in known}
    version = bind.scalar(sa.text('PRAGMA schema_version'))
    bind.execute(sa.text('PRAGMA writable_schema = ON'))
    for table, definition in changed.items():
        bind.execute(sa.update(master).where(is_table, master.c.name == table).values(sql=definition))
    # Every connection reads the definitions anew.
    bind.execute(sa.text(f'PRAGMA schema_version = {version + 1}'))
    bind.execute(sa.text('PRAGMA writable_schema = RESET'))


def _without_key(table: str, definition: str) -> str:
    changed, found = re.subn(rf',\s*{re.escape(_key(table))}', '', definition)
    if found != 1:
        raise RuntimeError(f'{table} is defined with {found} foreign keys {_name(table)}, instead of one')
    return changed


def _with_key(table: str, definition: str) -> str:
    return f'{definition.removesuffix(")").rstrip()}, \n\t{_key(table)}\n)'


def _key(table: str) -> str:
    return f'CONSTRAINT {_name(table)} FOREIGN KEY(account_id) REFERENCES account (id) ON DELETE RESTRICT'
