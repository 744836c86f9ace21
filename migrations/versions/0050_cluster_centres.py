"""Keep the middle of each cluster and the cut of each sector, so that grouping need not read the old keywords again.

Nothing is filled in: the next grouping of a sector makes what it finds missing.

Revision ID: 0050
Revises: 0049
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text

revision = '0050'
down_revision = '0049'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'cluster_centre',
        sa.Column('cluster_id', Id, nullable=False),
        sa.Column('model', Text(255), nullable=False),
        sa.Column('members', Text(100), nullable=False),
        sa.Column('vector', sa.LargeBinary(), nullable=False),
        *_owned('cluster_centre', 'cluster'),
    )
    op.create_table(
        'sector_cut',
        sa.Column('sector_id', Id, nullable=False),
        sa.Column('model', Text(255), nullable=False),
        sa.Column('cut', sa.Double(), nullable=False),
        sa.Column('size', sa.Integer(), nullable=False),
        *_owned('sector_cut', 'sector'),
    )


def _owned(table: str, parent: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column('id', Id, nullable=False),
        sa.Column('account_id', Id, nullable=False),
        sa.ForeignKeyConstraint(
            ['account_id', f'{parent}_id'],
            [f'{parent}.account_id', f'{parent}.id'],
            name=op.f(f'fk_{table}_account_id_{parent}_id_{parent}'),
            ondelete='CASCADE',
        ),
        sa.ForeignKeyConstraint(
            ['account_id'], ['account.id'], name=op.f(f'fk_{table}_account_id_account'), ondelete='RESTRICT'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f(f'pk_{table}')),
        sa.UniqueConstraint('account_id', 'id', name=op.f(f'uq_{table}_account_id_id')),
        sa.UniqueConstraint(f'{parent}_id', name=op.f(f'uq_{table}_{parent}_id')),
    ]


def downgrade() -> None:
    op.drop_table('sector_cut')
    op.drop_table('cluster_centre')
