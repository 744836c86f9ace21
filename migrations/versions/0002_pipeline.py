"""Sites, sectors, keywords, clusters, ideas, tasks, content.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime
revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('site',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('name', Text(255), nullable=False),
    sa.Column('url', Text(2000), nullable=False),
    sa.Column('timezone', Text(64), nullable=True),
    sa.Column('language', Text(16), nullable=False),
    sa.Column('status', Text(20), nullable=False),
    sa.Column('monthly_budget', sa.Integer(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("status IN ('active', 'paused')", name=op.f('ck_site_status_known')),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_site_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_site')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_site_account_id_id'))
    )
    op.create_table('sector',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('site_id', Id, nullable=False),
    sa.Column('name', Text(255), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['account_id', 'site_id'], ['site.account_id', 'site.id'], name=op.f('fk_sector_account_id_site_id_site'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_sector_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_sector')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_sector_account_id_id')),
    sa.UniqueConstraint('site_id', 'name', name=op.f('uq_sector_site_id_name'))
    )
    op.create_table('cluster',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('name', Text(255), nullable=False),
    sa.Column('main_keyword', Text(255), nullable=False),
    sa.Column('main_intent', Text(20), nullable=True),
    sa.Column('site_id', Id, nullable=False),
    sa.Column('sector_id', Id, nullable=False),
    sa.Column('status', Text(20), nullable=False),
    sa.Column('status_since', UtcDateTime(), nullable=False),
    sa.Column('labels', Json(), nullable=False),
    sa.Column('note', Text(), nullable=False),
    sa.Column('assignee_id', Id, nullable=True),
    sa.Column('made_by_run_id', Id, nullable=True),
    sa.Column('made_key', Text(128), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("status IN ('new', 'planned', 'done')", name=op.f('ck_cluster_status_known')),
    sa.ForeignKeyConstraint(['account_id', 'assignee_id'], ['user.account_id', 'user.id'], name=op.f('fk_cluster_account_id_assignee_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'sector_id'], ['sector.account_id', 'sector.id'], name=op.f('fk_cluster_account_id_sector_id_sector'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'site_id'], ['site.account_id', 'site.id'], name=op.f('fk_cluster_account_id_site_id_site'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_cluster_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cluster')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_cluster_account_id_id')),
    sa.UniqueConstraint('account_id', 'made_key', name=op.f('uq_cluster_account_id_made_key'))
    )
    with op.batch_alter_table('cluster', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_cluster_account_id_site_id_status_id'), ['account_id', 'site_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_cluster_account_id_status_id'), ['account_id', 'status', 'id'], unique=False)

    op.create_table('idea',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('cluster_id', Id, nullable=True),
    sa.Column('title', Text(255), nullable=False),
    sa.Column('description', Text(), nullable=False),
    sa.Column('content_type', Text(32), nullable=False),
    sa.Column('main_keyword', Text(255), nullable=False),
    sa.Column('site_id', Id, nullable=False),
    sa.Column('sector_id', Id, nullable=False),
    sa.Column('status', Text(20), nullable=False),
    sa.Column('status_since', UtcDateTime(), nullable=False),
    sa.Column('labels', Json(), nullable=False),
    sa.Column('note', Text(), nullable=False),
    sa.Column('assignee_id', Id, nullable=True),
    sa.Column('made_by_run_id', Id, nullable=True),
    sa.Column('made_key', Text(128), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("status IN ('new', 'accepted', 'rejected', 'used')", name=op.f('ck_idea_status_known')),
    sa.ForeignKeyConstraint(['account_id', 'assignee_id'], ['user.account_id', 'user.id'], name=op.f('fk_idea_account_id_assignee_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'cluster_id'], ['cluster.account_id', 'cluster.id'], name=op.f('fk_idea_account_id_cluster_id_cluster'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'sector_id'], ['sector.account_id', 'sector.id'], name=op.f('fk_idea_account_id_sector_id_sector'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'site_id'], ['site.account_id', 'site.id'], name=op.f('fk_idea_account_id_site_id_site'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_idea_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_idea')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_idea_account_id_id')),
    sa.UniqueConstraint('account_id', 'made_key', name=op.f('uq_idea_account_id_made_key'))
    )
    with op.batch_alter_table('idea', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_idea_account_id_site_id_status_id'), ['account_id', 'site_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_idea_account_id_status_id'), ['account_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_idea_cluster_id'), ['cluster_id'], unique=False)

    op.create_table('keyword',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('text', Text(255), nullable=False),
    sa.Column('volume', sa.Integer(), nullable=True),
    sa.Column('difficulty', sa.Double(), nullable=True),
    sa.Column('cpc', sa.Double(), nullable=True),
    sa.Column('intent', Text(20), nullable=True),
    sa.Column('country', Text(64), nullable=False),
    sa.Column('language', Text(64), nullable=False),
    sa.Column('position', sa.Double(), nullable=True),
    sa.Column('clicks', sa.Integer(), nullable=True),
    sa.Column('impressions', sa.Integer(), nullable=True),
    sa.Column('url', Text(2000), nullable=False),
    sa.Column('cluster_id', Id, nullable=True),
    sa.Column('cluster_tried_at', UtcDateTime(), nullable=True),
    sa.Column('site_id', Id, nullable=False),
    sa.Column('sector_id', Id, nullable=False),
    sa.Column('status', Text(20), nullable=False),
    sa.Column('status_since', UtcDateTime(), nullable=False),
    sa.Column('labels', Json(), nullable=False),
    sa.Column('note', Text(), nullable=False),
    sa.Column('assignee_id', Id, nullable=True),
    sa.Column('made_by_run_id', Id, nullable=True),
    sa.Column('made_key', Text(128), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("status IN ('new', 'clustered', 'ignored')", name=op.f('ck_keyword_status_known')),
    sa.CheckConstraint('volume >= 0', name=op.f('ck_keyword_volume_not_negative')),
    sa.ForeignKeyConstraint(['account_id', 'assignee_id'], ['user.account_id', 'user.id'], name=op.f('fk_keyword_account_id_assignee_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'cluster_id'], ['cluster.account_id', 'cluster.id'], name=op.f('fk_keyword_account_id_cluster_id_cluster'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'sector_id'], ['sector.account_id', 'sector.id'], name=op.f('fk_keyword_account_id_sector_id_sector'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'site_id'], ['site.account_id', 'site.id'], name=op.f('fk_keyword_account_id_site_id_site'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_keyword_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_keyword')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_keyword_account_id_id')),
    sa.UniqueConstraint('account_id', 'made_key', name=op.f('uq_keyword_account_id_made_key')),
    sa.UniqueConstraint('site_id', 'text', name=op.f('uq_keyword_site_id_text'))
    )
    with op.batch_alter_table('keyword', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_keyword_account_id_site_id_status_id'), ['account_id', 'site_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_keyword_account_id_status_id'), ['account_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_keyword_account_id_status_volume'), ['account_id', 'status', 'volume'], unique=False)
        batch_op.create_index(batch_op.f('ix_keyword_cluster_id'), ['cluster_id'], unique=False)

    op.create_table('task',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('idea_id', Id, nullable=True),
    sa.Column('title', Text(255), nullable=False),
    sa.Column('brief', Text(), nullable=False),
    sa.Column('task_type', Text(16), nullable=False),
    sa.Column('main_keyword', Text(255), nullable=False),
    sa.Column('word_count', sa.Integer(), nullable=False),
    sa.Column('due_on', sa.Date(), nullable=True),
    sa.Column('writing_run_id', Id, nullable=True),
    sa.Column('site_id', Id, nullable=False),
    sa.Column('sector_id', Id, nullable=False),
    sa.Column('status', Text(20), nullable=False),
    sa.Column('status_since', UtcDateTime(), nullable=False),
    sa.Column('labels', Json(), nullable=False),
    sa.Column('note', Text(), nullable=False),
    sa.Column('assignee_id', Id, nullable=True),
    sa.Column('made_by_run_id', Id, nullable=True),
    sa.Column('made_key', Text(128), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("status IN ('draft', 'queued', 'writing', 'done', 'failed')", name=op.f('ck_task_status_known')),
    sa.CheckConstraint("task_type IN ('write', 'refresh', 'link', 'report')", name=op.f('ck_task_task_type_known')),
    sa.CheckConstraint('word_count >= 1', name=op.f('ck_task_word_count_positive')),
    sa.ForeignKeyConstraint(['account_id', 'assignee_id'], ['user.account_id', 'user.id'], name=op.f('fk_task_account_id_assignee_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'idea_id'], ['idea.account_id', 'idea.id'], name=op.f('fk_task_account_id_idea_id_idea'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'sector_id'], ['sector.account_id', 'sector.id'], name=op.f('fk_task_account_id_sector_id_sector'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'site_id'], ['site.account_id', 'site.id'], name=op.f('fk_task_account_id_site_id_site'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_task_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_task')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_task_account_id_id')),
    sa.UniqueConstraint('account_id', 'made_key', name=op.f('uq_task_account_id_made_key'))
    )
    with op.batch_alter_table('task', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_task_account_id_site_id_status_id'), ['account_id', 'site_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_task_account_id_status_id'), ['account_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_task_idea_id'), ['idea_id'], unique=False)

    op.create_table('content',
    sa.Column('id', Id, nullable=False),
    sa.Column('account_id', Id, nullable=False),
    sa.Column('task_id', Id, nullable=True),
    sa.Column('title', Text(255), nullable=False),
    sa.Column('html', Text(), nullable=False),
    sa.Column('meta_title', Text(255), nullable=False),
    sa.Column('meta_description', Text(512), nullable=False),
    sa.Column('main_keyword', Text(255), nullable=False),
    sa.Column('word_count', sa.Integer(), nullable=False),
    sa.Column('outline', sa.Boolean(), nullable=False),
    sa.Column('published_url', Text(2000), nullable=False),
    sa.Column('published_at', UtcDateTime(), nullable=True),
    sa.Column('site_id', Id, nullable=False),
    sa.Column('sector_id', Id, nullable=False),
    sa.Column('status', Text(20), nullable=False),
    sa.Column('status_since', UtcDateTime(), nullable=False),
    sa.Column('labels', Json(), nullable=False),
    sa.Column('note', Text(), nullable=False),
    sa.Column('assignee_id', Id, nullable=True),
    sa.Column('made_by_run_id', Id, nullable=True),
    sa.Column('made_key', Text(128), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("status IN ('draft', 'review', 'approved', 'published')", name=op.f('ck_content_status_known')),
    sa.ForeignKeyConstraint(['account_id', 'assignee_id'], ['user.account_id', 'user.id'], name=op.f('fk_content_account_id_assignee_id_user'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'sector_id'], ['sector.account_id', 'sector.id'], name=op.f('fk_content_account_id_sector_id_sector'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'site_id'], ['site.account_id', 'site.id'], name=op.f('fk_content_account_id_site_id_site'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id', 'task_id'], ['task.account_id', 'task.id'], name=op.f('fk_content_account_id_task_id_task'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['account_id'], ['account.id'], name=op.f('fk_content_account_id_account'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_content')),
    sa.UniqueConstraint('account_id', 'id', name=op.f('uq_content_account_id_id')),
    sa.UniqueConstraint('account_id', 'made_key', name=op.f('uq_content_account_id_made_key'))
    )
    with op.batch_alter_table('content', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_content_account_id_site_id_status_id'), ['account_id', 'site_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_content_account_id_status_id'), ['account_id', 'status', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_content_task_id'), ['task_id'], unique=False)



def downgrade() -> None:
    with op.batch_alter_table('content', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_content_task_id'))
        batch_op.drop_index(batch_op.f('ix_content_account_id_status_id'))
        batch_op.drop_index(batch_op.f('ix_content_account_id_site_id_status_id'))

    op.drop_table('content')
    with op.batch_alter_table('task', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_task_idea_id'))
        batch_op.drop_index(batch_op.f('ix_task_account_id_status_id'))
        batch_op.drop_index(batch_op.f('ix_task_account_id_site_id_status_id'))

    op.drop_table('task')
    with op.batch_alter_table('keyword', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_keyword_cluster_id'))
        batch_op.drop_index(batch_op.f('ix_keyword_account_id_status_volume'))
        batch_op.drop_index(batch_op.f('ix_keyword_account_id_status_id'))
        batch_op.drop_index(batch_op.f('ix_keyword_account_id_site_id_status_id'))

    op.drop_table('keyword')
    with op.batch_alter_table('idea', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_idea_cluster_id'))
        batch_op.drop_index(batch_op.f('ix_idea_account_id_status_id'))
        batch_op.drop_index(batch_op.f('ix_idea_account_id_site_id_status_id'))

    op.drop_table('idea')
    with op.batch_alter_table('cluster', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_cluster_account_id_status_id'))
        batch_op.drop_index(batch_op.f('ix_cluster_account_id_site_id_status_id'))

    op.drop_table('cluster')
    op.drop_table('sector')
    op.drop_table('site')
