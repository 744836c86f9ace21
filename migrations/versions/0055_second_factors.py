"""Second factors with their recovery codes, sessions that wait for a code, and accounts that require it of everybody.

Revision ID: 0055
Revises: 0054
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = '0055'
down_revision = '0054'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'second_factor',
        *_of_a_person(),
        sa.Column('secret_sealed', Text(), nullable=False),
        sa.Column('last_step', sa.Integer(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.UniqueConstraint('user_id', name=op.f('uq_second_factor_user_id')),
        *_owned('second_factor'),
    )
    op.create_table(
        'recovery_code',
        *_of_a_person(),
        sa.Column('code_hash', Text(64), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.UniqueConstraint('user_id', 'code_hash', name=op.f('uq_recovery_code_user_id_code_hash')),
        *_owned('recovery_code'),
    )
    for table, column in (('user_session', 'is_waiting'), ('account', 'second_factor_required')):
        op.add_column(table, sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.false()))


def _of_a_person() -> tuple[sa.Column, ...]:
    return tuple(sa.Column(name, Id, nullable=False) for name in ('id', 'account_id', 'user_id'))


def _owned(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ['account_id', 'user_id'], ['user.account_id', 'user.id'],
            name=op.f(f'fk_{table}_account_id_user_id_user'), ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f(f'fk_{table}_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('account_id', 'id', name=op.f(f'uq_{table}_account_id_id')),
    )


def downgrade() -> None:
    op.drop_column('account', 'second_factor_required')
    # Who has given only the password must not be signed in by the code of before.
    op.execute('DELETE FROM user_session WHERE is_waiting')
    op.drop_column('user_session', 'is_waiting')
    op.drop_table('recovery_code')
    op.drop_table('second_factor')
