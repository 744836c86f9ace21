"""Switch off rules that keep failing: the number of failures in a row that are allowed, and that occurred.

Existing rules stop after the default of five, counted from now on.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('automation_rule', sa.Column('stop_after_failures', sa.Integer(), nullable=False, server_default='5'))
    op.add_column('automation_rule', sa.Column('failures_in_a_row', sa.Integer(), nullable=False, server_default='0'))
    op.add_column('automation_rule', sa.Column('failing_since', UtcDateTime(), nullable=True))
    op.add_column('automation_rule', sa.Column('stopped_at', UtcDateTime(), nullable=True))
    op.create_table(
        'rule_failure',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('rule_id', Id, nullable=False),
        sa.Column('start_key', Text(64), nullable=False),
        sa.Column('run_id', Id, nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(['account_id', 'rule_id'], ['automation_rule.account_id', 'automation_rule.id'], name=op.f('fk_rule_failure_account_id_rule_id_automation_rule'), ondelete='RESTRICT'),
        sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_rule_failure_account_id_account'), ondelete='RESTRICT'),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_failure')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_rule_failure_account_id_id')),
        sa.UniqueConstraint('rule_id', 'start_key', name=op.f('uq_rule_failure_rule_id_start_key')),
    )


def downgrade() -> None:
    op.drop_table('rule_failure')
    for column in ('stopped_at', 'failing_since', 'failures_in_a_row', 'stop_after_failures'):
        op.drop_column('automation_rule', column)
