"""The plan of a delivery whose runs are opened in several transactions.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json

revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('batch_delivery', sa.Column('planned', Json, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table('batch_delivery') as table:
        table.drop_column('planned')
