"""An index in which the first due runs of each account are found without reading the others.

Revision ID: 0060
Revises: 0059
"""

import sqlalchemy as sa
from alembic import op

revision = '0060'
down_revision = '0059'
branch_labels = None
depends_on = None

NAME, PENDING = 'ix_scheduled_task_in_turn', sa.text("status = 'pending' AND waiting_for IS NULL")


def upgrade() -> None:
    columns = ['queue', 'account_id', 'priority', 'scheduled_at', 'id']
    op.create_index(NAME, 'scheduled_task', columns, sqlite_where=PENDING, postgresql_where=PENDING)


def downgrade() -> None:
    op.drop_index(NAME, 'scheduled_task')
