"""The address from which each signed-in browser was seen last; of sessions of before it is not known.

Revision ID: 0053
Revises: 0052
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Text

revision = '0053'
down_revision = '0052'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('user_session', sa.Column('seen_from', Text(64), nullable=False, server_default=''))


def downgrade() -> None:
    op.drop_column('user_session', 'seen_from')
