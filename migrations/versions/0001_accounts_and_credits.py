"""Accounts, people, sessions, keys, audit log, notices; plans, credit ledger, holds, budgets.

Revision ID: 0001
Revises: 
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime
revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('plan',
    sa.Column('id', Id, nullable=False),
    sa.Column('code', Text(32), nullable=False),
    sa.Column('name', Text(64), nullable=False),
    sa.Column('monthly_credits', sa.Integer(), nullable=False),
    sa.Column('shortest_interval_minutes', sa.Integer(), nullable=False),
    sa.Column('most_runs_per_day', sa.Integer(), nullable=False),
    sa.Column('members', sa.Integer(), nullable=False),
    sa.Column('rollover', Text(8), nullable=False),
    sa.Column('rollover_cap', sa.Integer(), nullable=True),
    sa.CheckConstraint("rollover IN ('add', 'reset', 'cap')", name=op.f('ck_plan_rollover_known')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_plan')),
    sa.UniqueConstraint('code', name=op.f('uq_plan_code'))
    )
    op.create_table('account',
    sa.Column('id', Id, nullable=False),
    sa.Column('name', Text(255), nullable=False),
    sa.Column('status', Text(20), nullable=False),
    sa.Column('timezone', Text(64), nullable=False),
    sa.Column('plan_id', Id, nullable=True),
    sa.Column('is_demo', sa.Boolean(), nullable=False),
    sa.Column('credits_balance', sa.Integer(), nullable=False),
    sa.Column('credits_held', sa.Integer(), nullable=False),
    sa.Column('daily_ceiling', sa.Integer(), nullable=True),
    sa.Column('operator_credit_limit', sa.Integer(), nullable=False),
    sa.Column('paused_at', UtcDateTime(), nullable=True),
    sa.Column('paused_by_id', Id, nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("status IN ('active', 'suspended', 'closed')", name=op.f('ck_account_status_known')),
    sa.CheckConstraint('credits_balance >= 0', name=op.f('ck_account_balance_not_negative')),
    sa.CheckConstraint('credits_held >= 0 AND credits_held <= credits_balance', name=op.f('ck_account_held_within_balance')),
    sa.ForeignKeyConstraint(['plan_id'], ['plan.id'], name=op.f('fk_account_plan_id_plan'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_account'))
    )
    op.create_table('audit_entry',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('user_id', Id, nullable=True),
    sa.Column('api_key_id', Id, nullable=True),
    sa.Column('action', Text(64), nullable=False),
    sa.Column('subject_type', Text(64), nullable=False),
    sa.Column('subject_id', Id, nullable=True),
    sa.Column('data', Json(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_audit_entry_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entry')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_audit_entry_account_id_id'))
    )
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_entry_account_id_created_at'), ['account_id', 'created_at'], unique=False)

    op.create_table('credit_entry',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('kind', Text(16), nullable=False),
    sa.Column('amount', sa.Integer(), nullable=False),
    sa.Column('balance_after', sa.Integer(), nullable=False),
    sa.Column('key', Text(128), nullable=False),
    sa.Column('reason', Text(255), nullable=False),
    sa.Column('run_id', Id, nullable=True),
    sa.Column('user_id', Id, nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("kind IN ('grant', 'charge', 'refund', 'adjust', 'expiry')", name=op.f('ck_credit_entry_kind_known')),
    sa.CheckConstraint('balance_after >= 0', name=op.f('ck_credit_entry_balance_not_negative')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_credit_entry_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_credit_entry')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_credit_entry_account_id_id')),
    sa.UniqueConstraint('account_id', 'key', name=op.f('uq_credit_entry_account_id_key'))
    )
    with op.batch_alter_table('credit_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_credit_entry_account_id_created_at'), ['account_id', 'created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_credit_entry_account_id_run_id'), ['account_id', 'run_id'], unique=False)

    op.create_table('credit_hold',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('run_id', Id, nullable=False),
    sa.Column('amount', sa.Integer(), nullable=False),
    sa.Column('posted', sa.Integer(), nullable=False),
    sa.Column('state', Text(8), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('closed_at', UtcDateTime(), nullable=True),
    sa.CheckConstraint("state IN ('open', 'closed')", name=op.f('ck_credit_hold_state_known')),
    sa.CheckConstraint('posted >= 0 AND posted <= amount', name=op.f('ck_credit_hold_posted_within_amount')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_credit_hold_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_credit_hold')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_credit_hold_account_id_id')),
    sa.UniqueConstraint('run_id', name=op.f('uq_credit_hold_run_id'))
    )
    op.create_table('notice',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('user_id', Id, nullable=True),
    sa.Column('role', Text(20), nullable=True),
    sa.Column('level', Text(20), nullable=False),
    sa.Column('title', Text(255), nullable=False),
    sa.Column('body', Text(), nullable=False),
    sa.Column('key', Text(128), nullable=True),
    sa.Column('run_id', Id, nullable=True),
    sa.Column('rule_id', Id, nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('read_at', UtcDateTime(), nullable=True),
    sa.CheckConstraint("level IN ('info', 'warning', 'danger')", name=op.f('ck_notice_level_known')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_notice_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_notice_account_id_id')),
    sa.UniqueConstraint('account_id', 'key', name=op.f('uq_notice_account_id_key'))
    )
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_notice_account_id_created_at'), ['account_id', 'created_at'], unique=False)

    op.create_table('spend_counter',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('scope', Text(8), nullable=False),
    sa.Column('scope_id', Id, nullable=False),
    sa.Column('period', Text(10), nullable=False),
    sa.Column('spent', sa.Integer(), nullable=False),
    sa.Column('held', sa.Integer(), nullable=False),
    sa.CheckConstraint("scope IN ('account', 'site', 'rule')", name=op.f('ck_spend_counter_scope_known')),
    sa.CheckConstraint('spent >= 0 AND held >= 0', name=op.f('ck_spend_counter_not_negative')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_spend_counter_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_spend_counter')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_spend_counter_account_id_id')),
    sa.UniqueConstraint('account_id', 'scope', 'scope_id', 'period', name=op.f('uq_spend_counter_account_id_scope_scope_id_period'))
    )
    op.create_table('user',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('email', Text(255), nullable=False),
    sa.Column('name', Text(255), nullable=False),
    sa.Column('password_hash', Text(255), nullable=True),
    sa.Column('role', Text(20), nullable=False),
    sa.Column('timezone', Text(64), nullable=True),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('signed_in_at', UtcDateTime(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("role IN ('viewer', 'operator', 'editor', 'owner')", name=op.f('ck_user_role_known')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_user_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_user_account_id_id')),
    sa.UniqueConstraint('email', name=op.f('uq_user_email'))
    )
    op.create_table('api_key',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('user_id', Id, nullable=False),
    sa.Column('name', Text(255), nullable=False),
    sa.Column('prefix', Text(16), nullable=False),
    sa.Column('key_hash', Text(64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('used_at', UtcDateTime(), nullable=True),
    sa.Column('revoked_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['account_id', 'user_id'], ['user.account_id', 'user.id'], name=op.f('fk_api_key_account_id_user_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_api_key_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_key')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_api_key_account_id_id')),
    sa.UniqueConstraint('key_hash', name=op.f('uq_api_key_key_hash'))
    )
    op.create_table('user_session',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('user_id', Id, nullable=False),
    sa.Column('token_hash', Text(64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('seen_at', UtcDateTime(), nullable=False),
    sa.Column('user_agent', Text(255), nullable=False),
    sa.ForeignKeyConstraint(['account_id', 'user_id'], ['user.account_id', 'user.id'], name=op.f('fk_user_session_account_id_user_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_user_session_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_user_session')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_user_session_account_id_id')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_user_session_token_hash'))
    )
    op.create_table('welcome_link',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('user_id', Id, nullable=False),
    sa.Column('token_hash', Text(64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.Column('used_at', UtcDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['account_id', 'user_id'], ['user.account_id', 'user.id'], name=op.f('fk_welcome_link_account_id_user_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_welcome_link_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_welcome_link')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_welcome_link_account_id_id')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_welcome_link_token_hash'))
    )


def downgrade() -> None:
    op.drop_table('welcome_link')
    op.drop_table('user_session')
    op.drop_table('api_key')
    op.drop_table('user')
    op.drop_table('spend_counter')
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_notice_account_id_created_at'))

    op.drop_table('notice')
    op.drop_table('credit_hold')
    with op.batch_alter_table('credit_entry', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_credit_entry_account_id_run_id'))
        batch_op.drop_index(batch_op.f('ix_credit_entry_account_id_created_at'))

    op.drop_table('credit_entry')
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_audit_entry_account_id_created_at'))

    op.drop_table('audit_entry')
    op.drop_table('account')
    op.drop_table('plan')
