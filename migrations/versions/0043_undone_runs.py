"""Keep which operation undoes a run, and up to which version only its maker has changed a record.

Records that are here keep version 1: those changed since count as changed by others.

Revision ID: 0043
Revises: 0042
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id

revision = '0043'
down_revision = '0042'
branch_labels = None
depends_on = None

RECORDS = ('keyword', 'cluster', 'idea', 'task', 'content')


def upgrade() -> None:
    for table in RECORDS:
        op.add_column(table, sa.Column('made_version', sa.Integer(), nullable=False, server_default='1'))
    op.add_column('scheduled_task', sa.Column('undo_id', Id, nullable=True))


def downgrade() -> None:
    op.drop_column('scheduled_task', 'undo_id')
    for table in reversed(RECORDS):
        op.drop_column(table, 'made_version')
