"""Keep when each rule was last started by events, and from how many credits on people are told of a chain of runs.

Revision ID: 0049
Revises: 0048
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, UtcDateTime

revision = '0049'
down_revision = '0048'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'rule_rhythm',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('rule_id', Id, nullable=False),
        sa.Column('last_event_at', UtcDateTime(), nullable=False),
        sa.Column('usual_by', UtcDateTime(), nullable=True),
        sa.Column('silent_from', UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['account_id', 'rule_id'], ['automation_rule.account_id', 'automation_rule.id'],
            name=op.f('fk_rule_rhythm_account_id_rule_id_automation_rule'), ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_rule_rhythm_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_rhythm')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_rule_rhythm_account_id_id')),
        sa.UniqueConstraint('rule_id', name=op.f('uq_rule_rhythm_rule_id')),
    )
    op.add_column('account', sa.Column('chain_notice_credits', sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column('account', 'chain_notice_credits')
    op.drop_table('rule_rhythm')
