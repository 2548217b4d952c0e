"""Point look-ups in the live SQLite read model, for the API and the recommender; from any thread, read-only.

Rows are dictionaries by column with the values that the folds wrote: times in microseconds since 1970, JSON as text.
"""

import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.errors import TipstreamError
from contracts.events.admin import PolicyDisabled, PolicyEnabled, PolicyPromoted, PolicyShadowed, SqlExecuted
from contracts.subjects import encode_id
from projections.checkpoint import Checkpoint
from projections.folds.tables import (
    ADMIN_ACTIONS,
    BANDIT_STATS,
    DEAD_LETTERS,
    EXPERIMENTS,
    FEATURE_HISTORY,
    FEEDBACK,
    ONLINE_FEATURES,
    POLICIES,
    REPLAYS,
    SAVED_QUERIES,
    TIP_SCORES,
    TIPS,
    USERS,
    Table,
)
from projections.pointers import Pointers, PointersDamaged
from projections.sqlite_files import UNREADABLE, SqliteFiles
from projections.sqlite_tables import CHECKPOINT_COLUMNS, from_sqlite, listed

PROJECTION = "sqlite"
SEARCHED = 100_000
"""So many people, the latest seen, are searched for a part of their id."""
LAST_CHARACTER = chr(sys.maxunicode)
Row = dict[str, Any]


class ReadModelMissing(TipstreamError):
    """The SQLite read model is not there yet: start `tipstream projector`, or wait until it has made its tables."""


class ReadModel:
    """The live version under HOME; the pointer is followed at each query. All but `close` raise ReadModelMissing."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "read_models"
        self._pointers = Pointers(self._folder)
        self._files = SqliteFiles()

    def checkpoint(self) -> Checkpoint | None:
        """How far the read model is, None before its first event."""
        row = self._one(f"SELECT {CHECKPOINT_COLUMNS} FROM checkpoints")
        return Checkpoint(*row) if row else None

    def seq(self) -> int:
        """The last event in the read model, 0 before the first."""
        row = self._one("SELECT max(seq) FROM checkpoints")
        return row[0] or 0 if row else 0

    def counts(self) -> dict[str, int]:
        """How many people were seen, what they did, how many tips are active and dead letters stand."""
        row = self._one(
            "SELECT count(*), coalesce(sum(decisions), 0), coalesce(sum(feedback), 0), coalesce(sum(signals), 0), "
            "(SELECT count(*) FROM tips WHERE active), "
            "(SELECT count(*) FROM dead_letters WHERE skipped_at IS NULL) FROM users"
        )
        return dict(zip(("users", "decisions", "feedback", "signals", "tips", "dead_letters"), row or (), strict=True))

    def policies(self) -> list[Row]:
        """Every policy's standing, by name."""
        return self._select(POLICIES, "ORDER BY policy")

    def proven(self, policy: str, system: str) -> bool:
        """Whether a policy has decided for people with the parameters it has, and at most a person took it back since.

        If it went into shadow it may have others; the actor `system` changes who decides at a guardrail only.
        """
        shadowed, disabled, enabled, promoted = (
            (event.ce_type(), event.SUBJECT.format(policy=encode_id(policy)))
            for event in (PolicyShadowed, PolicyDisabled, PolicyEnabled, PolicyPromoted)
        )
        of_it = "WHERE (type, subject) IN (VALUES (?, ?), (?, ?)) ORDER BY seq DESC"
        live = self._first(ADMIN_ACTIONS, of_it, *enabled, *promoted)
        if live is None:
            return False
        undone = "WHERE seq > ? AND ((type, subject) = (?, ?) OR actor = ? AND (type = ? OR (type, subject) = (?, ?)))"
        return self._first(ADMIN_ACTIONS, undone, live["seq"], *shadowed, system, promoted[0], *disabled) is None

    def tips(self, active: bool | None = None) -> list[Row]:
        """The catalog by id; only active or only retired tips when `active` says so."""
        where = "" if active is None else "WHERE active " if active else "WHERE NOT active "
        return self._select(TIPS, where + "ORDER BY tip_id")

    def tip(self, tip_id: str) -> Row | None:
        """One tip, retired ones too."""
        return self._first(TIPS, "WHERE tip_id = ?", tip_id)

    def users(self, search: str | None = None, limit: int = 100, offset: int = 0) -> list[Row]:
        """People, the latest seen first: those whose id begins with `search`, or holds it and who were seen lately."""
        if not search:
            return self._select(USERS, "ORDER BY last_seq DESC LIMIT ? OFFSET ?", limit, offset)
        # Each part ends early: at so many found, or after the latest so many people.
        lately = f"SELECT user_id FROM users ORDER BY last_seq DESC LIMIT {SEARCHED}"
        found = (
            f"WHERE user_id IN (SELECT user_id FROM ({lately}) WHERE instr(lower(user_id), lower(?1)) LIMIT ?3 + ?4) "
            "OR user_id IN (SELECT user_id FROM users WHERE user_id >= ?1 AND user_id < ?2 LIMIT ?3 + ?4) "
            "ORDER BY last_seq DESC LIMIT ?3 OFFSET ?4"
        )
        return self._select(USERS, found, search, search + LAST_CHARACTER, limit, offset)

    def user(self, user_id: str) -> Row | None:
        """One person's activity."""
        return self._first(USERS, "WHERE user_id = ?", user_id)

    def online_features(self, user_id: str) -> list[Row]:
        """A person's latest value of each signal, by name."""
        return self._select(ONLINE_FEATURES, "WHERE user_id = ? ORDER BY name", user_id)

    def stats(self, user_id: str) -> list[Row]:
        """What was learned of a person, one row a feature set."""
        return [row for row in self.sums(user_id) if row["gamma"] == 1.0]

    def sums(self, user_id: str) -> list[Row]:
        """A person's sums, one row a feature set and forgetting factor; `s` and `c` are float64 bytes."""
        return self._select(BANDIT_STATS, "WHERE user_id = ? ORDER BY feature_set, gamma", user_id)

    def unanswered(self, user_id: str, after: int) -> int:
        """How many of a person's own decisions past `after` in the stream have no reaction yet."""
        query = "SELECT count(*) FROM tip_scores WHERE user_id = ? AND seq > ? AND reactions = 0 AND NOT external"
        (row,) = self._all(query, (user_id, after))
        return int(row[0])

    def feature_history(self, user_id: str) -> list[Row]:
        """The features of a person's last 100 decisions, the latest first."""
        return self._select(FEATURE_HISTORY, "WHERE user_id = ? ORDER BY seq DESC", user_id)

    def decision(self, decision_id: str) -> Row | None:
        """One decision with its reward so far."""
        return self._first(TIP_SCORES, "WHERE decision_id = ? ORDER BY seq", decision_id)

    def decisions(self, user_id: str | None = None, limit: int = 100, before: int | None = None) -> list[Row]:
        """Decisions, a person's when `user_id` is given, older than `before` in the stream, the latest first."""
        asked = {"user_id = ?": user_id, "seq < ?": before}
        given = {clause: value for clause, value in asked.items() if value is not None}
        where = f"WHERE {' AND '.join(given)} " if given else ""
        return self._select(TIP_SCORES, where + "ORDER BY seq DESC LIMIT ?", *given.values(), limit)

    def contexts(self, seqs: Sequence[int]) -> dict[int, str]:
        """What the features of these decisions were made from, as JSON, by sequence."""
        places = ", ".join("?" * len(seqs))
        return dict(self._all(f"SELECT seq, context FROM tip_scores WHERE seq IN ({places})", tuple(seqs)))

    def told(self, user_id: str, upto: int) -> int:
        """How many decisions and reactions of a person stand in the stream up to and with `upto`."""
        tables = (TIP_SCORES.name, FEEDBACK.name)
        counts = " + ".join(f"(SELECT count(*) FROM {name} WHERE user_id = ?1 AND seq <= ?2)" for name in tables)
        row = self._one(f"SELECT {counts}", user_id, upto)
        return row[0] if row else 0

    def feedback(self, seq: int) -> Row | None:
        """One reaction, by its event's sequence."""
        return self._first(FEEDBACK, "WHERE seq = ?", seq)

    def feedback_from(self, user_id: str, limit: int = 100) -> list[Row]:
        """What a person did, the latest first."""
        return self._select(FEEDBACK, "WHERE user_id = ? ORDER BY seq DESC LIMIT ?", user_id, limit)

    def feedback_of(self, decision_id: str) -> list[Row]:
        """What came in on a decision, in stream order."""
        return self._select(FEEDBACK, "WHERE decision_id = ? ORDER BY seq", decision_id)

    def dead_letters(self, limit: int = 100, reason: str | None = None) -> list[Row]:
        """What could not count, for one reason if given, the latest first."""
        where, values = ("", ()) if reason is None else ("WHERE reason = ? ", (reason,))
        return self._select(DEAD_LETTERS, where + "ORDER BY seq DESC LIMIT ?", *values, limit)

    def dead_letter_reasons(self) -> list[Row]:
        """How many dead letters stand for each reason, how many are `open` (not skipped), and the latest one's time."""
        rows = self._all(
            "SELECT reason, count(*), count(*) FILTER (WHERE skipped_at IS NULL), max(recorded_at) FROM dead_letters "
            "GROUP BY reason ORDER BY count(*) DESC, reason",
            (),
        )
        return [dict(zip(("reason", "letters", "open", "latest"), row, strict=True)) for row in rows]

    def experiments(self) -> list[Row]:
        """Experiments, the latest started first."""
        return self._select(EXPERIMENTS, "ORDER BY started_at DESC, experiment_id")

    def running(self) -> list[Row]:
        """Experiments that run, the earliest started first."""
        return self._select(EXPERIMENTS, "WHERE stopped_at IS NULL ORDER BY started_at, experiment_id")

    def experiment(self, experiment_id: str) -> Row | None:
        """One experiment."""
        return self._first(EXPERIMENTS, "WHERE experiment_id = ?", experiment_id)

    def saved_queries(self, owner: str | None = None) -> list[Row]:
        """Kept queries by name, of all or of one owner."""
        return self._select(SAVED_QUERIES, "WHERE ? IS NULL OR owner = ? ORDER BY name, query_id", owner, owner)

    def saved_query(self, query_id: str) -> Row | None:
        """One kept query."""
        return self._first(SAVED_QUERIES, "WHERE query_id = ?", query_id)

    def statements(self, actor: str | None = None, door: str | None = None, limit: int = 100) -> list[Row]:
        """Actions that are statements of an actor (of everybody for None) through a door, the latest first."""
        where, values = ["type = ?"], [SqlExecuted.ce_type()]
        if actor is not None:
            where, values = [*where, "actor = ?"], [*values, actor]
        if door is not None:
            where, values = [*where, "json_extract(body, '$.door') = ?"], [*values, door]
        rest = f"WHERE {' AND '.join(where)} ORDER BY seq DESC LIMIT ?"
        return self._select(ADMIN_ACTIONS, rest, *values, limit)

    def admin_actions(self, limit: int = 100, kind: str | None = None) -> list[Row]:
        """Who did what and when, of one event type or all, the latest first."""
        where, values = ("", ()) if kind is None else ("WHERE type = ? ", (kind,))
        return self._select(ADMIN_ACTIONS, where + "ORDER BY seq DESC LIMIT ?", *values, limit)

    def replays(self, limit: int = 1000) -> list[Row]:
        """Replays asked for, the latest first."""
        return self._select(REPLAYS, "ORDER BY requested_seq DESC LIMIT ?", limit)

    def replay(self, replay_id: str) -> Row | None:
        """One replay."""
        return self._first(REPLAYS, "WHERE replay_id = ?", replay_id)

    def close(self) -> None:
        """Close the files, once no thread reads any more."""
        self._files.close()
        self._pointers.close()

    def _first(self, table: Table, rest: str, *values: Any) -> Row | None:
        return next(iter(self._select(table, rest + " LIMIT 1", *values)), None)

    def _select(self, table: Table, rest: str, *values: Any) -> list[Row]:
        read, names = from_sqlite(table), table.names
        rows = self._all(f"SELECT {listed(names)} FROM {table.name} {rest}", values)
        return [dict(zip(names, read(row), strict=True)) for row in rows]

    def _one(self, query: str, *values: Any) -> tuple[Any, ...] | None:
        return next(iter(self._all(query, values)), None)

    def _all(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            pointer = self._pointers.get(PROJECTION)
            path = self._folder / f"{PROJECTION}-v{pointer.version}.sqlite" if pointer else None
            connection = self._files.get(path) if path else None
            if connection is not None:
                return connection.execute(query, values).fetchall()
        except PointersDamaged as problem:
            raise ReadModelMissing(str(problem)) from problem
        except sqlite3.DatabaseError as problem:
            if "no such" in str(problem):
                raise ReadModelMissing(
                    f"the SQLite read model is being made ({problem}); try again shortly"
                ) from problem
            if getattr(problem, "sqlite_errorcode", 0) & 0xFF in UNREADABLE:
                raise ReadModelMissing(f"{path}: {problem}; start `tipstream projector` again") from problem
            raise
        raise ReadModelMissing(f"no SQLite read model under {self._folder}; start `tipstream projector`")
