"""Link runs to their start: the first run of a chain, the chain's credit limit, and the promised records.

Runs of earlier versions belong to no start, have no limit in total and no promised records.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

FOLLOWS_A_START = sa.text('start_id IS NOT NULL')


def upgrade() -> None:
    op.add_column('scheduled_task', sa.Column('start_id', Id, nullable=True))
    op.add_column('scheduled_task', sa.Column('max_credits', sa.Integer(), nullable=True))
    op.add_column('scheduled_task', sa.Column('promised', sa.Integer(), nullable=True))
    op.add_column('scheduled_task', sa.Column('left_out', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('scheduled_task', sa.Column('remaining', sa.Integer(), nullable=False, server_default='0'))
    op.create_index(
        'ix_scheduled_task_start', 'scheduled_task', ['start_id'],
        sqlite_where=FOLLOWS_A_START, postgresql_where=FOLLOWS_A_START,
    )
    op.add_column('run_detail', sa.Column('start_records', Json(), nullable=True))


def downgrade() -> None:
    op.drop_column('run_detail', 'start_records')
    op.drop_index('ix_scheduled_task_start', table_name='scheduled_task')
    for name in ('remaining', 'left_out', 'promised', 'max_credits', 'start_id'):
        op.drop_column('scheduled_task', name)
