"""Minutes that a person takes for a record, by its type, where an account's are not the usual ones.

Revision ID: 0052
Revises: 0051
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json

revision = '0052'
down_revision = '0051'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('account', sa.Column('minutes_saved', Json(), nullable=True))


def downgrade() -> None:
    op.drop_column('account', 'minutes_saved')
