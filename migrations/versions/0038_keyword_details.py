"""Keep what keyword tools say beside the figures: all intents, parent keyword, traffic potential, SERP features and match
type.

Known keywords keep their one intent as the only one.

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Json, Text


revision = '0038'
down_revision = '0037'
branch_labels = None
depends_on = None

LISTS = ('intents', 'serp_features')
TEXTS = {'parent_keyword': 255, 'match_type': 64}


def upgrade() -> None:
    for name in LISTS:
        op.add_column('keyword', sa.Column(name, Json(), nullable=False, server_default='[]'))
        op.add_column('keyword', sa.Column(f'{name}_folded', Json(), nullable=False, server_default='[]'))
    for name, length in TEXTS.items():
        op.add_column('keyword', sa.Column(name, Text(length), nullable=False, server_default=''))
        op.add_column('keyword', sa.Column(f'{name}_folded', Text(), nullable=False, server_default=''))
    op.add_column('keyword', sa.Column('traffic_potential', sa.Integer(), nullable=True))
    keyword = sa.table('keyword', sa.column('intent'), sa.column('intents', Json()), sa.column('intents_folded', Json()))
    for intent in ('informational', 'navigational', 'commercial', 'transactional'):
        only = keyword.update().where(keyword.c.intent == intent)
        op.execute(only.values(intents=[intent], intents_folded=[intent]))


def downgrade() -> None:
    op.drop_column('keyword', 'traffic_potential')
    for name in reversed((*LISTS, *TEXTS)):
        op.drop_column('keyword', f'{name}_folded')
        op.drop_column('keyword', name)
