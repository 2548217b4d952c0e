"""The context of a decision: the person's signals as the stream last told them, and what the caller knows better."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from contracts.events.base import Name
from contracts.times import format_time, in_range, parse_time
from ml.features.definitions import CURRENT, FEATURE_SETS
from ml.features.vector import CALLER, ContextError, read_context
from services.recommender.errors import Refused

_SOURCE: TypeAdapter[str] = TypeAdapter(Name)


def context_of(
    online_features: Iterable[Mapping[str, Any]], given: Mapping[str, Any], now_us: int
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Everything the feature function reads of a moment, and the paths in `given` that it does not read.

    `online_features` are rows with name, value, source, observed_at and token_expires_at (microseconds). The caller's
    `now` and `signals` win over ours, its flat numbers over both. Raises Refused, naming the field.
    """
    told = given.get("signals", {})
    if not isinstance(told, Mapping):
        raise Refused([("context.signals", "must be a JSON object of signals by name")])
    known = {str(row["name"]): _signal(row) for row in online_features}
    try:
        context = {"now": format_time(now_us), **given, "signals": {**known, **told}}
        read = read_context(FEATURE_SETS[CURRENT], context)
    except ContextError as error:
        raise Refused([(error.field, error.problem)]) from None
    if not in_range(parse_time(read.read["now"]), now_us):
        raise Refused([("context.now", "must not be before 2000 or more than 24 h ahead")])
    for name in told:
        _check_source(name, read.read["signals"].get(name))
    ours = frozenset(f"signals.{name}" for name in known if name not in told)
    return read.read, tuple(_plain(path) for path in read.ignored if path not in ours)


def _check_source(name: str, signal: Mapping[str, Any] | None) -> None:
    try:
        _SOURCE.validate_python(signal["source"] if signal is not None else CALLER)
    except ValidationError:
        raise Refused([(f"context.signals.{name}.source", "must be 1 to 64 of A-Z a-z 0-9 _ . -")]) from None


def _plain(path: str) -> str:
    """A caller's key as text that can be sent back."""
    return path.encode("utf-8", "replace").decode()[:200]


def _signal(row: Mapping[str, Any]) -> dict[str, Any]:
    expires = row["token_expires_at"]
    return {
        "value": row["value"],
        "source": row["source"],
        "observed_at": format_time(row["observed_at"]),
        "token_expires_at": None if expires is None else format_time(expires),
    }
