"""When a scheduled post becomes public.

Revision ID: 0062
Revises: 0061
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import UtcDateTime

revision = '0062'
down_revision = '0061'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('publication', sa.Column('scheduled_for', UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column('publication', 'scheduled_for')
