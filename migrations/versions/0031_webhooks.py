"""Webhooks and the messages to them.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime

revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None

PENDING = sa.text("status = 'pending'")
SENDING = sa.text('lease_token IS NOT NULL')


def upgrade() -> None:
    op.create_table(
        'webhook',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('name', Text(255), nullable=False),
        sa.Column('url', Text(2000), nullable=False),
        sa.Column('events', Json(), nullable=False),
        sa.Column('is_active', sa.Boolean(), nullable=False),
        sa.Column('secret_sealed', Text(), nullable=False),
        sa.Column('old_secret_sealed', Text(), nullable=False),
        sa.Column('old_secret_until', UtcDateTime(), nullable=True),
        sa.Column('failing_since', UtcDateTime(), nullable=True),
        sa.Column('off_reason', Text(500), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('updated_at', UtcDateTime(), nullable=False),
        sa.Column('version', sa.Integer(), server_default='1', nullable=False),
        *_owned('webhook'),
    )
    _create_delivery()


def _create_delivery() -> None:
    op.create_table(
        'webhook_delivery',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('webhook_id', Id, nullable=False),
        sa.Column('event', Text(32), nullable=False),
        sa.Column('message_id', Text(64), nullable=False),
        sa.Column('key', Text(128), nullable=True),
        sa.Column('body', Text(), nullable=False),
        sa.Column('response_status', sa.Integer(), nullable=True),
        sa.Column('status', Text(16), nullable=False),
        sa.Column('host', Text(255), nullable=True),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('tries', sa.Integer(), nullable=False),
        sa.Column('next_at', UtcDateTime(), nullable=True),
        sa.Column('lease_token', Text(32), nullable=True),
        sa.Column('lease_until', UtcDateTime(), nullable=True),
        sa.Column('log', Json(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('finished_at', UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed')", name=op.f('ck_webhook_delivery_status_known')
        ),
        sa.ForeignKeyConstraint(
            ['account_id', 'webhook_id'], ['webhook.account_id', 'webhook.id'],
            name=op.f('fk_webhook_delivery_account_id_webhook_id_webhook'), ondelete='RESTRICT'
        ),
        sa.UniqueConstraint('message_id', name=op.f('uq_webhook_delivery_message_id')),
        sa.UniqueConstraint('account_id', 'key', name=op.f('uq_webhook_delivery_account_id_key')),
        *_owned('webhook_delivery'),
    )
    with op.batch_alter_table('webhook_delivery') as table:
        table.create_index(
            'ix_webhook_delivery_due', ['next_at', 'id'], sqlite_where=PENDING, postgresql_where=PENDING
        )
        table.create_index(
            'uq_webhook_delivery_busy_host', ['host'], unique=True, sqlite_where=SENDING, postgresql_where=SENDING
        )
        table.create_index(
            table.f('ix_webhook_delivery_account_id_webhook_id_id'), ['account_id', 'webhook_id', 'id']
        )
        table.create_index(table.f('ix_webhook_delivery_finished_at'), ['finished_at'])


def _owned(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f(f'fk_{table}_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('account_id', 'id', name=op.f(f'uq_{table}_account_id_id')),
    )


def downgrade() -> None:
    op.drop_table('webhook_delivery')
    op.drop_table('webhook')
