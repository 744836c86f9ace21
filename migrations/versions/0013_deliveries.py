"""Give each delivery of a batch to a rule its own state, attempts and back-off.

Batches that failed as a whole are delivered again, because no rule has received them.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime


revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

NOT_DONE = sa.text("state <> 'done'")


def upgrade() -> None:
    with op.batch_alter_table('batch_delivery') as table:
        table.add_column(sa.Column('state', Text(16), nullable=False, server_default='done'))
        table.add_column(sa.Column('attempts', sa.Integer(), nullable=False, server_default='0'))
        table.add_column(sa.Column('not_before', UtcDateTime(), nullable=True))
        table.add_column(sa.Column('error', Text(), nullable=True))
        table.add_column(sa.Column('run_id', Id, nullable=True))
        table.create_check_constraint(op.f('ck_batch_delivery_state_known'), "state IN ('pending', 'done', 'failed')")
        table.create_index(
            'ix_batch_delivery_open', ['state', 'not_before'], sqlite_where=NOT_DONE, postgresql_where=NOT_DONE
        )
    op.execute('UPDATE event_batch SET attempts = 0, not_before = NULL, error = NULL WHERE dead_at IS NOT NULL')
    op.drop_column('event_batch', 'dead_at')


def downgrade() -> None:
    op.add_column('event_batch', sa.Column('dead_at', UtcDateTime(), nullable=True))
    with op.batch_alter_table('batch_delivery') as table:
        table.drop_index('ix_batch_delivery_open')
        table.drop_constraint(op.f('ck_batch_delivery_state_known'), type_='check')
        for column in ('run_id', 'error', 'not_before', 'attempts', 'state'):
            table.drop_column(column)
