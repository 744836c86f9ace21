"""Daily sums of credits, and how far each account's entries are part of them.

They begin empty: until the sweep has added an account's entries, its figures are read from the entries themselves, so
a large ledger holds nobody up here.

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text

revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None

KEY = ('account_id', 'local_day', 'kind', 'rule_id', 'site_id', 'cause')


def upgrade() -> None:
    op.create_table(
        'credit_day',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('local_day', sa.Date(), nullable=False),
        sa.Column('kind', Text(16), nullable=False),
        sa.Column('rule_id', Id, nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('cause', Text(16), nullable=False),
        sa.Column('amount', Id, nullable=False),
        sa.Column('runs', sa.Integer(), nullable=False),
        *_owned('credit_day'),
        sa.UniqueConstraint(*KEY, name=op.f('uq_credit_day_key')),
    )
    op.create_table(
        'credit_day_state',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('zone', Text(64), nullable=False),
        sa.Column('last_entry_id', Id, nullable=False),
        *_owned('credit_day_state'),
        sa.UniqueConstraint('account_id', name=op.f('uq_credit_day_state_account_id')),
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
    op.drop_table('credit_day_state')
    op.drop_table('credit_day')
