"""Decides from a statement's syntax tree whether it only reads tables; everything it does not know it refuses.

The tree is DuckDB's own (`json_serialize_sql`, which takes SELECT only), made by a private in-memory database that
holds nothing, so that what is checked is what the same parser will run. Functions are those of DuckDB's catalog
without side effects; table functions, schemas and kinds of syntax are named one by one.
"""

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from projections.sql.records import SqlRefused

LONGEST = 20_000

TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}
    | {"duckdb_tables", "duckdb_views", "duckdb_columns", "duckdb_schemas", "duckdb_types", "duckdb_functions"}
    | {"duckdb_keywords", "pg_timezone_names", "icu_calendar_names"}
)
SYSTEM_TABLES = frozenset({"duckdb_tables", "duckdb_views", "duckdb_columns", "duckdb_schemas", "duckdb_types"})

# Volatile, yet they touch nothing but their own answer.
HARMLESS = frozenset({"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error"})
# Not volatile by the catalog, yet they read settings, storage or logs, bind a second statement, or wait.
REFUSED = frozenset(
    {"current_setting", "getvariable", "getenv", "get_block_size", "parse_duckdb_log_message", "pg_sleep"}
    | {"json_serialize_plan", "pg_conf_load_time", "query", "query_table", "whoami"}
)
# The parser makes these from syntax; the catalog lists them elsewhere or not at all.
SYNTAX = frozenset({"unnest", "count_star", "->", "->>"})

EXPRESSIONS = frozenset(
    {"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION"}
    | {"LAMBDA", "LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW"}
)
SYNTAX_NODES = frozenset(
    {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
    | {"BASE_TABLE", "TABLE_FUNCTION", "JOIN", "SUBQUERY", "EMPTY", "EXPRESSION_LIST", "SHOW_REF", "PIVOT"}
    | {"ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"}
    | {"ORDER_DEFAULT", "ASCENDING", "DESCENDING"}
)
SHOWN = frozenset({"", '"tables"', "__show_tables_expanded"})
_FILE_LIKE = re.compile(r"[./\\*?:\[\]{}~]")
_SYSTEM_LIKE = re.compile(r"(pg|sqlite|duckdb|pragma|__)_?", re.IGNORECASE)


def check(sql: str, *, catalog: str = "") -> str:
    """The one SELECT that `sql` is, without its last semicolon, safe to stand in brackets. Raises `SqlRefused`.

    `catalog` is the name of the database whose tables may be named in full.
    """
    if len(sql) > LONGEST:
        raise SqlRefused(f"the statement has {len(sql)} characters; at most {LONGEST} are taken")
    if "\x00" in sql or not _is_text(sql):
        raise SqlRefused("the statement holds a character that is no text")
    if len(_trees(sql)) != 1:
        raise SqlRefused("one SELECT at a time: send exactly one statement")
    body = _without_semicolon(sql)
    # What runs is this text, with a limit or a CREATE TABLE of the door's own around it.
    whole = bracketed(body, 1)
    trees = _trees(whole)
    if len(trees) != 1:
        raise SqlRefused("one SELECT at a time: send exactly one statement")
    for place, node in _nodes(trees[0]):
        try:
            _check_node(place, node, catalog.lower())
        except SqlRefused as refusal:
            refusal.position = _position(whole, body, node.get("query_location"))
            raise
    return body


def bracketed(body: str, rows: int, shown: str = "*") -> str:
    """`body` as a subquery of at most `rows` rows; a line end keeps a closing comment from hiding the bracket."""
    return f"SELECT {shown} FROM (\n{body}\n) LIMIT {rows}"


@functools.cache
def _parser() -> duckdb.DuckDBPyConnection:
    parser = duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"})
    parser.execute("SET autoload_known_extensions = false; SET autoinstall_known_extensions = false")
    return parser


@functools.cache
def functions() -> frozenset[str]:
    """Names of the functions that may stand in an expression."""
    rows = (
        _parser()
        .cursor()
        .execute(
            "SELECT function_name, bool_or(coalesce(has_side_effects, false)) FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'aggregate', 'macro') AND database_name = 'system' GROUP BY ALL"
        )
    )
    known = {name.lower() for name, effects in rows.fetchall() if not effects or name in HARMLESS}
    return frozenset({name for name in known if not name.startswith("__")} - REFUSED | SYNTAX)


def _trees(sql: str) -> list[Any]:
    with _parser().cursor() as cursor:
        try:
            row = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
            answer = json.loads(row[0]) if row else {}
        except (duckdb.Error, RecursionError, ValueError) as error:
            raise SqlRefused("the statement is nested too deeply to be checked; break it up with WITH") from error
    if answer.get("error", True):
        kind, message = answer.get("error_type", ""), str(answer.get("error_message", ""))
        if kind == "not implemented":
            raise SqlRefused("only SELECT is answered here (also WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES)")
        position = int(answer["position"]) if str(answer.get("position", "")).isdecimal() else None
        raise SqlRefused(f"the statement cannot be read: {message}", position=position)
    statements: list[Any] = answer["statements"]
    return statements


def _position(whole: str, body: str, location: object) -> int | None:
    """Where in `body` something stands that DuckDB found at a byte of `whole`, in characters."""
    text = whole.encode()
    if not isinstance(location, int) or location >= len(text):
        return None
    before = len(text[:location].decode(errors="ignore")) - whole.index(body)
    return before if 0 <= before < len(body) else None


def _without_semicolon(sql: str) -> str:
    text = sql.encode()
    end = len(text)
    for start, _ in reversed(duckdb.tokenize(sql)):
        if text[start : start + 1] != b";":
            break
        end = start
    return text[:end].decode()


def _is_text(sql: str) -> bool:
    try:
        sql.encode()
    except UnicodeEncodeError:
        return False
    return True


def _nodes(tree: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    waiting = [("", tree)]
    while waiting:
        place, node = waiting.pop()
        if isinstance(node, dict):
            yield place, node
            waiting.extend(node.items())
        elif isinstance(node, list):
            waiting.extend((place, item) for item in node)


def _check_node(place: str, node: dict[str, Any], catalog: str) -> None:
    kind, family = node.get("type"), node.get("class")
    if family is not None:
        if family not in EXPRESSIONS:
            raise SqlRefused(f"{str(family).lower().replace('_', ' ')} expressions are not answered here")
        if "function_name" in node:
            _check_function(node, TABLE_FUNCTIONS if place == "function" else functions())
    elif isinstance(kind, str):
        if kind not in SYNTAX_NODES and not kind.endswith("_TYPE_INFO"):
            raise SqlRefused(f"{kind.lower().replace('_', ' ')} is not answered here")
        if kind == "BASE_TABLE":
            _check_table(node, catalog)
        elif kind == "SHOW_REF":
            _check_show(node, catalog)


def _check_function(node: dict[str, Any], known: frozenset[str]) -> None:
    name = str(node["function_name"]).lower()
    system = node.get("catalog", "") in {"", "system"} and node.get("schema", "") in {"", "main", "pg_catalog"}
    if not system or name not in known:
        raise SqlRefused(f"the function {name} is not among those that only compute or list")


def _check_table(node: dict[str, Any], catalog: str) -> None:
    name, schema = str(node["table_name"]), str(node["schema_name"]).lower()
    if node.get("at_clause"):
        raise SqlRefused("AT (VERSION ...) is not answered here")
    if _FILE_LIKE.search(name):
        raise SqlRefused(f"'{name}' looks like a file; files are not read here, only tables (SHOW TABLES)")
    if str(node["catalog_name"]).lower() not in {"", catalog}:
        raise SqlRefused(f"the database {node['catalog_name']} is not open to queries")
    # `tips.tip_scores` names database and table, though the tree calls the first of the two a schema.
    if schema not in {"", "main", "information_schema", catalog}:
        raise SqlRefused(f"the schema {schema} is not open to queries")
    if schema != "information_schema" and _SYSTEM_LIKE.match(name) and name.lower() not in SYSTEM_TABLES:
        raise SqlRefused(f"the system table {name} is not open to queries")


def _check_show(node: dict[str, Any], catalog: str) -> None:
    inside = str(node["catalog_name"]).lower() in {"", catalog} and str(node["schema_name"]).lower() in {"", "main"}
    if str(node["table_name"]).lower() not in SHOWN or not inside:
        raise SqlRefused("of SHOW, only SHOW TABLES, SHOW ALL TABLES and SHOW <table> are answered here")
