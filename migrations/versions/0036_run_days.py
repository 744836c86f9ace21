"""Numbers of ended runs by day, with the changes that are still to be added to them.

The sums begin empty: the sweep counts the runs day by day, from the newest to the oldest, and until it has come far
enough, figures are read from the runs themselves. Triggers note what ends meanwhile; they are created with the others,
after the migrations.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime
from app.infrastructure.run_triggers import drop_run_triggers

revision = '0036'
down_revision = '0035'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'run_day',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('local_day', sa.Date(), nullable=False),
        *_ended(),
        *_owned('run_day'),
        sa.UniqueConstraint(
            'account_id', 'local_day', 'site_id', 'status', 'reason', name=op.f('uq_run_day_key')
        ),
    )
    op.create_table(
        'run_day_state',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('zone', Text(64), nullable=False),
        sa.Column('since_day', sa.Date(), nullable=False),
        *_owned('run_day_state'),
        sa.UniqueConstraint('account_id', name=op.f('uq_run_day_state_account_id')),
    )
    op.create_table(
        'run_change',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('scheduled_at', UtcDateTime(), nullable=False),
        *_ended(),
        *_owned('run_change'),
    )


def _ended() -> tuple[sa.Column, ...]:
    return (
        sa.Column('site_id', Id, nullable=False),
        sa.Column('status', Text(16), nullable=False),
        sa.Column('reason', Text(32), nullable=False),
        sa.Column('runs', sa.Integer(), nullable=False),
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
    drop_run_triggers(op.get_bind())
    for table in ('run_change', 'run_day_state', 'run_day'):
        op.drop_table(table)
