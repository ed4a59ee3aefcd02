"""Evaluations, their tags, and the files of published runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "evaluation",
        sa.Column("origin", sa.String(32), primary_key=True),
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("folder", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("experiment", sa.Text),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("dataset_name", sa.Text),
        sa.Column("framework_name", sa.Text, nullable=False),
        sa.Column("framework_version", sa.Text, nullable=False),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("scenario", sa.Text),
        sa.Column("machine_architecture", sa.Text, nullable=False),
        sa.Column("hostname", sa.Text, nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
    )
    for column in ("id", "created_at", "experiment", "model_name", "framework_name", "hostname"):
        op.create_index(f"ix_evaluation_{column}", "evaluation", [column])
    op.create_table(
        "evaluation_tag",
        sa.Column("origin", sa.String(32), primary_key=True),
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("tag", sa.Text, primary_key=True),
        sa.ForeignKeyConstraint(["origin", "id"], ["evaluation.origin", "evaluation.id"], ondelete="CASCADE"),
    )
    op.create_index("ix_evaluation_tag_tag", "evaluation_tag", ["tag"])
    op.create_table(
        "blob",
        sa.Column("key", sa.Integer, primary_key=True),
        sa.Column("origin", sa.String(32), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.UniqueConstraint("origin", "id", "name"),
        sa.ForeignKeyConstraint(["origin", "id"], ["evaluation.origin", "evaluation.id"], ondelete="CASCADE"),
    )
    op.create_table(
        "blob_chunk",
        sa.Column("blob", sa.Integer, sa.ForeignKey("blob.key", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("blob_chunk", "blob", "evaluation_tag", "evaluation"):
        op.drop_table(table)
