"""Outbox of events; rules, versions, runs, attempts, units, claims, daily limits.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime
revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('event_batch',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('type', Text(32), nullable=False),
    sa.Column('key', Text(128), nullable=True),
    sa.Column('run_id', Id, nullable=True),
    sa.Column('root_run_id', Id, nullable=True),
    sa.Column('depth', sa.Integer(), nullable=False),
    sa.Column('chain', Json(), nullable=False),
    sa.Column('user_id', Id, nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('closed_at', UtcDateTime(), nullable=True),
    sa.Column('dispatched_at', UtcDateTime(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('not_before', UtcDateTime(), nullable=True),
    sa.Column('dead_at', UtcDateTime(), nullable=True),
    sa.Column('error', Text(), nullable=True),
    sa.CheckConstraint("type IN ('keyword_added', 'cluster_created', 'idea_created', 'task_created', 'content_generated', 'status_changed', 'run_finished', 'credits_granted')", name=op.f('ck_event_batch_type_known')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_event_batch_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_event_batch')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_event_batch_account_id_id')),
    sa.UniqueConstraint('account_id', 'key', name=op.f('uq_event_batch_account_id_key'))
    )
    with op.batch_alter_table('event_batch', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_event_batch_account_id_run_id'), ['account_id', 'run_id'], unique=False)
        batch_op.create_index('ix_event_batch_undispatched', ['closed_at'], unique=False, sqlite_where=sa.text('dispatched_at IS NULL'), postgresql_where=sa.text('dispatched_at IS NULL'))

    op.create_table('event',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('batch_id', Id, nullable=False),
    sa.Column('record_type', Text(16), nullable=False),
    sa.Column('record_id', Id, nullable=False),
    sa.Column('site_id', Id, nullable=True),
    sa.Column('sector_id', Id, nullable=True),
    sa.Column('data', Json(), nullable=True),
    sa.ForeignKeyConstraint(['account_id', 'batch_id'], ['event_batch.account_id', 'event_batch.id'], name=op.f('fk_event_account_id_batch_id_event_batch'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_event_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_event')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_event_account_id_id'))
    )
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_event_batch_id_id'), ['batch_id', 'id'], unique=False)

    op.create_table('automation_rule',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('site_id', Id, nullable=True),
    sa.Column('sector_id', Id, nullable=True),
    sa.Column('name', Text(255), nullable=False),
    sa.Column('description', Text(), nullable=False),
    sa.Column('trigger', Text(50), nullable=False),
    sa.Column('trigger_options', Json(), nullable=False),
    sa.Column('record_type', Text(16), nullable=True),
    sa.Column('conditions', Json(), nullable=False),
    sa.Column('actions', Json(), nullable=False),
    sa.Column('schedule', Json(), nullable=False),
    sa.Column('is_active', sa.Boolean(), nullable=False),
    sa.Column('max_executions_per_day', sa.Integer(), nullable=False),
    sa.Column('credit_limit_per_execution', sa.Integer(), nullable=False),
    sa.Column('record_limit', sa.Integer(), nullable=False),
    sa.Column('record_minimum', sa.Integer(), nullable=False),
    sa.Column('batching', Text(16), nullable=False),
    sa.Column('split_by', Text(16), nullable=False),
    sa.Column('repeat', Text(16), nullable=False),
    sa.Column('repeat_after_days', sa.Integer(), nullable=True),
    sa.Column('overlap', Text(16), nullable=False),
    sa.Column('catch_up', Text(16), nullable=False),
    sa.Column('catch_up_hours', sa.Integer(), nullable=False),
    sa.Column('when_limited', Text(16), nullable=True),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.Column('mode', Text(16), nullable=False),
    sa.Column('monthly_budget', sa.Integer(), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('unplanned_from', UtcDateTime(), nullable=True),
    sa.Column('created_by_id', Id, nullable=True),
    sa.Column('updated_by_id', Id, nullable=True),
    sa.Column('archived_at', UtcDateTime(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("batching IN ('batch', 'each')", name=op.f('ck_automation_rule_batching_known')),
    sa.CheckConstraint("catch_up IN ('latest', 'all', 'none')", name=op.f('ck_automation_rule_catch_up_known')),
    sa.CheckConstraint("mode IN ('live', 'shadow')", name=op.f('ck_automation_rule_mode_known')),
    sa.CheckConstraint("overlap IN ('skip', 'queue', 'allow')", name=op.f('ck_automation_rule_overlap_known')),
    sa.CheckConstraint("repeat IN ('once', 'after_days', 'always')", name=op.f('ck_automation_rule_repeat_known')),
    sa.CheckConstraint("split_by IN ('none', 'site')", name=op.f('ck_automation_rule_split_by_known')),
    sa.CheckConstraint("when_limited IN ('wait', 'skip')", name=op.f('ck_automation_rule_when_limited_known')),
    sa.CheckConstraint('credit_limit_per_execution >= 0', name=op.f('ck_automation_rule_credit_limit_not_negative')),
    sa.CheckConstraint('max_executions_per_day >= 1', name=op.f('ck_automation_rule_daily_limit_positive')),
    sa.ForeignKeyConstraint(['account_id', 'sector_id'], ['sector.account_id', 'sector.id'], name=op.f('fk_automation_rule_account_id_sector_id_sector'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'site_id'], ['site.account_id', 'site.id'], name=op.f('fk_automation_rule_account_id_site_id_site'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_automation_rule_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_automation_rule')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_automation_rule_account_id_id'))
    )
    with op.batch_alter_table('automation_rule', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_automation_rule_account_id_created_at'), ['account_id', 'created_at'], unique=False)
        batch_op.create_index(batch_op.f('ix_automation_rule_account_id_trigger_is_active'), ['account_id', 'trigger', 'is_active'], unique=False)
        batch_op.create_index('ix_automation_rule_unplanned', ['unplanned_from'], unique=False, sqlite_where=sa.text('unplanned_from IS NOT NULL'), postgresql_where=sa.text('unplanned_from IS NOT NULL'))

    op.create_table('batch_delivery',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('batch_id', Id, nullable=False),
    sa.Column('rule_id', Id, nullable=False),
    sa.Column('matched', sa.Integer(), nullable=False),
    sa.Column('unmatched', sa.Integer(), nullable=False),
    sa.Column('runs', sa.Integer(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id', 'batch_id'], ['event_batch.account_id', 'event_batch.id'], name=op.f('fk_batch_delivery_account_id_batch_id_event_batch'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'rule_id'], ['automation_rule.account_id', 'automation_rule.id'], name=op.f('fk_batch_delivery_account_id_rule_id_automation_rule'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_batch_delivery_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_batch_delivery')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_batch_delivery_account_id_id')),
    sa.UniqueConstraint('batch_id', 'rule_id', name=op.f('uq_batch_delivery_batch_id_rule_id'))
    )
    op.create_table('rule_activation',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('rule_id', Id, nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('from_at', UtcDateTime(), nullable=False),
    sa.Column('to_at', UtcDateTime(), nullable=True),
    sa.Column('zones', Json(), nullable=False),
    sa.ForeignKeyConstraint(['account_id', 'rule_id'], ['automation_rule.account_id', 'automation_rule.id'], name=op.f('fk_rule_activation_account_id_rule_id_automation_rule'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_rule_activation_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_activation')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_rule_activation_account_id_id'))
    )
    with op.batch_alter_table('rule_activation', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rule_activation_rule_id_from_at'), ['rule_id', 'from_at'], unique=False)

    op.create_table('rule_day',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('rule_id', Id, nullable=False),
    sa.Column('local_day', sa.Date(), nullable=False),
    sa.Column('split_site_id', Id, nullable=False),
    sa.Column('used', sa.Integer(), nullable=False),
    sa.CheckConstraint('used >= 0', name=op.f('ck_rule_day_used_not_negative')),
    sa.ForeignKeyConstraint(['account_id', 'rule_id'], ['automation_rule.account_id', 'automation_rule.id'], name=op.f('fk_rule_day_account_id_rule_id_automation_rule'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_rule_day_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_day')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_rule_day_account_id_id')),
    sa.UniqueConstraint('rule_id', 'local_day', 'split_site_id', name=op.f('uq_rule_day_rule_id_local_day_split_site_id'))
    )
    op.create_table('rule_draft',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('user_id', Id, nullable=False),
    sa.Column('rule_id', Id, nullable=True),
    sa.Column('version', sa.Integer(), nullable=True),
    sa.Column('steps', Json(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id', 'rule_id'], ['automation_rule.account_id', 'automation_rule.id'], name=op.f('fk_rule_draft_account_id_rule_id_automation_rule'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'user_id'], ['user.account_id', 'user.id'], name=op.f('fk_rule_draft_account_id_user_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_rule_draft_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_draft')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_rule_draft_account_id_id'))
    )
    with op.batch_alter_table('rule_draft', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rule_draft_account_id_user_id'), ['account_id', 'user_id'], unique=False)

    op.create_table('rule_record',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('rule_id', Id, nullable=False),
    sa.Column('record_type', Text(16), nullable=False),
    sa.Column('record_id', Id, nullable=False),
    sa.Column('state', Text(16), nullable=False),
    sa.Column('run_id', Id, nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('handled_at', UtcDateTime(), nullable=True),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("state IN ('claimed', 'handled', 'free', 'set_aside')", name=op.f('ck_rule_record_state_known')),
    sa.ForeignKeyConstraint(['account_id', 'rule_id'], ['automation_rule.account_id', 'automation_rule.id'], name=op.f('fk_rule_record_account_id_rule_id_automation_rule'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_rule_record_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_record')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_rule_record_account_id_id')),
    sa.UniqueConstraint('rule_id', 'record_type', 'record_id', name=op.f('uq_rule_record_rule_id_record_type_record_id'))
    )
    with op.batch_alter_table('rule_record', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rule_record_run_id'), ['run_id'], unique=False)

    op.create_table('rule_version',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('rule_id', Id, nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('definition', Json(), nullable=False),
    sa.Column('created_by_id', Id, nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id', 'rule_id'], ['automation_rule.account_id', 'automation_rule.id'], name=op.f('fk_rule_version_account_id_rule_id_automation_rule'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_rule_version_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rule_version')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_rule_version_account_id_id')),
    sa.UniqueConstraint('rule_id', 'version', name=op.f('uq_rule_version_rule_id_version'))
    )
    op.create_table('scheduled_task',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('automation_rule_id', Id, nullable=False),
    sa.Column('rule_name', Text(255), nullable=False),
    sa.Column('rule_version', sa.Integer(), nullable=False),
    sa.Column('site_id', Id, nullable=True),
    sa.Column('sector_id', Id, nullable=True),
    sa.Column('split_site_id', Id, nullable=False),
    sa.Column('cause', Text(16), nullable=False),
    sa.Column('status', Text(16), nullable=False),
    sa.Column('reason', Text(32), nullable=True),
    sa.Column('waiting_for', Text(16), nullable=True),
    sa.Column('waiting_since', UtcDateTime(), nullable=True),
    sa.Column('credits_needed', sa.Integer(), nullable=True),
    sa.Column('queue', Text(16), nullable=False),
    sa.Column('priority', sa.Integer(), nullable=False),
    sa.Column('scheduled_at', UtcDateTime(), nullable=False),
    sa.Column('not_before', UtcDateTime(), nullable=True),
    sa.Column('started_at', UtcDateTime(), nullable=True),
    sa.Column('admitted_at', UtcDateTime(), nullable=True),
    sa.Column('finished_at', UtcDateTime(), nullable=True),
    sa.Column('cancel_requested_at', UtcDateTime(), nullable=True),
    sa.Column('lease_token', Text(32), nullable=True),
    sa.Column('lease_until', UtcDateTime(), nullable=True),
    sa.Column('worker', Text(128), nullable=True),
    sa.Column('attempt', sa.Integer(), nullable=False),
    sa.Column('rescues', sa.Integer(), nullable=False),
    sa.Column('auto_retries', sa.Integer(), nullable=False),
    sa.Column('counted_day', sa.Date(), nullable=True),
    sa.Column('batch_id', Id, nullable=True),
    sa.Column('part', sa.Integer(), nullable=True),
    sa.Column('follows_id', Id, nullable=True),
    sa.Column('from_step', sa.Integer(), nullable=False),
    sa.Column('request_key', Text(255), nullable=True),
    sa.Column('request_hash', Text(64), nullable=True),
    sa.Column('root_id', Id, nullable=True),
    sa.Column('depth', sa.Integer(), nullable=False),
    sa.Column('user_id', Id, nullable=True),
    sa.Column('api_key_id', Id, nullable=True),
    sa.Column('record_type', Text(16), nullable=True),
    sa.Column('record_count', sa.Integer(), nullable=False),
    sa.Column('credits_used', sa.Integer(), nullable=False),
    sa.Column('result', Json(), nullable=False),
    sa.Column('error_message', Text(), nullable=False),
    sa.Column('count', sa.Integer(), nullable=True),
    sa.Column('first_at', UtcDateTime(), nullable=True),
    sa.Column('last_at', UtcDateTime(), nullable=True),
    sa.CheckConstraint("cause IN ('schedule', 'event', 'manual', 'api', 'backfill')", name=op.f('ck_scheduled_task_cause_known')),
    sa.CheckConstraint("status IN ('pending', 'running', 'completed', 'failed', 'skipped')", name=op.f('ck_scheduled_task_status_known')),
    sa.CheckConstraint('credits_used >= 0', name=op.f('ck_scheduled_task_credits_not_negative')),
    sa.ForeignKeyConstraint(['account_id', 'automation_rule_id'], ['automation_rule.account_id', 'automation_rule.id'], name=op.f('fk_scheduled_task_account_id_automation_rule_id_automation_rule'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_scheduled_task_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_scheduled_task')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_scheduled_task_account_id_id')),
    sa.UniqueConstraint('automation_rule_id', 'request_key', name=op.f('uq_scheduled_task_automation_rule_id_request_key')),
    sa.UniqueConstraint('batch_id', 'automation_rule_id', 'part', name=op.f('uq_scheduled_task_batch_id_automation_rule_id_part')),
    sa.UniqueConstraint('follows_id', name=op.f('uq_scheduled_task_follows_id'))
    )
    with op.batch_alter_table('scheduled_task', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_scheduled_task_account_id_scheduled_at_id'), ['account_id', 'scheduled_at', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_scheduled_task_account_id_status_scheduled_at_id'), ['account_id', 'status', 'scheduled_at', 'id'], unique=False)
        batch_op.create_index('ix_scheduled_task_leased', ['lease_until'], unique=False, sqlite_where=sa.text("status = 'running'"), postgresql_where=sa.text("status = 'running'"))
        batch_op.create_index('ix_scheduled_task_of_rule', ['account_id', 'automation_rule_id', 'status', 'scheduled_at', 'id'], unique=False)
        batch_op.create_index('ix_scheduled_task_ready', ['queue', 'priority', 'scheduled_at', 'id'], unique=False, sqlite_where=sa.text("status = 'pending' AND waiting_for IS NULL"), postgresql_where=sa.text("status = 'pending' AND waiting_for IS NULL"))
        batch_op.create_index('ix_scheduled_task_waiting', ['account_id', 'waiting_for'], unique=False, sqlite_where=sa.text('waiting_for IS NOT NULL'), postgresql_where=sa.text('waiting_for IS NOT NULL'))
        batch_op.create_index('uq_scheduled_task_due', ['automation_rule_id', 'scheduled_at', 'split_site_id'], unique=True, sqlite_where=sa.text("cause = 'schedule' AND follows_id IS NULL"), postgresql_where=sa.text("cause = 'schedule' AND follows_id IS NULL"))
        batch_op.create_index('uq_scheduled_task_one_running', ['automation_rule_id'], unique=True, sqlite_where=sa.text("status = 'running' AND cause IN ('event', 'backfill')"), postgresql_where=sa.text("status = 'running' AND cause IN ('event', 'backfill')"))

    op.create_table('action_run',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('run_id', Id, nullable=False),
    sa.Column('step', sa.Integer(), nullable=False),
    sa.Column('type', Text(32), nullable=False),
    sa.Column('record_type', Text(16), nullable=False),
    sa.Column('record_id', Id, nullable=False),
    sa.Column('status', Text(16), nullable=False),
    sa.Column('provider_key', Text(64), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('records', sa.Integer(), nullable=False),
    sa.Column('made', Json(), nullable=False),
    sa.Column('credits', sa.Integer(), nullable=False),
    sa.Column('message', Text(), nullable=False),
    sa.Column('started_at', UtcDateTime(), nullable=False),
    sa.Column('finished_at', UtcDateTime(), nullable=True),
    sa.CheckConstraint("status IN ('started', 'done', 'left_out', 'failed')", name=op.f('ck_action_run_status_known')),
    sa.ForeignKeyConstraint(['account_id', 'run_id'], ['scheduled_task.account_id', 'scheduled_task.id'], name=op.f('fk_action_run_account_id_run_id_scheduled_task'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_action_run_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_action_run')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_action_run_account_id_id')),
    sa.UniqueConstraint('run_id', 'step', 'record_type', 'record_id', name=op.f('uq_action_run_run_id_step_record_type_record_id'))
    )
    op.create_table('run_attempt',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('run_id', Id, nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('worker', Text(128), nullable=False),
    sa.Column('started_at', UtcDateTime(), nullable=False),
    sa.Column('finished_at', UtcDateTime(), nullable=True),
    sa.Column('status', Text(16), nullable=False),
    sa.Column('reason', Text(32), nullable=True),
    sa.Column('error_message', Text(), nullable=False),
    sa.Column('credits_used', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id', 'run_id'], ['scheduled_task.account_id', 'scheduled_task.id'], name=op.f('fk_run_attempt_account_id_run_id_scheduled_task'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_run_attempt_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_run_attempt')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_run_attempt_account_id_id')),
    sa.UniqueConstraint('run_id', 'number', name=op.f('uq_run_attempt_run_id_number'))
    )
    op.create_table('run_detail',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('run_id', Id, nullable=False),
    sa.Column('chain', Json(), nullable=False),
    sa.Column('records', Json(), nullable=True),
    sa.Column('options', Json(), nullable=False),
    sa.Column('gates', Json(), nullable=False),
    sa.Column('trace', Json(), nullable=True),
    sa.Column('error_detail', Text(), nullable=False),
    sa.ForeignKeyConstraint(['account_id', 'run_id'], ['scheduled_task.account_id', 'scheduled_task.id'], name=op.f('fk_run_detail_account_id_run_id_scheduled_task'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_run_detail_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_run_detail')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_run_detail_account_id_id')),
    sa.UniqueConstraint('run_id', name=op.f('uq_run_detail_run_id'))
    )


def downgrade() -> None:
    op.drop_table('run_detail')
    op.drop_table('run_attempt')
    op.drop_table('action_run')
    with op.batch_alter_table('scheduled_task', schema=None) as batch_op:
        batch_op.drop_index('uq_scheduled_task_one_running', sqlite_where=sa.text("status = 'running' AND cause IN ('event', 'backfill')"), postgresql_where=sa.text("status = 'running' AND cause IN ('event', 'backfill')"))
        batch_op.drop_index('uq_scheduled_task_due', sqlite_where=sa.text("cause = 'schedule' AND follows_id IS NULL"), postgresql_where=sa.text("cause = 'schedule' AND follows_id IS NULL"))
        batch_op.drop_index('ix_scheduled_task_waiting', sqlite_where=sa.text('waiting_for IS NOT NULL'), postgresql_where=sa.text('waiting_for IS NOT NULL'))
        batch_op.drop_index('ix_scheduled_task_ready', sqlite_where=sa.text("status = 'pending' AND waiting_for IS NULL"), postgresql_where=sa.text("status = 'pending' AND waiting_for IS NULL"))
        batch_op.drop_index('ix_scheduled_task_of_rule')
        batch_op.drop_index('ix_scheduled_task_leased', sqlite_where=sa.text("status = 'running'"), postgresql_where=sa.text("status = 'running'"))
        batch_op.drop_index(batch_op.f('ix_scheduled_task_account_id_status_scheduled_at_id'))
        batch_op.drop_index(batch_op.f('ix_scheduled_task_account_id_scheduled_at_id'))

    op.drop_table('scheduled_task')
    op.drop_table('rule_version')
    with op.batch_alter_table('rule_record', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rule_record_run_id'))

    op.drop_table('rule_record')
    with op.batch_alter_table('rule_draft', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rule_draft_account_id_user_id'))

    op.drop_table('rule_draft')
    op.drop_table('rule_day')
    with op.batch_alter_table('rule_activation', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_rule_activation_rule_id_from_at'))

    op.drop_table('rule_activation')
    op.drop_table('batch_delivery')
    with op.batch_alter_table('automation_rule', schema=None) as batch_op:
        batch_op.drop_index('ix_automation_rule_unplanned', sqlite_where=sa.text('unplanned_from IS NOT NULL'), postgresql_where=sa.text('unplanned_from IS NOT NULL'))
        batch_op.drop_index(batch_op.f('ix_automation_rule_account_id_trigger_is_active'))
        batch_op.drop_index(batch_op.f('ix_automation_rule_account_id_created_at'))

    op.drop_table('automation_rule')
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_event_batch_id_id'))

    op.drop_table('event')
    with op.batch_alter_table('event_batch', schema=None) as batch_op:
        batch_op.drop_index('ix_event_batch_undispatched', sqlite_where=sa.text('dispatched_at IS NULL'), postgresql_where=sa.text('dispatched_at IS NULL'))
        batch_op.drop_index(batch_op.f('ix_event_batch_account_id_run_id'))

    op.drop_table('event_batch')
