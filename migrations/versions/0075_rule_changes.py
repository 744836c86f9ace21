"""Changes of rules that wait for a second person, and accounts that ask for one.

Revision ID: 0075
Revises: 0074
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime

revision = '0075'
down_revision = '0074'
branch_labels = None
depends_on = None

TABLE = 'rule_change'
KINDS = "kind IN ('change', 'switch_on', 'make_real')"
STATES = "state IN ('waiting', 'approved', 'sent_back', 'withdrawn', 'outdated')"
PARENTS = {'rule_id': 'automation_rule', 'site_id': 'site', 'proposed_by_id': 'user', 'decided_by_id': 'user'}


def upgrade() -> None:
    op.add_column(
        'account', sa.Column('rule_approval_required', sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        TABLE,
        sa.Column('rule_id', Id, nullable=False),
        sa.Column('site_id', Id, nullable=True),
        sa.Column('base_version', sa.Integer(), nullable=False),
        sa.Column('kind', Text(16), nullable=False),
        sa.Column('definition', Json(), nullable=False),
        sa.Column('note', Text(), nullable=False),
        sa.Column('state', Text(16), nullable=False),
        sa.Column('proposed_by_id', Id, nullable=False),
        sa.Column('api_key_id', Id, nullable=True),
        sa.Column('proposed_at', UtcDateTime(), nullable=False),
        sa.Column('decided_by_id', Id, nullable=True),
        sa.Column('decided_at', UtcDateTime(), nullable=True),
        sa.Column('reason', Text(), nullable=False),
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.CheckConstraint(KINDS, name=op.f('ck_rule_change_kind_known')),
        sa.CheckConstraint(STATES, name=op.f('ck_rule_change_state_known')),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at IS NULL)", name=op.f('ck_rule_change_decided_at_fits')
        ),
        sa.CheckConstraint(
            "state != 'approved' OR (decided_by_id IS NOT NULL AND decided_by_id != proposed_by_id)",
            name=op.f('ck_rule_change_approved_by_another'),
        ),
        *(
            sa.ForeignKeyConstraint(
                ['account_id', column],
                [f'{parent}.account_id', f'{parent}.id'],
                name=op.f(f'fk_rule_change_account_id_{column}_{parent}'),
                ondelete='RESTRICT',
            )
            for column, parent in PARENTS.items()
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_change')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_rule_change_account_id_id')),
    )
    waiting = sa.text("state = 'waiting'")
    partial = {'sqlite_where': waiting, 'postgresql_where': waiting}
    op.create_index('uq_rule_change_waiting', TABLE, ['rule_id'], unique=True, **partial)
    op.create_index('ix_rule_change_to_decide', TABLE, ['account_id', 'id'], **partial)
    op.create_index('ix_rule_change_account_id_rule_id_id', TABLE, ['account_id', 'rule_id', 'id'])


def downgrade() -> None:
    op.drop_table(TABLE)
    op.drop_column('account', 'rule_approval_required')
