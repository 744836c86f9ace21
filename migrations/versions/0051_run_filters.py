"""Indexes for the filters of runs by site and by the person who started them.

Revision ID: 0051
Revises: 0050
"""

from alembic import op
from sqlalchemy import text

revision = '0051'
down_revision = '0050'
branch_labels = None
depends_on = None

OF_PEOPLE = text('user_id IS NOT NULL')


def upgrade() -> None:
    op.create_index(
        'ix_scheduled_task_site', 'scheduled_task', ['account_id', 'site_id', 'status', 'scheduled_at', 'id']
    )
    op.create_index(
        'ix_scheduled_task_user',
        'scheduled_task',
        ['account_id', 'user_id', 'scheduled_at', 'id'],
        sqlite_where=OF_PEOPLE,
        postgresql_where=OF_PEOPLE,
    )


def downgrade() -> None:
    for name in ('ix_scheduled_task_user', 'ix_scheduled_task_site'):
        op.drop_index(name, 'scheduled_task')
