"""Store the keys of API requests that act, with their answers; each key is used once.

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = '0041'
down_revision = '0040'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'api_request',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('user_id', Id, nullable=False),
        sa.Column('key', Text(255), nullable=False),
        sa.Column('fingerprint', Text(64), nullable=False),
        sa.Column('sealed', Text(), nullable=True),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id', 'user_id'], ['user.account_id', 'user.id'],
            name=op.f('fk_api_request_account_id_user_id_user'), ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_api_request_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_api_request')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_api_request_account_id_id')),
        sa.UniqueConstraint(
            'account_id', 'user_id', 'key', name=op.f('uq_api_request_account_id_user_id_key')
        ),
    )
    with op.batch_alter_table('api_request') as batch:
        batch.create_index('ix_api_request_account_id_created_at', ['account_id', 'created_at'])


def downgrade() -> None:
    op.drop_table('api_request')
