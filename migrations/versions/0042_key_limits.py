"""Scopes, sites, expiry, limits and the address of last use of API keys; keys of before keep all rights of their role.

Revision ID: 0042
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json, Text, UtcDateTime

revision = '0042'
down_revision = '0041'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in _added():
        op.add_column('api_key', column)


def downgrade() -> None:
    for column in reversed(_added()):
        op.drop_column('api_key', column.name)


def _added() -> list[sa.Column]:
    return [
        sa.Column('scopes', Json(), nullable=True),
        sa.Column('site_ids', Json(), nullable=True),
        sa.Column('expires_at', UtcDateTime(), nullable=True),
        sa.Column('requests_per_minute', sa.Integer(), nullable=True),
        sa.Column('changes_per_minute', sa.Integer(), nullable=True),
        sa.Column('used_from', Text(64), nullable=True),
    ]
