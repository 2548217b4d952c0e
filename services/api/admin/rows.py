"""Rows of the read model as JSON: moments as RFC 3339, kept JSON as JSON, bytes as base64; and their OpenAPI models."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from pydantic import BaseModel, create_model

from contracts.times import format_time
from projections.folds.tables import Kind, Table

_TYPES: dict[Kind, Any] = {
    "text": str, "integer": int, "float": float, "boolean": bool, "time": datetime, "json": Any,
    "floats": list[float], "texts": list[str], "bytes": str,
}  # fmt: skip


def row_model(table: Table, *without: str) -> type[BaseModel]:
    """The model of a table's rows, for OpenAPI; every column may be null."""
    fields: dict[str, Any] = {name: (_TYPES[kind] | None, None) for name, kind in table.columns if name not in without}
    model: type[BaseModel] = create_model("".join(part.title() for part in table.name.split("_")) + "Row", **fields)
    return model


def present(table: Table, row: Mapping[str, Any], *without: str) -> dict[str, Any]:
    """A row as JSON values, without some of its columns."""
    kinds = dict(table.columns)
    return {name: _value(kinds.get(name), value) for name, value in row.items() if name not in without}


def _value(kind: Kind | None, value: Any) -> Any:
    if value is None:
        return None
    if kind == "time":
        return format_time(value)
    if kind == "json":
        return orjson.loads(value)
    if kind == "bytes":
        return base64.b64encode(value).decode("ascii")
    return value
