"""Operations: long work that people request and observe.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime
from app.infrastructure.schema import protect_history

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('pending', 'running')")


def upgrade() -> None:
    op.create_table(
        'operation',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('kind', Text(32), nullable=False),
        sa.Column('params', Json(), nullable=False),
        sa.Column('state', Text(16), nullable=False),
        sa.Column('done', sa.Integer(), nullable=False),
        sa.Column('total', sa.Integer(), nullable=True),
        sa.Column('result', Json(), nullable=False),
        sa.Column('error_message', Text(), nullable=False),
        sa.Column('user_id', Id, nullable=True),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('lease_token', Text(32), nullable=True),
        sa.Column('lease_until', UtcDateTime(), nullable=True),
        sa.Column('cancel_requested_at', UtcDateTime(), nullable=True),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('started_at', UtcDateTime(), nullable=True),
        sa.Column('finished_at', UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'running', 'done', 'failed', 'cancelled')", name=op.f('ck_operation_state_known')
        ),
        sa.ForeignKeyConstraint(
            ['account_id', 'user_id'], ['user.account_id', 'user.id'],
            name=op.f('fk_operation_account_id_user_id_user'), ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_operation_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_operation')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_operation_account_id_id')),
    )
    with op.batch_alter_table('operation') as table:
        table.create_index('ix_operation_account_id_kind_id', ['account_id', 'kind', 'id'])
        table.create_index('ix_operation_open', ['state', 'id'], sqlite_where=OPEN, postgresql_where=OPEN)
    protect_history(op.get_bind())


def downgrade() -> None:
    op.drop_table('operation')
    protect_history(op.get_bind())
