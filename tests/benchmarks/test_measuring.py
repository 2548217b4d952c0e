"""The benchmarks' own machinery: turns, ratios, tables, and load at a fixed arrival rate."""

import asyncio
from collections import Counter
from pathlib import Path

import orjson
import pytest

from benchmarks import figures, learning
from benchmarks.__main__ import NAMES
from benchmarks.figures import Figures, times
from benchmarks.load import Demand, put_load
from benchmarks.measure import Prepared, in_turns, ratio
from benchmarks.options import Options


async def test_things_take_turns_and_preparing_is_not_measured() -> None:
    done: Counter[str] = Counter()

    def sync_work() -> int:
        done["sync"] += 1
        return 5

    async def async_work(material: int) -> int:
        done["async"] += 1
        return material

    rates = await in_turns({"sync": sync_work, "async": Prepared(lambda: 7, async_work)}, turns=3, slice_s=0.001)
    assert {name: len(each) for name, each in rates.items()} == {"sync": 3, "async": 3}
    assert min(done.values()) >= 4, "three turns and one to warm up"
    assert all(rate > 0 for each in rates.values() for rate in each)


def test_a_ratio_is_the_median_of_the_turns_ratios() -> None:
    assert ratio({"a": [10.0, 30.0, 100.0], "b": [5.0, 10.0, 1.0]}, "a", "b") == 3.0
    assert (times(3.0), times(1234.5)) == ("3.00x", "1,234x")


def test_results_are_kept_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "RESULTS", tmp_path / "results")
    found = Figures("some", "Some", ("what", "a second"))
    found.add("ours", 12.5)
    found.skip("a peer", "not installed")
    saved = orjson.loads(found.save().read_bytes())
    assert saved["rows"] == [["ours", 12.5]]
    assert saved["notes"] == ["SKIPPED a peer: not installed"]


def test_every_benchmark_is_a_module() -> None:
    folder = Path(figures.__file__).parent
    assert all((folder / f"{name}.py").is_file() for name in NAMES)


async def test_the_table_of_learning_shows_the_margin_over_random() -> None:
    [table] = await learning.run(Options.quick())
    margin = {row[0]: row[4] for row in table.rows if row[1] == "all"}
    assert margin["random"] == 0.0
    assert isinstance(margin["linucb"], float)
    assert margin["linucb"] > 0.08


async def test_load_comes_at_its_rate_and_latency_counts_from_when_a_call_was_due() -> None:
    seen: Counter[bytes] = Counter()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(4096):
            seen[head.partition(b"\r\n\r\n")[2]] += 1
            await asyncio.sleep(0.02)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await put_load(Demand(port, "/score", ["one", "two"], seconds=0.5, rate=100.0))
        saturated = await put_load(Demand(port, "/score", ["one"], seconds=0.3, connections=2))
    assert (outcome.calls, outcome.failed, saturated.failed) == (50, 0, 0)
    assert outcome.p50_ms >= 20
    assert seen[b"one"] >= 25
    assert seen[b"two"] == 25
