"""Credits by action and by the site in whose month they count; runs of a site by their cause.

The daily sums of credits begin empty again, as after 0035: until the sweep has added an account's entries, its figures are read from the
entries themselves.

Revision ID: 0070
Revises: 0069
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text

revision = '0070'
down_revision = '0069'
branch_labels = None
depends_on = None

KEY = ('account_id', 'local_day', 'kind', 'rule_id', 'site_id', 'cause')


def upgrade() -> None:
    _create('action_run', 'charged', ('provider_key',), 'credits > 0')
    of_runs = ('status', 'scheduled_at', 'id', 'reason')
    _create('scheduled_task', 'site_cause', ('site_id', 'cause', *of_runs), "cause != 'event'")
    _begin_anew((sa.Column('action', Text(32), nullable=False),))


def downgrade() -> None:
    _begin_anew(())
    op.drop_index('ix_scheduled_task_site_cause', 'scheduled_task')
    op.drop_index('ix_action_run_charged', 'action_run')


def _create(table: str, name: str, columns: tuple[str, ...], where: str) -> None:
    partial = {f'{kind}_where': sa.text(where) for kind in ('sqlite', 'postgresql')}
    op.create_index(f'ix_{table}_{name}', table, ['account_id', *columns], **partial)


def _begin_anew(more: tuple[sa.Column[str], ...]) -> None:
    op.execute('DELETE FROM credit_day_state')
    op.drop_table('credit_day')
    op.create_table(
        'credit_day',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('local_day', sa.Date(), nullable=False),
        sa.Column('kind', Text(16), nullable=False),
        sa.Column('rule_id', Id, nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('cause', Text(16), nullable=False),
        *more,
        sa.Column('amount', Id, nullable=False),
        sa.Column('runs', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id'],
            ['account.id'],
            name=op.f('fk_credit_day_account_id_account'),
            ondelete='RESTRICT',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_credit_day')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_credit_day_account_id_id')),
        sa.UniqueConstraint(*KEY, *(column.name for column in more), name=op.f('uq_credit_day_key')),
    )
