"""Store which processes had to be restarted, when and why.

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime


revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'process_restart',
        sa.Column('id', Id, nullable=False),
        sa.Column('process', Text(64), nullable=False),
        sa.Column('host', Text(255), nullable=False),
        sa.Column('pid', sa.Integer(), nullable=False),
        sa.Column('cause', Text(255), nullable=False),
        sa.Column('ended_at', UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_process_restart')),
    )
    op.create_index('ix_process_restart_ended_at', 'process_restart', ['ended_at'])


def downgrade() -> None:
    op.drop_table('process_restart')
