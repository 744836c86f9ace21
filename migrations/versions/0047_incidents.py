"""Keep incidents with their failures, and say of a notice what it is about.

Revision ID: 0047
Revises: 0046
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = '0047'
down_revision = '0046'
branch_labels = None
depends_on = None

OPEN = sa.text("status = 'open'")


def upgrade() -> None:
    _create_incident()
    _create_failure()
    with op.batch_alter_table('notice') as table:
        table.add_column(sa.Column('kind', Text(32), server_default='attention', nullable=False))
        table.add_column(sa.Column('incident_id', Id, nullable=True))
        table.add_column(sa.Column('about_site_id', Id, nullable=True))


def _create_incident() -> None:
    op.create_table(
        'incident',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('place', Text(64), nullable=False),
        sa.Column('fault', Text(32), nullable=False),
        sa.Column('subject', Text(300), nullable=False),
        sa.Column('message', Text(), nullable=False),
        sa.Column('status', Text(16), nullable=False),
        sa.Column('first_at', UtcDateTime(), nullable=False),
        sa.Column('recovered_at', UtcDateTime(), nullable=True),
        sa.Column('muted_at', UtcDateTime(), nullable=True),
        sa.Column('muted_by_id', Id, nullable=True),
        sa.CheckConstraint("status IN ('open', 'recovered')", name=op.f('ck_incident_status_known')),
        *_owned('incident'),
    )
    with op.batch_alter_table('incident') as table:
        table.create_index(
            'uq_incident_open', ['account_id', 'place', 'fault'],
            unique=True, sqlite_where=OPEN, postgresql_where=OPEN,
        )
        table.create_index(table.f('ix_incident_account_id_status_id'), ['account_id', 'status', 'id'])


def _create_failure() -> None:
    op.create_table(
        'incident_failure',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('incident_id', Id, nullable=False),
        sa.Column('key', Text(64), nullable=False),
        sa.Column('run_id', Id, nullable=True),
        sa.Column('rule_id', Id, nullable=True),
        sa.Column('site_id', Id, nullable=True),
        sa.Column('message', Text(), nullable=False),
        sa.Column('at', UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id', 'incident_id'], ['incident.account_id', 'incident.id'],
            name=op.f('fk_incident_failure_account_id_incident_id_incident'), ondelete='RESTRICT',
        ),
        sa.UniqueConstraint('incident_id', 'key', name=op.f('uq_incident_failure_incident_id_key')),
        *_owned('incident_failure'),
    )
    with op.batch_alter_table('incident_failure') as table:
        table.create_index(
            table.f('ix_incident_failure_account_id_incident_id_at'), ['account_id', 'incident_id', 'at']
        )


def _owned(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f(f'fk_{table}_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('account_id', 'id', name=op.f(f'uq_{table}_account_id_id')),
    )


def downgrade() -> None:
    with op.batch_alter_table('notice') as table:
        table.drop_column('about_site_id')
        table.drop_column('incident_id')
        table.drop_column('kind')
    op.drop_table('incident_failure')
    op.drop_table('incident')
