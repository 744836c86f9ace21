"""Store when a run that failed because of an outage is retried.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import UtcDateTime


revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

TRIED_AGAIN = sa.text('retry_at IS NOT NULL')


def upgrade() -> None:
    op.add_column('scheduled_task', sa.Column('retry_at', UtcDateTime(), nullable=True))
    op.create_index(
        'ix_scheduled_task_retry', 'scheduled_task', ['account_id', 'retry_at'],
        sqlite_where=TRIED_AGAIN, postgresql_where=TRIED_AGAIN,
    )


def downgrade() -> None:
    op.drop_index('ix_scheduled_task_retry', table_name='scheduled_task')
    op.drop_column('scheduled_task', 'retry_at')
