"""The database's tables, as the newest migration leaves them.

``evaluation`` has one row for each origin and run; ``blob`` and ``blob_chunk`` hold the files of published
runs in pieces of :data:`CHUNK_BYTES`.
"""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "CHUNK_BYTES",
    "HEAD",
    "LOCAL",
    "VERSION_TABLE",
    "blob",
    "blob_chunk",
    "evaluation",
    "evaluation_tag",
    "metadata",
]

HEAD = "0001"
"""The newest migration's revision."""
VERSION_TABLE = "mlscope_version"
LOCAL = "local"
"""Origin of the rows whose files lie in run folders of the machine that the database is on."""
CHUNK_BYTES = 1 << 20

metadata = sa.MetaData()

evaluation = sa.Table(
    "evaluation",
    metadata,
    sa.Column("origin", sa.String(32), primary_key=True),
    sa.Column("id", sa.String(32), primary_key=True, index=True),
    sa.Column("folder", sa.Text),  # relative to the database file where it lies below; null: published
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("experiment", sa.Text, index=True),
    sa.Column("model_name", sa.Text, nullable=False, index=True),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("dataset_name", sa.Text),
    sa.Column("framework_name", sa.Text, nullable=False, index=True),
    sa.Column("framework_version", sa.Text, nullable=False),
    sa.Column("batch_size", sa.Integer, nullable=False),
    sa.Column("scenario", sa.Text),
    sa.Column("machine_architecture", sa.Text, nullable=False),
    sa.Column("hostname", sa.Text, nullable=False, index=True),
    sa.Column("record", sa.JSON, nullable=False),
)

evaluation_tag = sa.Table(
    "evaluation_tag",
    metadata,
    sa.Column("origin", sa.String(32), primary_key=True),
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("tag", sa.Text, primary_key=True, index=True),
    sa.ForeignKeyConstraint(["origin", "id"], ["evaluation.origin", "evaluation.id"], ondelete="CASCADE"),
)

blob = sa.Table(
    "blob",
    metadata,
    sa.Column("key", sa.Integer, primary_key=True),
    sa.Column("origin", sa.String(32), nullable=False),
    sa.Column("id", sa.String(32), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.UniqueConstraint("origin", "id", "name"),
    sa.ForeignKeyConstraint(["origin", "id"], ["evaluation.origin", "evaluation.id"], ondelete="CASCADE"),
)

blob_chunk = sa.Table(
    "blob_chunk",
    metadata,
    sa.Column("blob", sa.Integer, sa.ForeignKey("blob.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
