"""Sums of records in use by when they were made, and the changes that they do not contain yet.

What there is now is written as changes, those of one moment as one; the sweep adds them to the sums.

Revision ID: 0073
Revises: 0072
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime
from app.infrastructure.record_triggers import drop_record_triggers

revision = "0073"
down_revision = "0072"
branch_labels = None
depends_on = None

IN_USE = "archived_at IS NULL"
MADE = "count(made_by_run_id)"
KINDS = (
    ("keyword", "keyword", "created_at", IN_USE, MADE),
    ("cluster", "cluster", "created_at", IN_USE, MADE),
    ("idea", "idea", "created_at", f"{IN_USE} AND status <> 'rejected'", MADE),
    ("task", "task", "created_at", IN_USE, MADE),
    ("content", "content", "created_at", IN_USE, MADE),
    ("published", "content", "status_since", f"{IN_USE} AND status = 'published'", "count(*)"),
    ("to_check", "content", "created_at", f"{IN_USE} AND status IN ('draft', 'review')", MADE),
)
"""Each with its table, the column of the moment by which it is counted, what is counted, and how many are by rules."""


def upgrade() -> None:
    op.create_table(
        "record_change",
        sa.Column("id", Id, nullable=False),
        sa.Column("account_id", Id, nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        *_numbers(),
        *_owned("record_change"),
    )
    op.create_table(
        "record_sum",
        sa.Column("id", Id, nullable=False),
        sa.Column("account_id", Id, nullable=False),
        sa.Column("span", Text(8), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        *_numbers(),
        *_owned("record_sum"),
        sa.UniqueConstraint("account_id", "span", "since", "site_id", "kind", name=op.f("uq_record_sum_key")),
    )
    for kind, table, made_at, counted, by_rules in KINDS:
        op.execute(
            "INSERT INTO record_change (account_id, site_id, kind, made_at, records, by_rules) "
            f"SELECT account_id, site_id, '{kind}', {made_at}, count(*), {by_rules} FROM {table} "
            f"WHERE {counted} GROUP BY account_id, site_id, {made_at}"
        )


def downgrade() -> None:
    drop_record_triggers(op.get_bind())
    op.drop_table("record_sum")
    op.drop_table("record_change")


def _numbers() -> tuple[sa.Column[int] | sa.Column[str], ...]:
    return (
        sa.Column("site_id", Id, nullable=False),
        sa.Column("kind", Text(16), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("by_rules", sa.Integer(), nullable=False),
    )


def _owned(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f(f"fk_{table}_account_id_account"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("account_id", "id", name=op.f(f"uq_{table}_account_id_id")),
    )
