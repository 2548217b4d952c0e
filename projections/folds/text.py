"""Canonical JSON text for columns of kind json: sorted keys, no blanks, shortest floats."""

from typing import Any

import orjson


def canonical_json(value: Any) -> str:
    """The one text of a JSON value."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
