"""When a scheduled post becomes public.

Revision ID: 0061
Revises: 0060
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import UtcDateTime

revision = '0061'
down_revision = '0060'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('publication', sa.Column('scheduled_for', UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column('publication', 'scheduled_for')
