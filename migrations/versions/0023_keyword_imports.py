"""Store uploads in the database, and import keywords in parts.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('importing', 'taking_back')")


def upgrade() -> None:
    _create_upload()
    _create_import()
    _create_rows()


def _create_upload() -> None:
    op.create_table(
        'upload',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('user_id', Id, nullable=False),
        sa.Column('name', Text(64), nullable=False),
        sa.Column('data', sa.LargeBinary(), nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('expires_at', UtcDateTime(), nullable=False),
        _belongs_to('upload', 'user_id', 'user'),
        *_owned('upload'),
        sa.UniqueConstraint('name', name=op.f('uq_upload_name')),
    )
    with op.batch_alter_table('upload') as table:
        table.create_index('ix_upload_user_id_id', ['user_id', 'id'])
        table.create_index('ix_upload_expires_at', ['expires_at'])


def _create_import() -> None:
    counts = ('created', 'updated', 'duplicates', 'rejected', 'taken_back', 'left')
    op.create_table(
        'keyword_import',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('operation_id', Id, nullable=False),
        sa.Column('user_id', Id, nullable=True),
        sa.Column('site_id', Id, nullable=True),
        sa.Column('sector_id', Id, nullable=True),
        sa.Column('existing', Text(8), nullable=False),
        sa.Column('state', Text(16), nullable=False),
        sa.Column('position', sa.Integer(), nullable=False),
        sa.Column('total', sa.Integer(), nullable=False),
        sa.Column('batch_id', Id, nullable=True),
        sa.Column('sectors', Json(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in counts),
        sa.Column('undone_to', Id, nullable=False),
        sa.Column('created_at', UtcDateTime(), nullable=False),
        sa.Column('finished_at', UtcDateTime(), nullable=True),
        sa.CheckConstraint("existing IN ('update', 'leave')", name=op.f('ck_keyword_import_existing_known')),
        sa.CheckConstraint(
            "state IN ('importing', 'taking_back', 'done', 'cancelled', 'failed')",
            name=op.f('ck_keyword_import_state_known'),
        ),
        _belongs_to('keyword_import', 'operation_id', 'operation'),
        _belongs_to('keyword_import', 'user_id', 'user'),
        _belongs_to('keyword_import', 'site_id', 'site'),
        _belongs_to('keyword_import', 'sector_id', 'sector'),
        _belongs_to('keyword_import', 'batch_id', 'event_batch'),
        *_owned('keyword_import'),
        sa.UniqueConstraint('operation_id', name=op.f('uq_keyword_import_operation_id')),
    )
    with op.batch_alter_table('keyword_import') as table:
        table.create_index('ix_keyword_import_open', ['state'], sqlite_where=OPEN, postgresql_where=OPEN)


def _create_rows() -> None:
    op.create_table(
        'keyword_import_rows',
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.Column('import_id', Id, nullable=False),
        sa.Column('data', sa.LargeBinary(), nullable=False),
        _belongs_to('keyword_import_rows', 'import_id', 'keyword_import'),
        *_owned('keyword_import_rows'),
        sa.UniqueConstraint('import_id', name=op.f('uq_keyword_import_rows_import_id')),
    )


def _belongs_to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ['account_id', column], [f'{other}.account_id', f'{other}.id'],
        name=op.f(f'fk_{table}_account_id_{column}_{other}'), ondelete='RESTRICT',
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
    op.drop_table('keyword_import_rows')
    op.drop_table('keyword_import')
    op.drop_table('upload')
