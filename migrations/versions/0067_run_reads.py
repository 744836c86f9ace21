"""Answer a second filter of runs from the index of the first, and filters by credits from one of charged runs.

Revision ID: 0067
Revises: 0066
"""

import sqlalchemy as sa
from alembic import op

revision = '0067'
down_revision = '0066'
branch_labels = None
depends_on = None

OF_STATUS = ('status', 'scheduled_at', 'id')
FILTERS = {
    'of_rule': (('automation_rule_id', *OF_STATUS), ('site_id', 'cause', 'reason', 'user_id')),
    'cause': (('cause', *OF_STATUS), ('automation_rule_id', 'site_id', 'reason')),
    'site': (('site_id', *OF_STATUS), ('automation_rule_id', 'cause', 'reason', 'user_id')),
    'user': (('user_id', 'scheduled_at', 'id'), ('status', 'automation_rule_id', 'site_id', 'reason')),
}


def upgrade() -> None:
    for name, (columns, more) in FILTERS.items():
        op.drop_index(f'ix_scheduled_task_{name}', 'scheduled_task')
        _create(name, (*columns, *more), 'user_id IS NOT NULL' if name == 'user' else None)
    _create('charged', ('scheduled_at', 'id', 'credits_used'), 'credits_used > 0')


def downgrade() -> None:
    op.drop_index('ix_scheduled_task_charged', 'scheduled_task')
    for name, (columns, _more) in FILTERS.items():
        op.drop_index(f'ix_scheduled_task_{name}', 'scheduled_task')
        _create(name, columns, 'user_id IS NOT NULL' if name == 'user' else None)


def _create(name: str, columns: tuple[str, ...], where: str | None) -> None:
    partial = {} if where is None else {f'{kind}_where': sa.text(where) for kind in ('sqlite', 'postgresql')}
    op.create_index(f'ix_scheduled_task_{name}', 'scheduled_task', ['account_id', *columns], **partial)
