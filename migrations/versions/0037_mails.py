"""Mails that wait to be sent, and who wants none of a kind.

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime

revision = '0037'
down_revision = '0036'
branch_labels = None
depends_on = None

PENDING = sa.text("status = 'pending'")
SENDING = sa.text('lease_token IS NOT NULL')
OPEN = sa.text('is_open')


def upgrade() -> None:
    _create_mail()
    op.create_table(
        'mail_refusal',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('address', Text(255), nullable=False),
        sa.Column('kind', Text(32), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.UniqueConstraint(
            'account_id', 'address', 'kind', name=op.f('uq_mail_refusal_account_id_address_kind')
        ),
        *_owned('mail_refusal'),
    )


def _create_mail() -> None:
    op.create_table(
        'mail',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('user_id', Id, nullable=True),
        sa.Column('address', Text(255), nullable=False),
        sa.Column('kind', Text(32), nullable=False),
        sa.Column('group_key', Text(320), nullable=True),
        sa.Column('is_open', sa.Boolean(), nullable=False),
        sa.Column('begun_at', UtcDateTime(), nullable=True),
        sa.Column('subject', Text(255), nullable=False),
        sa.Column('entries', Json(), nullable=False),
        sa.Column('link_sealed', Text(), nullable=False),
        sa.Column('message_id', Text(64), nullable=False),
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
        sa.CheckConstraint("status IN ('pending', 'delivered', 'failed')", name=op.f('ck_mail_status_known')),
        sa.UniqueConstraint('message_id', name=op.f('uq_mail_message_id')),
        *_owned('mail'),
    )
    with op.batch_alter_table('mail') as table:
        table.create_index('ix_mail_due', ['next_at', 'id'], sqlite_where=PENDING, postgresql_where=PENDING)
        table.create_index(
            'uq_mail_busy_host', ['host'], unique=True, sqlite_where=SENDING, postgresql_where=SENDING
        )
        table.create_index(
            'uq_mail_open_group', ['account_id', 'group_key'], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
        )
        table.create_index(
            table.f('ix_mail_account_id_group_key_begun_at'), ['account_id', 'group_key', 'begun_at']
        )
        table.create_index(table.f('ix_mail_finished_at'), ['finished_at'])


def _owned(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f(f'fk_{table}_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('account_id', 'id', name=op.f(f'uq_{table}_account_id_id')),
    )


def downgrade() -> None:
    op.drop_table('mail_refusal')
    op.drop_table('mail')
