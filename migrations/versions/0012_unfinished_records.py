"""Record which run left a record unfinished, and which run did a unit that another one took over.

Records that earlier versions marked as handled stay so: the upgrade starts no work.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

IS_UNFINISHED = sa.text('unfinished_run_id IS NOT NULL')


def upgrade() -> None:
    op.add_column('rule_record', sa.Column('unfinished_run_id', Id, nullable=True))
    op.create_index(
        'ix_rule_record_unfinished', 'rule_record', ['rule_id', 'record_type'],
        sqlite_where=IS_UNFINISHED, postgresql_where=IS_UNFINISHED,
    )
    op.add_column('action_run', sa.Column('done_by_run_id', Id, nullable=True))


def downgrade() -> None:
    op.drop_column('action_run', 'done_by_run_id')
    op.drop_index('ix_rule_record_unfinished', table_name='rule_record')
    op.drop_column('rule_record', 'unfinished_run_id')
