"""Passkeys with their challenges, and sessions that began with one.

Revision ID: 0076
Revises: 0075
"""

import sqlalchemy as sa
from alembic import op

from app.business.base import Id, Text, UtcDateTime

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "passkey",
        *(sa.Column(name, Id, nullable=False) for name in ("id", "account_id", "user_id")),
        sa.Column("name", Text(100), nullable=False),
        sa.Column("credential_id", Text(1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("user_handle", Text(100), nullable=False),
        sa.Column("sign_count", Id, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("used_from", Text(64), nullable=False, server_default=""),
        sa.Column("used_with", Text(255), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(
            ["account_id", "user_id"],
            ["user.account_id", "user.id"],
            name=op.f("fk_passkey_account_id_user_id_user"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("account_id", "id", name=op.f("uq_passkey_account_id_id")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
    )
    op.create_index(op.f("ix_passkey_user_id"), "passkey", ["user_id"])
    op.create_table(
        "passkey_challenge",
        sa.Column("id", Id, nullable=False),
        sa.Column("token_hash", Text(64), nullable=False),
        sa.Column("purpose", Text(16), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", Id, nullable=True),
        sa.Column("user_handle", Text(100), nullable=False, server_default=""),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("purpose IN ('add', 'sign_in')", name=op.f("ck_passkey_challenge_purpose_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey_challenge")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_passkey_challenge_token_hash")),
    )
    op.create_index(op.f("ix_passkey_challenge_expires_at"), "passkey_challenge", ["expires_at"])
    op.add_column(
        "user_session", sa.Column("by_passkey", sa.Boolean(), nullable=False, server_default=sa.false())
    )


def downgrade() -> None:
    # A passkey stands for both factors; without it the sessions it began are not more than any other.
    op.execute("DELETE FROM user_session WHERE by_passkey")
    op.drop_column("user_session", "by_passkey")
    op.drop_table("passkey_challenge")
    op.drop_table("passkey")
