"""How a site's keywords are put into clusters, and the model of an AI service that makes vectors.

Revision ID: 0061
Revises: 0060
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Text

revision = '0061'
down_revision = '0060'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('ai_connection', sa.Column('embedding_model', Text(255), server_default='', nullable=False))
    with op.batch_alter_table('site') as table:
        table.add_column(sa.Column('grouping', Text(20), server_default='meaning', nullable=False))
        table.add_column(sa.Column('tightness', Text(20), server_default='usual', nullable=False))
        table.create_check_constraint(
            op.f('ck_site_grouping_known'), "grouping IN ('meaning', 'parent_keyword')"
        )
        table.create_check_constraint(
            op.f('ck_site_tightness_known'), "tightness IN ('loose', 'usual', 'tight')"
        )


def downgrade() -> None:
    with op.batch_alter_table('site') as table:
        table.drop_constraint(op.f('ck_site_tightness_known'), type_='check')
        table.drop_constraint(op.f('ck_site_grouping_known'), type_='check')
        table.drop_column('tightness')
        table.drop_column('grouping')
    op.drop_column('ai_connection', 'embedding_model')
