"""Indexes for what lists are sorted and filtered by: records, the ledger, the audit log.

Revision ID: 0059
Revises: 0058
"""

import sqlalchemy as sa
from alembic import op

revision = '0059'
down_revision = '0058'
branch_labels = None
depends_on = None

IN_USE = 'archived_at IS NULL'
NAMES = {'keyword': 'text', 'cluster': 'name', 'idea': 'title', 'task': 'title', 'content': 'title'}
FIGURES = (('keyword', 'volume'), ('keyword', 'difficulty'), ('task', 'due_on'))
ENTRIES = (
    ('credit_entry', 'kind'),
    ('audit_entry', 'action'),
    ('audit_entry', 'subject_type'),
    ('audit_entry', 'subject_id'),
    ('audit_entry', 'user_id'),
)


def upgrade() -> None:
    for table, name in NAMES.items():
        for column in ('site_id', 'sector_id', name):
            _create(f'ix_{table}_account_id_{column}_id', table, column, IN_USE)
        for column in ('made_by_run_id', 'assignee_id'):
            _create(f'ix_{table}_account_id_{column}_id', table, column, f'{column} IS NOT NULL')
    for table, column in FIGURES:
        _create(f'ix_{table}_account_id_{column}_id', table, column, IN_USE)
    for table, column in ENTRIES:
        op.create_index(f'ix_{table}_account_id_{column}_id', table, ['account_id', column, 'id'])
    _create('ix_audit_entry_api_key', 'audit_entry', 'api_key_id', 'api_key_id IS NOT NULL')


def downgrade() -> None:
    op.drop_index('ix_audit_entry_api_key', 'audit_entry')
    for table, column in (*reversed(ENTRIES), *reversed(FIGURES)):
        op.drop_index(f'ix_{table}_account_id_{column}_id', table)
    for table, name in NAMES.items():
        for column in ('assignee_id', 'made_by_run_id', name, 'sector_id', 'site_id'):
            op.drop_index(f'ix_{table}_account_id_{column}_id', table)


def _create(index: str, table: str, column: str, where: str) -> None:
    op.create_index(
        index,
        table,
        ['account_id', column, 'id'],
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
