"""Keep the parts of an article while it is written, each under a key of its own.

Revision ID: 0045
Revises: 0044
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime

revision = '0045'
down_revision = '0044'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'unit_part',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('run_id', Id, nullable=False),
        sa.Column('step', sa.Integer(), nullable=False),
        sa.Column('record_id', Id, nullable=False),
        sa.Column('number', sa.Integer(), nullable=False),
        sa.Column('key', Text(64), nullable=False),
        sa.Column('attempt', sa.Integer(), nullable=False),
        sa.Column('kind', Text(16), nullable=False),
        sa.Column('data', Json(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id', 'run_id'], ['scheduled_task.account_id', 'scheduled_task.id'],
            name=op.f('fk_unit_part_account_id_run_id_scheduled_task'), ondelete='RESTRICT',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f('fk_unit_part_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_unit_part')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_unit_part_account_id_id')),
        sa.UniqueConstraint(
            'run_id', 'step', 'record_id', 'number', name=op.f('uq_unit_part_run_id_step_record_id_number')
        ),
    )


def downgrade() -> None:
    op.drop_table('unit_part')
