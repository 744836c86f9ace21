"""Calendars of sites and of the account, what rules do on closed days, and the times that runs are moved to.

Revision ID: 0065
Revises: 0064
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, Text, UtcDateTime

revision = "0065"
down_revision = "0064"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site_calendar",
        sa.Column("site_id", Id, nullable=True),
        sa.Column("definition", Json(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("id", Id, nullable=False),
        sa.Column("account_id", Id, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "site_id"],
            ["site.account_id", "site.id"],
            name=op.f("fk_site_calendar_account_id_site_id_site"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_site_calendar_account_id_account"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site_calendar")),
        sa.UniqueConstraint("account_id", "id", name=op.f("uq_site_calendar_account_id_id")),
    )
    op.create_index("uq_site_calendar_site_id", "site_calendar", ["site_id"], unique=True)
    op.create_index(
        "uq_site_calendar_of_account",
        "site_calendar",
        ["account_id"],
        unique=True,
        sqlite_where=sa.text("site_id IS NULL"),
        postgresql_where=sa.text("site_id IS NULL"),
    )
    with op.batch_alter_table("automation_rule") as table:
        table.add_column(sa.Column("on_closed_days", Text(16), server_default="skip", nullable=False))
        table.create_check_constraint(
            op.f("ck_automation_rule_on_closed_days_known"), "on_closed_days IN ('skip', 'move', 'run')"
        )
    op.add_column("scheduled_task", sa.Column("moved_to_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("scheduled_task", "moved_to_at")
    with op.batch_alter_table("automation_rule") as table:
        table.drop_constraint(op.f("ck_automation_rule_on_closed_days_known"), type_="check")
        table.drop_column("on_closed_days")
    op.drop_table("site_calendar")
