"""Count runs by status, and find charged ones by status, from indexes alone; find what nobody did in the audit log.

Revision ID: 0069
Revises: 0068
"""

import sqlalchemy as sa
from alembic import op

revision = '0069'
down_revision = '0068'
branch_labels = None
depends_on = None

OF_RUNS = ('scheduled_at', 'id')
CHARGED = (*OF_RUNS, 'credits_used')


def upgrade() -> None:
    op.drop_index('ix_scheduled_task_account_id_status_scheduled_at_id', 'scheduled_task')
    op.drop_index('ix_scheduled_task_charged', 'scheduled_task')
    _create('status', ('status', *OF_RUNS, 'undo_id', 'site_id', 'reason'))
    _create('charged', (*CHARGED, 'status', 'automation_rule_id', 'site_id'), 'credits_used > 0')
    _create('charged_status', ('status', *CHARGED, 'automation_rule_id', 'site_id'), 'credits_used > 0')
    _create('rule_cause', ('automation_rule_id', 'cause', 'status', *OF_RUNS, 'site_id', 'reason'), "cause != 'event'")
    by_nobody = sa.text('user_id IS NULL')
    op.create_index(
        'ix_audit_entry_by_nobody',
        'audit_entry',
        ['account_id', 'user_id', 'id'],
        sqlite_where=by_nobody,
        postgresql_where=by_nobody,
    )


def downgrade() -> None:
    op.drop_index('ix_audit_entry_by_nobody', 'audit_entry')
    for name in ('rule_cause', 'charged_status', 'charged', 'status'):
        op.drop_index(f'ix_scheduled_task_{name}', 'scheduled_task')
    _create('charged', CHARGED, 'credits_used > 0')
    _create('account_id_status_scheduled_at_id', ('status', *OF_RUNS))


def _create(name: str, columns: tuple[str, ...], where: str | None = None) -> None:
    partial = {} if where is None else {f'{kind}_where': sa.text(where) for kind in ('sqlite', 'postgresql')}
    op.create_index(f'ix_scheduled_task_{name}', 'scheduled_task', ['account_id', *columns], **partial)
