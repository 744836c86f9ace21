"""The AI services of accounts.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime
from app.business.outlets.models import Micros

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'ai_connection',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('base_url', Text(2000), nullable=False),
        sa.Column('api_key_sealed', Text(), nullable=False),
        sa.Column('model', Text(255), nullable=False),
        sa.Column('article_model', Text(255), nullable=False),
        *(sa.Column(name, Micros, nullable=True) for name in ('price_in', 'price_out', 'monthly_limit')),
        sa.Column('mode', Text(16), nullable=True),
        sa.Column('tested_at', UtcDateTime(), nullable=True),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('updated_at', UtcDateTime(), nullable=False),
        sa.Column('version', sa.Integer(), server_default='1', nullable=False),
        sa.CheckConstraint(
            "mode IN ('json_schema', 'json_object', 'plain')", name=op.f('ck_ai_connection_mode_known')
        ),
        sa.CheckConstraint(
            'price_in >= 0 AND price_out >= 0 AND monthly_limit >= 0', name=op.f('ck_ai_connection_not_negative')
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_ai_connection_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_ai_connection')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_ai_connection_account_id_id')),
        sa.UniqueConstraint('account_id', name=op.f('uq_ai_connection_account_id')),
    )


def downgrade() -> None:
    op.drop_table('ai_connection')
