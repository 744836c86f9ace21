"""Filters that people keep under a name, for themselves or for their account.

Revision ID: 0058
Revises: 0057
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = '0058'
down_revision = '0057'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'saved_filter',
        sa.Column('user_id', Id, nullable=False),
        sa.Column('page', Text(32), nullable=False),
        sa.Column('name', Text(80), nullable=False),
        sa.Column('query', Text(2000), nullable=False),
        sa.Column('is_shared', sa.Boolean(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id', 'user_id'],
            ['user.account_id', 'user.id'],
            name=op.f('fk_saved_filter_account_id_user_id_user'),
            ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_saved_filter_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_filter')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_saved_filter_account_id_id')),
        sa.UniqueConstraint(
            'account_id', 'user_id', 'page', 'name', name=op.f('uq_saved_filter_account_id_user_id_page_name')
        ),
    )


def downgrade() -> None:
    op.drop_table('saved_filter')
