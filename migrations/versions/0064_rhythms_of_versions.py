"""Work out anew when a rule's silence is unusual after each change of the rule.

Revision ID: 0064
Revises: 0063
"""

import sqlalchemy as sa
from alembic import op

revision = '0064'
down_revision = '0063'
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 0: of no version, so each is worked out anew.
    op.add_column('rule_rhythm', sa.Column('rule_version', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('rule_rhythm', 'rule_version')
