"""Keep archived records: since when, and indexes and unique keyword texts of the records in use only.

Going back deletes nothing: what was archived is in use again. Of keywords with the same text the one in use keeps it,
the archived ones are given their number.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import UtcDateTime


revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

RECORDS = ('keyword', 'cluster', 'idea', 'task', 'content')
IN_USE = sa.text('archived_at IS NULL')
LISTS = (('account_id', 'status', 'id'), ('account_id', 'site_id', 'status', 'id'))
INDEXES = (*((table, columns) for table in RECORDS for columns in LISTS), ('keyword', ('account_id', 'status', 'volume')))
TEXTS = (('uq_keyword_site_id_text', ['site_id', 'text']), ('uq_keyword_site_id_text_key', ['site_id', 'text_key']))

# SQLite rebuilds the table, and does not read these from it.
CHECKS = (
    sa.CheckConstraint("status IN ('new', 'clustered', 'ignored')", name='ck_keyword_status_known'),
    sa.CheckConstraint('volume >= 0', name='ck_keyword_volume_not_negative'),
)


def upgrade() -> None:
    for table in RECORDS:
        op.add_column(table, sa.Column('archived_at', UtcDateTime(), nullable=True))
    op.drop_index('uq_keyword_site_id_text_key', table_name='keyword')
    with op.batch_alter_table('keyword', table_args=CHECKS) as keyword:
        keyword.drop_constraint(op.f('uq_keyword_site_id_text'), type_='unique')
    for name, columns in TEXTS:
        op.create_index(name, 'keyword', columns, unique=True, sqlite_where=IN_USE, postgresql_where=IN_USE)
    _index(sqlite_where=IN_USE, postgresql_where=IN_USE)


def downgrade() -> None:
    for name, columns in TEXTS:
        op.drop_index(name, table_name='keyword')
    _tell_apart()
    with op.batch_alter_table('keyword', table_args=CHECKS) as keyword:
        keyword.create_unique_constraint(op.f('uq_keyword_site_id_text'), ['site_id', 'text'])
    op.create_index('uq_keyword_site_id_text_key', 'keyword', ['site_id', 'text_key'], unique=True)
    _index()
    for table in reversed(RECORDS):
        op.drop_column(table, 'archived_at')


def _index(**predicate: sa.TextClause) -> None:
    for table, columns in INDEXES:
        name = f"ix_{table}_{'_'.join(columns)}"
        op.drop_index(name, table_name=table)
        op.create_index(name, table, list(columns), **predicate)


def _tell_apart() -> None:
    """Two keywords of a site cannot have the same text, nor the same fold of it, any more."""
    numbered = "text = substr(text, 1, 230) || ' ' || id, text_folded = text_folded || ' ' || id, text_key = text_folded || ' ' || id"
    for column, change in (('text', numbered), ('text_key', "text_key = text_key || '\n' || id")):
        op.execute(
            f'UPDATE keyword SET {change} WHERE archived_at IS NOT NULL AND EXISTS ('
            f'SELECT 1 FROM keyword AS other WHERE other.site_id = keyword.site_id'
            f' AND other.{column} = keyword.{column} AND other.id <> keyword.id)'
        )
