"""Take messages from other systems: an address of each account, and the ids of messages, each used once.

Revision ID: 0046
Revises: 0045
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = '0046'
down_revision = '0045'
branch_labels = None
depends_on = None

BEFORE = (
    'keyword_added', 'cluster_created', 'idea_created', 'task_created', 'content_generated', 'status_changed',
    'run_finished', 'credits_granted',
)


def upgrade() -> None:
    _allow_types(*BEFORE, 'incoming')
    op.create_table(
        'incoming_address',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('name', Text(64), nullable=False),
        sa.Column('secret_sealed', Text(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('used_at', UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ['account_id'],
            ['account.id'],
            name=op.f('fk_incoming_address_account_id_account'),
            ondelete='RESTRICT',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_incoming_address')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_incoming_address_account_id_id')),
        sa.UniqueConstraint('account_id', name=op.f('uq_incoming_address_account_id')),
        sa.UniqueConstraint('name', name=op.f('uq_incoming_address_name')),
    )
    op.create_table(
        'incoming_message',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('message_id', Text(255), nullable=False),
        sa.Column('received_at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id'],
            ['account.id'],
            name=op.f('fk_incoming_message_account_id_account'),
            ondelete='RESTRICT',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_incoming_message')),
        sa.UniqueConstraint('account_id', 'id', name=op.f('uq_incoming_message_account_id_id')),
        sa.UniqueConstraint('account_id', 'message_id', name=op.f('uq_incoming_message_account_id_message_id')),
    )
    op.create_index('ix_incoming_message_account_id_received_at', 'incoming_message', ['account_id', 'received_at'])


def downgrade() -> None:
    op.drop_table('incoming_message')
    op.drop_table('incoming_address')
    op.execute("DELETE FROM event WHERE batch_id IN (SELECT id FROM event_batch WHERE type = 'incoming')")
    op.execute("DELETE FROM batch_delivery WHERE batch_id IN (SELECT id FROM event_batch WHERE type = 'incoming')")
    op.execute("UPDATE scheduled_task SET batch_id = NULL WHERE batch_id IN "
               "(SELECT id FROM event_batch WHERE type = 'incoming')")
    op.execute("DELETE FROM event_batch WHERE type = 'incoming'")
    _allow_types(*BEFORE)


def _allow_types(*types: str) -> None:
    named = ', '.join(f"'{name}'" for name in types)
    with op.batch_alter_table('event_batch') as batch:
        batch.drop_constraint(op.f('ck_event_batch_type_known'), type_='check')
        batch.create_check_constraint(op.f('ck_event_batch_type_known'), f'type IN ({named})')
