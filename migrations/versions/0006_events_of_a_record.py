"""Add an index for the events of one record, which explanations of that record read.

Revision ID: 0006
Revises: 0005
"""

from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('event') as batch:
        batch.create_index('ix_event_account_id_record_type_record_id', ['account_id', 'record_type', 'record_id'])


def downgrade() -> None:
    with op.batch_alter_table('event') as batch:
        batch.drop_index('ix_event_account_id_record_type_record_id')
