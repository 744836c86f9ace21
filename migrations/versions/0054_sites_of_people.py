"""The sites that a person sees (null: all, as before), and viewers who may approve articles.

Revision ID: 0054
Revises: 0053
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json

revision = '0054'
down_revision = '0053'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('user', sa.Column('site_ids', Json(), nullable=True))
    op.add_column('user', sa.Column('may_approve', sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column('user', 'may_approve')
    op.drop_column('user', 'site_ids')
