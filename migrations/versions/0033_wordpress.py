"""The WordPress of a site.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime

revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'wordpress_connection',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('url', Text(2000), nullable=False),
        sa.Column('username', Text(255), nullable=False),
        sa.Column('password_sealed', Text(), nullable=False),
        sa.Column('default_status', Text(16), nullable=False),
        sa.Column('categories', Json(), nullable=False),
        sa.Column('author', Text(255), nullable=False),
        sa.Column('max_per_day', sa.Integer(), nullable=True),
        sa.Column('tested_at', UtcDateTime(), nullable=True),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('updated_at', UtcDateTime(), nullable=False),
        sa.Column('version', sa.Integer(), server_default='1', nullable=False),
        sa.CheckConstraint(
            "default_status IN ('draft', 'publish')", name=op.f('ck_wordpress_connection_default_status_known')
        ),
        sa.CheckConstraint('max_per_day >= 1', name=op.f('ck_wordpress_connection_max_per_day_positive')),
        sa.ForeignKeyConstraint(
            ['account_id', 'site_id'],
            ['site.account_id', 'site.id'],
            name=op.f('fk_wordpress_connection_account_id_site_id_site'),
            ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'],
            ['account.id'],
            name=op.f('fk_wordpress_connection_account_id_account'),
            ondelete='RESTRICT',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_wordpress_connection')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_wordpress_connection_account_id_id')),
        sa.UniqueConstraint('site_id', name=op.f('uq_wordpress_connection_site_id')),
    )


def downgrade() -> None:
    op.drop_table('wordpress_connection')
