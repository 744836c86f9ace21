"""Add versions of sites, sectors and records, and store every version of an article's text.

The text of an existing article is stored when it is first changed. A keyword with status new belongs to no cluster.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

EDITED = ('site', 'sector', 'keyword', 'cluster', 'idea', 'task', 'content')


def upgrade() -> None:
    for table in EDITED:
        op.add_column(table, sa.Column('version', sa.Integer(), nullable=False, server_default='1'))
    op.execute("UPDATE keyword SET cluster_id = NULL WHERE status = 'new' AND cluster_id IS NOT NULL")
    op.create_table(
        'content_version',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('content_id', Id, nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('title', Text(255), nullable=False),
        sa.Column('html', Text(), nullable=False),
        sa.Column('meta_title', Text(255), nullable=False),
        sa.Column('meta_description', Text(512), nullable=False),
        sa.Column('word_count', sa.Integer(), nullable=False),
        sa.Column('user_id', Id, nullable=True),
        sa.Column('run_id', Id, nullable=True),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id', 'content_id'], ['content.account_id', 'content.id'],
            name=op.f('fk_content_version_account_id_content_id_content'), ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_content_version_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_content_version')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_content_version_account_id_id')),
        sa.UniqueConstraint('content_id', 'number', name=op.f('uq_content_version_content_id_number')),
    )


def downgrade() -> None:
    op.drop_table('content_version')
    for table in reversed(EDITED):
        op.drop_column(table, 'version')
