"""The guard takes what analysts write and refuses everything else."""

import pytest

from projections.sql.guard import check, functions
from projections.sql.records import SqlRefused
from tests.sql.attacks import REFUSED

TAKEN = [
    "SELECT 1",
    "SELECT 1;",
    " /* a */ SELECT 1 ; ; -- done",
    "SELECT ';' AS a, $$;$$ AS b;",
    "FROM tip_scores",
    "TABLE tip_scores",
    "VALUES (1), (2)",
    "SELECT * EXCLUDE (a) REPLACE (b AS c) FROM t",
    "SELECT user_id, count(*) FILTER (WHERE score > 1), sum(score) OVER w FROM tip_scores GROUP BY ALL "
    "HAVING count(*) > 1 WINDOW w AS (PARTITION BY user_id ORDER BY seq ROWS 3 PRECEDING) ORDER BY ALL LIMIT 5",
    "SELECT row_number() OVER (), lag(a) OVER (ORDER BY b), rank() OVER (ORDER BY a) FROM t QUALIFY a > 1",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT max(n) FROM r",
    "WITH a AS MATERIALIZED (SELECT 1) SELECT * FROM a UNION BY NAME SELECT 2 EXCEPT SELECT 3",
    "SELECT * FROM a JOIN b USING (x) LEFT JOIN c ON a.y = c.y SEMI JOIN d USING (x) ASOF JOIN e ON e.t >= a.t",
    "SELECT [x + 1 FOR x IN [1, 2] IF x > 1], list_transform([1], lambda x: x + 1), {'a': 1}.a, MAP {1: 2}[1], a[1:2]",
    "SELECT CASE WHEN a THEN 1 ELSE 2 END, coalesce(a, b), nullif(a, b), TRY_CAST(a AS INT), a BETWEEN 1 AND 2, "
    "EXISTS (SELECT 1), a = ANY (SELECT 2), extract(year FROM b), b AT TIME ZONE 'UTC', -a, a ILIKE 'x%' FROM t",
    "SELECT data -> '$.x', data ->> 'x', json_extract(data, '$.y'), unnest([1, 2]), current_date, now() FROM t",
    "SELECT date_trunc('day', t), time_bucket(INTERVAL 1 HOUR, t), strftime(t, '%Y'), epoch_us(t), t::DATE FROM t",
    "SELECT quantile_cont(score, 0.9), arg_max(user_id, score), string_agg(user_id, ',') FROM tip_scores",
    "SELECT * FROM range(10) a, generate_series(1, 3) b, unnest([1]) u(x), (VALUES (1)) v(y)",
    "SELECT * FROM json_each('[1]')",
    "UNPIVOT t ON a, b INTO NAME n VALUE v",
    "SELECT max(COLUMNS(*)) FROM t",
    "SELECT ('x').upper(), #1 FROM t",
    "SELECT * FROM t USING SAMPLE 10% (bernoulli, 3)",
    "DESCRIBE tip_scores",
    "SUMMARIZE tip_scores",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SELECT * FROM tips.main.tip_scores JOIN tips.feedback USING (seq)",
    "SELECT table_name FROM information_schema.tables",
    "SELECT schema_name, sql, 'table' FROM duckdb_tables() UNION ALL SELECT schema_name, view_name, 'view' "
    "FROM duckdb_views()",
]


@pytest.mark.parametrize("sql", TAKEN)
def test_a_reading_statement_is_taken(sql: str) -> None:
    check(sql, catalog="tips")


@pytest.mark.parametrize("sql", REFUSED)
def test_an_attack_is_refused(sql: str) -> None:
    with pytest.raises(SqlRefused):
        check(sql)


def test_the_taken_text_has_lost_its_last_semicolon_only() -> None:
    assert check("SELECT ';é' AS a ; ;") == "SELECT ';é' AS a "
    assert check("SELECT 1 -- x;") == "SELECT 1 -- x;"


def test_of_the_volatile_functions_only_the_harmless_are_known() -> None:
    assert {"random", "uuid", "error", "date_trunc", "sum", "list_aggregate"} <= functions()
    unwanted = {"nextval", "currval", "setseed", "write_log", "sleep_ms", "pg_sleep", "current_setting", "getvariable"}
    assert not functions() & (unwanted | {"query", "json_execute_serialized_sql", "current_query_id", "stats"})


def test_a_statement_too_long_or_nested_too_deeply_is_refused() -> None:
    for sql in ("SELECT " + "1," * 20_000 + "1", "SELECT " + "NOT " * 4000 + "true", "SELECT " + "[" * 4000):
        with pytest.raises(SqlRefused):
            check(sql)


def test_a_refusal_says_what_would_be_taken() -> None:
    with pytest.raises(SqlRefused, match="only SELECT is answered here"):
        check("DROP TABLE tip_scores")
    with pytest.raises(SqlRefused, match="exactly one statement"):
        check("SELECT 1; SELECT 2")
    with pytest.raises(SqlRefused, match="files are not read here"):
        check("FROM 'tips.csv'")
