"""Count the credits of a run on the day on which it spends them, not on that of its first start.

Runs in progress have reserved credits on the day of their first start: they are released there.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('scheduled_task', sa.Column('budget_day', sa.Date(), nullable=True))
    op.execute("UPDATE scheduled_task SET budget_day = counted_day WHERE status IN ('pending', 'running')")


def downgrade() -> None:
    op.drop_column('scheduled_task', 'budget_day')
