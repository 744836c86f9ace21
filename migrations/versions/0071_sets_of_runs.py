"""Let sets of runs be written with less: find claimed records by an index, and leave room beside keywords.

With the room PostgreSQL changes a keyword's labels without changing any of its indexes; pages that are full stay so.
Runs of a rule that end together are noted as one change for the daily sums: every migration makes the triggers anew.

Revision ID: 0071
Revises: 0070
"""

import sqlalchemy as sa
from alembic import op

revision = '0071'
down_revision = '0070'
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_claimed = sa.text("state = 'claimed'")
    op.create_index(
        'ix_rule_record_claimed',
        'rule_record',
        ['rule_id', 'record_type'],
        sqlite_where=is_claimed,
        postgresql_where=is_claimed,
    )
    _set_room('SET (fillfactor = 50)')


def downgrade() -> None:
    _set_room('RESET (fillfactor)')
    op.drop_index('ix_rule_record_claimed', 'rule_record')


def _set_room(change: str) -> None:
    if op.get_bind().dialect.name == 'postgresql':
        op.execute(f'ALTER TABLE keyword {change}')
