"""Store a snapshot of the record with each event.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json
from app.infrastructure.schema import protect_history


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('event', sa.Column('snapshot', Json(), nullable=True))
    protect_history(op.get_bind())


def downgrade() -> None:
    op.drop_column('event', 'snapshot')
    protect_history(op.get_bind())
