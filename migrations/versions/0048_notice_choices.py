"""Keep how people want to be told of things, and the report that each account gets once a day.

Revision ID: 0048
Revises: 0047
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime

revision = '0048'
down_revision = '0047'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'notice_choice',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('user_id', Id, nullable=False),
        sa.Column('kind', Text(32), nullable=False),
        sa.Column('site_id', Id, nullable=False),
        sa.Column('way', Text(16), nullable=False),
        sa.CheckConstraint(
            "way IN ('console', 'mail', 'digest', 'off')", name=op.f('ck_notice_choice_way_known')
        ),
        sa.ForeignKeyConstraint(
            ['account_id', 'user_id'], ['user.account_id', 'user.id'],
            name=op.f('fk_notice_choice_account_id_user_id_user'), ondelete='RESTRICT',
        ),
        sa.UniqueConstraint(
            'account_id', 'user_id', 'kind', 'site_id',
            name=op.f('uq_notice_choice_account_id_user_id_kind_site_id'),
        ),
        *_owned('notice_choice'),
    )
    op.create_table(
        'daily_report',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('on', sa.Date(), nullable=False),
        sa.Column('since', UtcDateTime(), nullable=False),
        sa.Column('facts', Json(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.UniqueConstraint('account_id', 'on', name=op.f('uq_daily_report_account_id_on')),
        *_owned('daily_report'),
    )


def _owned(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f(f'fk_{table}_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('account_id', 'id', name=op.f(f'uq_{table}_account_id_id')),
    )


def downgrade() -> None:
    op.drop_table('daily_report')
    op.drop_table('notice_choice')
