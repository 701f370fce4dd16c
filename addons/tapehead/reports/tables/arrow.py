"""Tables as Arrow has them: their schemas, and batches of rows. It needs the extra `parquet`."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

import tapehead
from tapehead.reports.tables.rows import Row
from tapehead.reports.tables.schema import Column, ColumnType, Table

_TYPES: dict[ColumnType, Any] = {
    ColumnType.TEXT: pa.string(),
    ColumnType.CATEGORY: pa.dictionary(pa.int32(), pa.string()),
    ColumnType.TEXTS: pa.list_(pa.string()),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.FLAG: pa.int8(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.TIME: pa.timestamp("us", "UTC"),
}


def arrow_schema(table: Table) -> Any:
    """Return the `pyarrow.Schema` of a table, whose fields have their descriptions as metadata."""
    metadata = {"description": table.description, "tapehead": tapehead.__version__}
    return pa.schema(map(_field_of, table.columns), metadata)


def record_batch(table: Table, rows: Sequence[Row]) -> Any:
    """Return rows of a table as a `pyarrow.RecordBatch`."""
    schema = arrow_schema(table)
    columns = zip(*rows, strict=True) if rows else ((),) * len(table.columns)
    arrays = [_array_of(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _field_of(column: Column) -> Any:
    details = {"description": column.description, "unit": column.unit, "source": column.source}
    metadata = {name: text for name, text in details.items() if text}
    return pa.field(column.name, _TYPES[column.type], column.is_nullable, metadata)


def _array_of(values: Sequence[Any], kind: Any) -> Any:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:  # half of a pair of code units, which JSON can have and UTF-8 cannot
        return pa.array([_encodable(value) for value in values], kind)


def _encodable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_encodable(each) for each in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
