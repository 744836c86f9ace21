"""When a scheduled post becomes public.

Revision ID: 0053
Revises: 0052
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import UtcDateTime

revision = '0053'
down_revision = '0052'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('publication', sa.Column('scheduled_for', UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column('publication', 'scheduled_for')
