"""Keep a score with articles, and a profile with sites by which articles are written.

Known articles have no score until they are saved or checked again.

Revision ID: 0044
Revises: 0043
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json, Text

revision = '0044'
down_revision = '0043'
branch_labels = None
depends_on = None

LISTS = ('checks_failed', 'checks_failed_folded', 'checks')
PROFILE = ('about', 'audience', 'tone', 'call_to_action', 'facts')


def upgrade() -> None:
    op.add_column('content', sa.Column('score', sa.Integer(), nullable=True))
    for name in LISTS:
        op.add_column('content', sa.Column(name, Json(), nullable=False, server_default='[]'))
    for name in PROFILE:
        op.add_column('site', sa.Column(name, Text(), nullable=False, server_default=''))
    op.add_column('site', sa.Column('words_to_avoid', Json(), nullable=False, server_default='[]'))


def downgrade() -> None:
    for name in ('words_to_avoid', *reversed(PROFILE)):
        op.drop_column('site', name)
    for name in (*reversed(LISTS), 'score'):
        op.drop_column('content', name)
