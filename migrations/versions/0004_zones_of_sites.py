"""Spans of rules know their sites' time zones.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json
revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Rules that are split by site are planned anew, with their zones, at the next sweep.
    with op.batch_alter_table('rule_activation', schema=None) as batch_op:
        batch_op.add_column(sa.Column('zones', Json(), nullable=False, server_default='{}'))


def downgrade() -> None:
    with op.batch_alter_table('rule_activation', schema=None) as batch_op:
        batch_op.drop_column('zones')
