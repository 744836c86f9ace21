"""Store the keys of forms that start something; each key is used once.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime


revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'form_request',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('user_id', Id, nullable=False),
        sa.Column('key', Text(64), nullable=False),
        sa.Column('location', Text(2000), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id', 'user_id'], ['user.account_id', 'user.id'],
            name=op.f('fk_form_request_account_id_user_id_user'), ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_form_request_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_form_request')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_form_request_account_id_id')),
        sa.UniqueConstraint('account_id', 'key', name=op.f('uq_form_request_account_id_key')),
    )
    with op.batch_alter_table('form_request') as batch:
        batch.create_index('ix_form_request_account_id_created_at', ['account_id', 'created_at'])


def downgrade() -> None:
    op.drop_table('form_request')
