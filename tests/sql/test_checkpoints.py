"""An open door does not keep DuckDB from checkpointing: the write-ahead log must not grow for ever."""

from pathlib import Path

import duckdb

from projections.sql.door import SqlDoor
from tests.servers import free_port


async def test_a_file_behind_the_door_can_be_checkpointed_after_updates(tmp_path: Path) -> None:
    path = tmp_path / "query.duckdb"
    with duckdb.connect(str(path)) as connection:
        writer = connection.cursor()
        writer.execute("CREATE TABLE rewards AS SELECT range AS seq, 0.0 AS reward FROM range(1000)")
        door = SqlDoor(connection, port=free_port(), token_check=lambda _: None, on_statement=lambda _: None)
        await door.start()
        try:
            writer.execute("UPDATE rewards SET reward = 0.5 WHERE seq < 10")
            await door.run("SELECT count(*) FROM rewards", actor="ann")
            writer.execute("UPDATE rewards SET reward = 1.0 WHERE seq < 10")
            writer.execute("CHECKPOINT")
        finally:
            await door.close()
        writer.close()
