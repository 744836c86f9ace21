"""What AI services were asked and what it cost: with each unit, and for each month.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime
from app.business.outlets.models import Micros

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None

OPEN = sa.text('is_open')
FIGURES = ('spent', 'held', 'tokens_in', 'tokens_out')


def upgrade() -> None:
    for name, length in (('model', 255), ('prompt_version', 32)):
        op.add_column('action_run', sa.Column(name, Text(length), nullable=False, server_default=''))
    for name in ('tokens_in', 'tokens_out'):
        op.add_column('action_run', sa.Column(name, sa.Integer(), nullable=False, server_default='0'))
    op.add_column('action_run', sa.Column('ai_cost', Id, nullable=True))
    _create_spend()
    _create_reservation()


def _create_spend() -> None:
    op.create_table(
        'ai_spend',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('period', Text(7), nullable=False),
        *(sa.Column(name, Micros, nullable=False) for name in FIGURES),
        sa.CheckConstraint('spent >= 0 AND held >= 0', name=op.f('ck_ai_spend_not_negative')),
        *_owned('ai_spend'),
        sa.UniqueConstraint('account_id', 'period', name=op.f('uq_ai_spend_account_id_period')),
    )


def _create_reservation() -> None:
    op.create_table(
        'ai_reservation',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('key', Text(64), nullable=False),
        sa.Column('period', Text(7), nullable=False),
        sa.Column('amount', Micros, nullable=False),
        sa.Column('is_open', sa.Boolean(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.CheckConstraint('amount >= 0', name=op.f('ck_ai_reservation_not_negative')),
        *_owned('ai_reservation'),
        sa.UniqueConstraint('account_id', 'key', name=op.f('uq_ai_reservation_account_id_key')),
    )
    with op.batch_alter_table('ai_reservation') as table:
        table.create_index(
            'ix_ai_reservation_open', ['account_id', 'created_at'], sqlite_where=OPEN, postgresql_where=OPEN
        )


def _owned(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f(f'fk_{table}_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('account_id', 'id', name=op.f(f'uq_{table}_account_id_id')),
    )


def downgrade() -> None:
    op.drop_table('ai_reservation')
    op.drop_table('ai_spend')
    for name in ('ai_cost', 'tokens_out', 'tokens_in', 'prompt_version', 'model'):
        op.drop_column('action_run', name)
