"""What people have typed into the rule form and not saved yet.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Json, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rule_draft",
        sa.Column("id", Id, nullable=False),
        sa.Column("account_id", Id, nullable=False),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("rule_id", Id, nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("steps", Json(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id", "rule_id"],
            ["automation_rule.account_id", "automation_rule.id"],
            name=op.f("fk_rule_draft_account_id_rule_id_automation_rule"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["user.account_id", "user.id"],
            name=op.f("fk_rule_draft_account_id_user_id_user"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_rule_draft_account_id_account"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_draft")),
        sa.UniqueConstraint("account_id", "id", name=op.f("uq_rule_draft_account_id_id")),
    )
    with op.batch_alter_table("rule_draft", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rule_draft_account_id_user_id"), ["account_id", "user_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("rule_draft", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rule_draft_account_id_user_id"))

    op.drop_table("rule_draft")
