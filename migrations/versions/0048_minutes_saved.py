"""Minutes that a person takes for a record, by its type, where an account's are not the usual ones.

Revision ID: 0048
Revises: 0047
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json

revision = '0048'
down_revision = '0047'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('account', sa.Column('minutes_saved', Json(), nullable=True))


def downgrade() -> None:
    op.drop_column('account', 'minutes_saved')
