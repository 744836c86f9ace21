"""Indexes for lists of runs by what started them, and by the reason for which they failed or were skipped.

Revision ID: 0029
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = '0029'
down_revision = '0027'
branch_labels = None
depends_on = None

WITH_REASON = sa.text('reason IS NOT NULL')


def upgrade() -> None:
    op.create_index(
        'ix_scheduled_task_cause', 'scheduled_task', ['account_id', 'cause', 'status', 'scheduled_at', 'id']
    )
    op.create_index(
        'ix_scheduled_task_reason',
        'scheduled_task',
        ['account_id', 'status', 'reason', 'scheduled_at', 'id'],
        sqlite_where=WITH_REASON,
        postgresql_where=WITH_REASON,
    )


def downgrade() -> None:
    for name in ('ix_scheduled_task_reason', 'ix_scheduled_task_cause'):
        op.drop_index(name, 'scheduled_task')
