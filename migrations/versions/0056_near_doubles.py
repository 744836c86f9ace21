"""How many ideas a unit did not make because they would compete with other pages.

Revision ID: 0056
Revises: 0055
"""

import sqlalchemy as sa
from alembic import op

revision = '0056'
down_revision = '0055'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('action_run', sa.Column('near_doubles', sa.Integer(), server_default='0', nullable=False))


def downgrade() -> None:
    op.drop_column('action_run', 'near_doubles')
