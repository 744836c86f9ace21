"""Numbers of ended runs by rule, and by how late they started and how long they took.

All daily sums begin empty again: days are those of each account's zone, which the database cannot tell, and a year of
runs is no work for one transaction. The sweep counts the runs day by day, from the newest to the oldest; until it has
come far enough, figures are read from the runs themselves, as after 0036.

Revision ID: 0068
Revises: 0067
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime
from app.infrastructure.run_triggers import drop_run_triggers

revision = '0068'
down_revision = '0067'
branch_labels = None
depends_on = None


def upgrade() -> None:
    _begin_anew()
    op.create_table(
        'run_change',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('scheduled_at', UtcDateTime(), nullable=False),
        sa.Column('rule_id', Id, nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('status', Text(16), nullable=False),
        sa.Column('reason', Text(32), nullable=False),
        sa.Column('late', sa.Integer(), nullable=False),
        sa.Column('took', sa.Integer(), nullable=False),
        sa.Column('runs', sa.Integer(), nullable=False),
        *_owned('run_change'),
    )
    op.create_table(
        'rule_run_day',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('rule_id', Id, nullable=False),
        sa.Column('local_day', sa.Date(), nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('status', Text(16), nullable=False),
        sa.Column('runs', sa.Integer(), nullable=False),
        *_owned('rule_run_day'),
        sa.UniqueConstraint(
            'account_id', 'rule_id', 'local_day', 'site_id', 'status', name=op.f('uq_rule_run_day_key')
        ),
    )
    op.create_table(
        'run_pace_day',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('local_day', sa.Date(), nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('late', sa.Integer(), nullable=False),
        sa.Column('took', sa.Integer(), nullable=False),
        sa.Column('runs', sa.Integer(), nullable=False),
        *_owned('run_pace_day'),
        sa.UniqueConstraint(
            'account_id', 'local_day', 'site_id', 'late', 'took', name=op.f('uq_run_pace_day_key')
        ),
    )


def downgrade() -> None:
    _begin_anew()
    op.drop_table('run_pace_day')
    op.drop_table('rule_run_day')
    op.create_table(
        'run_change',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('scheduled_at', UtcDateTime(), nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('status', Text(16), nullable=False),
        sa.Column('reason', Text(32), nullable=False),
        sa.Column('runs', sa.Integer(), nullable=False),
        *_owned('run_change'),
    )


def _begin_anew() -> None:
    """Without the triggers, which are created again after the migrations."""
    drop_run_triggers(op.get_bind())
    op.drop_table('run_change')
    for table in ('run_day', 'run_day_state'):
        op.execute(f'DELETE FROM {table}')


def _owned(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f(f'fk_{table}_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('account_id', 'id', name=op.f(f'uq_{table}_account_id_id')),
    )
