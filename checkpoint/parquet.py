"""Parquet: rows of the audit as a file that DuckDB, pandas and others open."""

from collections.abc import Iterable
from pathlib import Path

from checkpoint.events.errors import ExtraMissing
from checkpoint.query.history.audit import AuditRow

try:
    import pyarrow as pa  # type: ignore[import-untyped] # it has no types
    from pyarrow import parquet
except ImportError as error:
    raise ExtraMissing(
        "Parquet needs the extra `parquet`: pip install 'checkpoint-log[parquet]'. "
        "JSON Lines need nothing: name the file .jsonl"
    ) from error

GROUP_ROWS = 50_000

_NAME = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        pa.field("job_id", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("time", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("incarnation", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("type", _NAME, nullable=False),
        pa.field("stage", _NAME),
        pa.field("pipeline", _NAME, nullable=False),
        pa.field("data", pa.string()),
        pa.field("took_ms", pa.int64()),
        pa.field("error", _NAME),
        pa.field("message", pa.string()),
        pa.field("completed", pa.int32(), nullable=False),
        pa.field("status", _NAME, nullable=False),
    ]
)
"""The names are those of `AuditRow`; `data` is JSON text."""


def write_parquet(path: Path, pages: Iterable[list[AuditRow]]) -> int:
    """Write rows to a file, a group at a time; return how many there are."""
    count = 0
    with parquet.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        group: list[AuditRow] = []
        for rows in pages:
            group += rows
            if len(group) >= GROUP_ROWS:
                writer.write_table(_table(group))
                count += len(group)
                group = []
        writer.write_table(_table(group))
    return count + len(group)


def _table(rows: list[AuditRow]) -> "pa.Table":
    columns = {name: [getattr(row, name) for row in rows] for name in SCHEMA.names}
    columns["data"] = [None if row.type != "stage_completed" else _text(row) for row in rows]
    return pa.table(columns, schema=SCHEMA)


def _text(row: AuditRow) -> str:
    return bytes(row.data).decode()
