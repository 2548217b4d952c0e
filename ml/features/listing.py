"""The feature sets for people and for programs: what `tipstream features list` says, and docs/features.md holds."""

from collections.abc import Iterable
from typing import Any

from ml.features.definitions import FEATURE_SETS
from ml.features.feature_set import Feature, FeatureSet, Signal

FEATURE_COLUMNS = ("feature", "transform", "sources", "default", "max age", "description")
SIGNAL_COLUMNS = ("signal", "source", "default", "bounds", "max age", "description")

_HEAD = """\
# Features

Written by `tipstream features list --markdown > docs/features.md`. The definitions stand in
`ml/features/definitions.py` and are never edited: a change is a new feature set. Every feature is what is known of the
moment times what is known of the tip, a float64 from -1 to 1.

A signal counts on a scale from -1 to 1 on which its default is 0: clipped to its bounds, less the default, over the
larger distance from the default to a bound. The default stands in for a signal that is absent, older than its max age,
or that came with a token which has expired: each value has the expiry it came with, so a source that was renewed sends
its values again. The decision then lists the features that read it as `missing`, and the source in `stale_sources`.

How training sees the values as they were served:
[ADR 19](adr/0019-offline-features-follow-the-order-of-the-stream.md).
"""


def described(feature_set: FeatureSet) -> dict[str, Any]:
    """A feature set as JSON values."""
    return {
        "name": feature_set.name,
        "features": [_feature(feature) for feature in feature_set.features],
        "signals": [_signal(signal) for signal in feature_set.signals.values()],
    }


def _feature(feature: Feature) -> dict[str, Any]:
    return {
        "name": feature.name,
        "sources": list(feature.sources),
        "signals": [signal.name for signal in feature.signals],
        "dtype": feature.dtype,
        "default": feature.default,
        "max_age_s": feature.max_age_s,
        "bounds": list(feature.bounds),
        "description": feature.description,
        "transform": feature.transform,
    }


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "name": signal.name,
        "source": signal.source,
        "dtype": "float64",
        "default": signal.default,
        "max_age_s": signal.max_age_s,
        "bounds": list(signal.bounds),
        "description": signal.description,
    }


def markdown() -> str:
    """The page with every feature set, the newest last."""
    return "\n".join([_HEAD, *(_section(described(feature_set)) for feature_set in FEATURE_SETS.values())])


def _section(told: dict[str, Any]) -> str:
    features = _table(FEATURE_COLUMNS, told["features"])
    signals = _table(SIGNAL_COLUMNS, told["signals"])
    return f"## {told['name']}\n\n{features}\n### Signals of {told['name']}\n\n{signals}"


def _table(columns: tuple[str, ...], rows: Iterable[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(column, row) for column in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def cell(column: str, row: dict[str, Any]) -> str:
    """What stands in a column, for people."""
    if column in ("feature", "signal"):
        return f"`{row['name']}`"
    if column == "max age":
        return "" if row["max_age_s"] is None else f"{row['max_age_s'] // 3600} h"
    value = row[column]
    if column == "bounds":
        return f"{value[0]:g} to {value[1]:g}"
    if isinstance(value, list):
        return ", ".join(value)
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, int | float) else str(value)
