"""Lead the audit to the runs of which it compares other rows.

Revision ID: 0074
Revises: 0073
"""

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None

TABLE = "scheduled_task"
INDEXES = {
    "ix_scheduled_task_used_credits": "credits_used <> 0",
    "ix_scheduled_task_promised": "promised IS NOT NULL OR max_credits IS NOT NULL",
}


def upgrade() -> None:
    for name, condition in INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, TABLE, ["id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, TABLE)
