"""Store the run that holds the records which a waiting run needs.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id


revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('scheduled_task', sa.Column('waits_for_run_id', Id, nullable=True))


def downgrade() -> None:
    op.drop_column('scheduled_task', 'waits_for_run_id')
