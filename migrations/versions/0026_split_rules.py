"""An index of the rules that run once for each site: planning looks at them every 15 seconds.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None

SPLIT = sa.text("split_by = 'site'")


def upgrade() -> None:
    with op.batch_alter_table('automation_rule') as table:
        table.create_index(
            'ix_automation_rule_split', ['account_id'], sqlite_where=SPLIT, postgresql_where=SPLIT
        )


def downgrade() -> None:
    with op.batch_alter_table('automation_rule') as table:
        table.drop_index('ix_automation_rule_split')
