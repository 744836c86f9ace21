"""The posts of articles, and the rule that publishes one for a person.

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = '0039'
down_revision = '0038'
branch_labels = None
depends_on = None

BUILT_IN = sa.text('built_in IS NOT NULL')


def upgrade() -> None:
    op.create_table(
        'publication',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('content_id', Id, nullable=False),
        sa.Column('marker', Text(32), nullable=False),
        sa.Column('slug', Text(200), nullable=False),
        sa.Column('site_url', Text(2000), nullable=False),
        sa.Column('post_id', Id, nullable=True),
        sa.Column('post_url', Text(2000), nullable=False),
        sa.Column('post_status', Text(32), nullable=False),
        sa.Column('remote_hash', Text(64), nullable=False),
        sa.Column('pending_digest', Text(16), nullable=False),
        sa.Column('sent_version', sa.Integer(), nullable=True),
        sa.Column('taken_down_at', UtcDateTime(), nullable=True),
        sa.Column('claim_key', Text(64), nullable=True),
        sa.Column('claim_until', UtcDateTime(), nullable=True),
        sa.Column('run_id', Id, nullable=True),
        sa.Column('updated_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id', 'content_id'],
            ['content.account_id', 'content.id'],
            name=op.f('fk_publication_account_id_content_id_content'),
            ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_publication_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_publication')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_publication_account_id_id')),
        sa.UniqueConstraint('content_id', name=op.f('uq_publication_content_id')),
    )
    op.add_column('automation_rule', sa.Column('built_in', Text(16), nullable=True))
    op.create_index(
        'uq_automation_rule_built_in',
        'automation_rule',
        ['account_id', 'built_in'],
        unique=True,
        sqlite_where=BUILT_IN,
        postgresql_where=BUILT_IN,
    )


def downgrade() -> None:
    op.drop_index('uq_automation_rule_built_in', table_name='automation_rule')
    op.drop_column('automation_rule', 'built_in')
    op.drop_table('publication')
