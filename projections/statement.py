"""One statement asked of the query process, by whoever has a bus."""

from typing import Any, Literal

from projections.control import ask
from projections.pieces import Asked
from projections.sql.records import SqlFailed, SqlLimits, SqlRefused, SqlTimedOut
from services.bus.errors import NoAnswer

LIMITS = SqlLimits()
# A statement is ended within 2 s of its limit, waiting for others included; a busy machine may take longer.
ANSWER_S = LIMITS.seconds + 10.0
FAILURES = {kind.outcome: kind for kind in (SqlRefused, SqlFailed, SqlTimedOut)}


async def ask_sql(
    bus: Asked,
    sql: str,
    *,
    actor: str,
    rows: int | None = None,
    seconds: float | None = None,
    form: Literal["rows", "csv", "parquet"] = "rows",
) -> dict[str, Any]:
    """The fields of `projections.sql.records.Result`, or of `File` with its content in base64.

    Raises SqlRefused, SqlFailed and SqlTimedOut, NoAnswer and BusUnavailable.
    """
    question = {"sql": sql, "actor": actor, "rows": rows, "seconds": seconds, "form": form}
    try:
        answer = await ask(bus, "query", "sql", within=ANSWER_S, **question)
    except NoAnswer as problem:
        raise NoAnswer(
            f"{problem}: `tipstream query` does not run, or this statement could not be stopped in time and "
            "ended it; it is back within seconds"
        ) from None
    if "error" in answer:
        raise FAILURES.get(answer["outcome"], SqlFailed)(answer["error"], position=answer["position"])
    return answer
