"""The signals as a Feast repository: definitions, and Parquet files of what was known when.

Feast joins by time and not by position, so each signal event gets a `known_at`: when the stream recorded it, moved on
by microseconds where needed so that it rises with the sequence. `moments.parquet` holds the pairs.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from contracts.errors import TipstreamError
from ml.features.feature_set import FeatureSet, Signal
from ml.offline.asof import MOMENT, VERSIONS
from services.durable import NotWritten, sync

PROJECT = "tipstream"
DATA = "data"
MOMENTS = "moments.parquet"
DEFINITIONS, STORE = "definitions.py", "feature_store.yaml"
DRAFT = ".tipstream-"
MARK = "written by `tipstream features export-feast`"
"""Stands in the first line of definitions that are ours, and so may be replaced."""

CONFIGURATION = f"""\
project: {PROJECT}
provider: local
registry: {DATA}/registry.db
offline_store:
  type: dask
online_store:
  type: sqlite
  path: {DATA}/online_store.db
entity_key_serialization_version: 3
"""

_HEAD = '''\
"""The signals of {name}, {mark}: write it anew instead of editing it."""

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, String

DATA = Path(__file__).resolve().parent / "{data}"

person = Entity(name="person", join_keys=["user_id"], value_type=ValueType.STRING)


def view(name: str, description: str, tags: dict[str, str]) -> FeatureView:
    """What was known of one signal when. No value goes stale here: features judge ages by a decision's own clock."""
    return FeatureView(
        name=name,
        description=description,
        tags=tags,
        entities=[person],
        ttl=timedelta(0),
        schema=[
            Field(name="value", dtype=Float64),
            Field(name="source", dtype=String),
            Field(name="observed_at", dtype=String),
            Field(name="token_expires_at", dtype=String),
        ],
        source=FileSource(
            name=f"{{name}}_history",
            path=str(DATA / f"{{name}}.parquet"),
            timestamp_field="known_at",
            created_timestamp_column="recorded_at",
        ),
    )


'''

_KNOWN_AT = """
    SELECT seq, recorded_at,
           make_timestamptz(max(epoch_us(recorded_at) - row) OVER (ORDER BY seq) + row) AS known_at
    FROM (SELECT seq, recorded_at, row_number() OVER (ORDER BY seq) AS row FROM signals)
"""
"""Rises by a microsecond at least from one signal event to the next, and is never before it was recorded."""

# The empty row before the first keeps a person in Feast's answer at moments when this signal was not known yet.
_HISTORY = f"""
    WITH versions AS ({VERSIONS}), moments AS ({_KNOWN_AT})
    SELECT user_id, value, source, strftime(observed_at, {MOMENT}) AS observed_at,
           strftime(token_expires_at, {MOMENT}) AS token_expires_at, known_at,
           make_timestamptz(epoch_us(recorded_at)) AS recorded_at
    FROM versions JOIN moments USING (seq)
    UNION ALL
    SELECT DISTINCT user_id, NULL::DOUBLE, NULL::VARCHAR, NULL::VARCHAR, NULL::VARCHAR, make_timestamptz(0),
           make_timestamptz(0)
    FROM versions
    ORDER BY user_id, known_at
"""


class NotEmpty(TipstreamError):
    """The folder for a Feast repository holds something else; name a new one, or one that was written before."""


def check_place(folder: Path) -> None:
    """See that a repository can be put there, and make nothing. Raises NotEmpty, NotWritten."""
    try:
        there = folder.exists() and any(not path.name.startswith(DRAFT) for path in folder.iterdir())
        if there and not _is_ours(folder / DEFINITIONS):
            raise NotEmpty(f"{folder} is not empty and holds no Feast repository of ours; name a new folder")
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError as problem:
        raise _unwritten(folder, problem) from None
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise NotWritten(f"{folder} cannot be written: {nearest} is no folder that you may write to")


def export_feast(connection: duckdb.DuckDBPyConnection, feature_set: FeatureSet, folder: Path) -> dict[str, int]:
    """Write the repository; rows by file. A repository written before is written anew. Raises NotEmpty, NotWritten."""
    check_place(folder)
    with _draft(folder) as draft:
        moments = f"SELECT seq, known_at FROM ({_KNOWN_AT}) ORDER BY seq"
        written = {MOMENTS: _copy(connection, moments, {}, draft, MOMENTS)}
        for name in feature_set.signals:
            file = f"{name}.parquet"
            written[file] = _copy(connection, _HISTORY, {"names": [name]}, draft, file)
        (draft / STORE).write_text(CONFIGURATION)
        (draft / DEFINITIONS).write_text(_definitions(feature_set))
    return written


def service_of(feature_set: FeatureSet) -> str:
    """The feature service's name: wellbeing.v1 is wellbeing_v1."""
    return feature_set.name.replace(".", "_")


def _is_ours(definitions: Path) -> bool:
    if not definitions.is_file():
        return False
    with definitions.open("rb") as file:
        return MARK.encode() in file.readline()


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A folder to write in, whose files are moved to `folder` when the block has ended; an error leaves all as it was.

    They are moved one by one, so that what else lies there stays, Feast's own databases among it, and `folder` may be
    a mount or where somebody stands. Only their owner can read them. A process that is killed leaves a hidden
    `.tipstream-...` there.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    draft = folder / f"{DRAFT}{secrets.token_hex(8)}"
    try:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.mkdir(mode=0o700)
            (draft / DATA).mkdir()
            yield draft
            # The marked one is first: whatever happens from here on, it is a repository of ours.
            files = [draft / DEFINITIONS, draft / STORE, *(draft / DATA).iterdir()]
            for file in files:
                file.chmod(0o600)
                sync(file)
            (folder / DATA).mkdir(mode=0o700, exist_ok=True)
            for file in files:
                file.replace(folder / file.relative_to(draft))
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            for path in made:
                with suppress(OSError):
                    path.rmdir()
    except (OSError, duckdb.IOException) as problem:
        raise _unwritten(folder, problem) from None


def _unwritten(folder: Path, problem: Exception) -> NotWritten:
    return NotWritten(f"{folder} cannot be written: {getattr(problem, 'strerror', None) or problem}")


def _copy(
    connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, list[str]], folder: Path, name: str
) -> int:
    path = str(folder / DATA / name).replace("'", "''")
    counted = connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)", values).fetchone()
    assert counted is not None
    return int(counted[0])


def _definitions(feature_set: FeatureSet) -> str:
    views = "".join(_view(signal) for signal in feature_set.signals.values())
    service = service_of(feature_set)
    listed = ", ".join(feature_set.signals)
    return (
        _HEAD.format(name=feature_set.name, mark=MARK, data=DATA)
        + views
        + f'\n{service} = FeatureService(name="{service}", features=[{listed}])\n'
    )


def _view(signal: Signal) -> str:
    low, high = signal.bounds
    tags = {
        "source": signal.source,
        "default": f"{signal.default:g}",
        "bounds": f"{low:g} to {high:g}",
        "max_age_s": str(signal.max_age_s),
    }
    return f"{signal.name} = view({signal.name!r}, {signal.description!r}, {tags!r})\n"
