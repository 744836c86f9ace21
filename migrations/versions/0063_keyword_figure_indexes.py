"""Indexes for keywords sorted by their figures of Search Console.

Revision ID: 0063
Revises: 0062
"""

import sqlalchemy as sa
from alembic import op

revision = '0063'
down_revision = '0062'
branch_labels = None
depends_on = None

FIGURES = ('clicks', 'impressions', 'position')


def upgrade() -> None:
    for column in FIGURES:
        op.create_index(
            f'ix_keyword_account_id_{column}_id',
            'keyword',
            ['account_id', column, 'id'],
            sqlite_where=sa.text('archived_at IS NULL'),
            postgresql_where=sa.text('archived_at IS NULL'),
        )


def downgrade() -> None:
    for column in reversed(FIGURES):
        op.drop_index(f'ix_keyword_account_id_{column}_id', 'keyword')
