"""Indexes of the runs that wait: those of a rule in the order of their turn, and those of a kind by the time they end.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None

WAITS = sa.text('waiting_for IS NOT NULL')
INDEXES = {
    'ix_scheduled_task_waiting_of_rule': (
        'automation_rule_id', 'waiting_for', 'waits_for_run_id', 'priority', 'scheduled_at', 'id',
    ),
    'ix_scheduled_task_waiting_until': ('waiting_for', 'not_before'),
}  # fmt: skip


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.create_index(name, 'scheduled_task', list(columns), sqlite_where=WAITS, postgresql_where=WAITS)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, table_name='scheduled_task')
