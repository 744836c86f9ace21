"""The sites that hold all an operation touches, for people who are limited to sites.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json

revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('operation', sa.Column('site_ids', Json(), nullable=True))


def downgrade() -> None:
    op.drop_column('operation', 'site_ids')
