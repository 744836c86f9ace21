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

INDEX, TABLE = "ix_scheduled_task_to_audit", "scheduled_task"


def upgrade() -> None:
    where = sa.text("credits_used <> 0 OR promised IS NOT NULL OR max_credits IS NOT NULL")
    op.create_index(INDEX, TABLE, ["id"], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index(INDEX, TABLE)
