"""Links by which people without a sign-in read one article.

Revision ID: 0057
Revises: 0056
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = '0057'
down_revision = '0056'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'content_share',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('content_id', Id, nullable=False),
        sa.Column('token_hash', Text(64), nullable=False),
        sa.Column('created_by_id', Id, nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('expires_at', UtcDateTime(), nullable=False),
        sa.Column('revoked_at', UtcDateTime(), nullable=True),
        sa.Column('opened_at', UtcDateTime(), nullable=True),
        sa.Column('openings', sa.Integer(), nullable=False, server_default='0'),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'],
            name=op.f('fk_content_share_account_id_account'), ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id', 'content_id'], ['content.account_id', 'content.id'],
            name=op.f('fk_content_share_account_id_content_id_content'), ondelete='RESTRICT',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_content_share')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_content_share_account_id_id')),
        sa.UniqueConstraint('token_hash', name=op.f('uq_content_share_token_hash')),
    )
    op.create_index(op.f('ix_content_share_content_id'), 'content_share', ['content_id'])


def downgrade() -> None:
    op.drop_table('content_share')
