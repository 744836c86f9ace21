"""Store the order in which a rule takes records, and for each attempt of a run its own credits.

Existing rules take the oldest records first, as before. Until now an attempt stored the run's total up to its end.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text


revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

attempt = sa.table(
    'run_attempt',
    sa.column('id', Id), sa.column('run_id', Id), sa.column('number', sa.Integer), sa.column('credits_used', sa.Integer),
)


def upgrade() -> None:
    op.add_column('automation_rule', sa.Column('order', Text(64), nullable=False, server_default='oldest'))
    _write(_own_credits)


def downgrade() -> None:
    _write(_running_totals)
    op.drop_column('automation_rule', 'order')


def _write(figures) -> None:
    bind = op.get_bind()
    retried = sa.select(attempt.c.run_id).where(attempt.c.number > 1, attempt.c.credits_used > 0)
    rows = bind.execute(
        sa.select(attempt).where(attempt.c.run_id.in_(retried)).order_by(attempt.c.run_id, attempt.c.number)
    ).all()
    runs: dict[int, list[sa.Row]] = {}
    for row in rows:
        runs.setdefault(row.run_id, []).append(row)
    for tries in runs.values():
        for row, credits in zip(tries, figures([row.credits_used for row in tries]), strict=True):
            bind.execute(sa.update(attempt).where(attempt.c.id == row.id).values(credits_used=credits))


def _own_credits(totals: list[int]) -> list[int]:
    """An attempt of a lost worker stored 0: its credits are included in those of the next attempt."""
    return [max(total - max(totals[:place], default=0), 0) for place, total in enumerate(totals)]


def _running_totals(own: list[int]) -> list[int]:
    return [sum(own[: place + 1]) for place in range(len(own))]
