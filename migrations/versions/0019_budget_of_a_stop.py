"""Store the budget that a run waits for, or that stopped it.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json


revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('scheduled_task', sa.Column('budget', Json(), nullable=True))


def downgrade() -> None:
    op.drop_column('scheduled_task', 'budget')
