"""How many articles a site publishes in a day.

Revision ID: 0040
Revises: 0039
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id

revision = '0040'
down_revision = '0039'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'publishing_day',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('local_day', sa.Date(), nullable=False),
        sa.Column('used', sa.Integer(), nullable=False),
        sa.CheckConstraint('used >= 0', name=op.f('ck_publishing_day_used_not_negative')),
        sa.ForeignKeyConstraint(
            ['account_id', 'site_id'],
            ['site.account_id', 'site.id'],
            name=op.f('fk_publishing_day_account_id_site_id_site'),
            ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_publishing_day_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_publishing_day')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_publishing_day_account_id_id')),
        sa.UniqueConstraint('site_id', 'local_day', name=op.f('uq_publishing_day_site_id_local_day')),
    )
    op.add_column('publication', sa.Column('counted_on', sa.Date(), nullable=True))


def downgrade() -> None:
    op.drop_column('publication', 'counted_on')
    op.drop_table('publishing_day')
