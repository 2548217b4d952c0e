"""The Quack side: DuckDB's own server in this process, with every statement run by us instead of by it.

`quack_authentication_function(session, token, server_token)` names the session's person. Then, for each statement,
the server asks `quack_authorization_function(session, query)`, and takes a text it returns as *the statement to run
instead*. That call is where we run the person's statement ourselves, like one from the console: checked, watched, on
a cursor that can be interrupted, its end and its rows known. The answer is kept as a table of a hidden in-memory
database, and the server is told to read that table. So no text of a client ever reaches the server's own sessions,
whose statements could be neither interrupted nor seen to end; no proxy has to stand before it.

An INSERT through an attached table comes as APPEND messages without SQL. The server asks for those too, with the text
`INSERT INTO schema.table VALUES (NULL)` of its own making; there any text would mean yes, so the answer is NULL.

What this cannot see is how much of a kept answer the client fetched, and that a client died. An answer is therefore
taken back after `held_seconds`, and a silent session ends after `session_seconds`, by sending the server what its
client could have sent. In 1.5.5 the server takes bodies of any size before it asks who sends them: it listens on
localhost only, and the watchdog minds the process's memory.
"""

import http.client
import itertools
import logging
import secrets
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

import duckdb

from projections.sql.guard import bracketed
from projections.sql.records import SqlDoorError, SqlError, SqlFailed, SqlLimits, SqlRefused, TokenCheck
from projections.sql.statements import Asked, Statements
from projections.sql.watchdog import Running

AUTHENTICATE, AUTHORIZE = "tipstream_authenticate", "tipstream_authorize"
SETTLED_SECONDS = 10.0  # by then the server has surely begun to read the answer, and holds it itself
REVOKED = "the token this client attached with is no longer valid; make one in the console and attach anew"
_NO_QUERY_ID = b"\xff" * 9 + b"\x01"
_PREPARE, _DISCONNECT = b"\x01\x00\x03", b"\x01\x00\x0b"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Session:
    """One attached client: whose it is and by which token, when it last asked, the answer it may be fetching."""

    actor: str
    token: str
    seen: float
    answer: str | None = None
    attached: bool = False
    to_release: bool = False


class QuackServer:
    """Serves one DuckDB instance on `quack:localhost:<port>`; the instance's settings are the door's business."""

    def __init__(self, *, port: int, token_check: TokenCheck, statements: Statements, limits: SqlLimits) -> None:
        self._uri = f"quack:localhost:{port}"
        self._port = port
        self._token_check = token_check
        self._statements = statements
        self._limits = limits
        self._sessions: dict[str, Session] = {}
        self._stale: list[str] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._release = f"SELECT '{secrets.token_hex(16)}'"
        # Functions last as long as the cursor that made them.
        self._owner = statements.cursor()

    def register(self) -> None:
        """Make the two functions and name them in the settings, before the configuration is locked."""
        text, yes = "VARCHAR", "BOOLEAN"
        self._owner.create_function(AUTHENTICATE, self.authenticate, [text, text, text], yes, side_effects=True)
        self._owner.create_function(AUTHORIZE, self.authorize, [text, text], text, side_effects=True)
        self._owner.execute(f"SET GLOBAL quack_authentication_function = '{AUTHENTICATE}'")
        self._owner.execute(f"SET GLOBAL quack_authorization_function = '{AUTHORIZE}'")

    def listen(self) -> None:
        """Take clients. Raises `SqlDoorError` when the port is taken."""
        # The server would share the port (SO_REUSEPORT), and each client would reach one of the two by chance.
        with suppress(OSError), socket.create_connection(("localhost", self._port), timeout=1):
            raise SqlDoorError(f"port {self._port} is taken; set TIPSTREAM_QUACK_PORT or end what listens there")
        self._owner.execute("CALL quack_serve(?, token := ?)", [self._uri, secrets.token_hex(16)])

    def close(self) -> None:
        """Take no more clients."""
        self._owner.execute("CALL quack_stop(?)", [self._uri])
        self._owner.close()

    def authenticate(self, session: str, token: str, server_token: str) -> bool:
        """Whether `token` is somebody's; called by the server, whose own token nobody is given."""
        actor = self._token_check(token)
        if actor is None:
            asked = Asked("ATTACH", "unknown", "quack", self._limits.seconds)
            self._statements.refuse(asked, "the token is nobody's; make one in the console")
            return False
        with self._lock:
            self._sessions[session] = Session(actor, token, time.monotonic())
        return True

    def authorize(self, session: str, query: str) -> str | None:
        """What the server runs instead of `query`; None refuses. Called by the server, in its thread."""
        with self._lock:
            known = self._sessions.get(session)
            if known is None:
                return None
            if query == self._release:
                return "SELECT NULL" if known.to_release else None
            known.seen, known.to_release = time.monotonic(), False
            self._forget_answer(known)
        self._detach_stale()
        asked = Asked(query, known.actor, "quack", self._limits.seconds)
        if self._token_check(known.token) != known.actor:
            self._statements.refuse(asked, REVOKED)
            return None if query.startswith("INSERT INTO ") else _raising(REVOKED)
        try:
            name = self._statements.perform(asked, self._keep)
        except SqlError as error:
            self._detach_stale()
            return None if query.startswith("INSERT INTO ") else _raising(str(error))
        with self._lock:
            self._forget_answer(known)  # should the client have sent two statements at once
            known.seen, known.answer, known.attached = time.monotonic(), name, True
            if self._sessions.get(session) is not known:
                self._forget_answer(known)
        return f"FROM {name}.main.answer"

    def _keep(self, cursor: duckdb.DuckDBPyConnection, body: str, _: Running) -> tuple[str, int]:
        name, most = f"answer_{next(self._numbers)}", self._limits.quack_rows
        cursor.execute(f"ATTACH ':memory:' AS {name} (HIDDEN true)")
        try:
            made = cursor.execute(f"CREATE TABLE {name}.main.answer AS {bracketed(body, most + 1)}").fetchone()
            rows = int(made[0]) if made else 0
            if rows > most:
                raise SqlRefused(f"more than {most} rows; aggregate on the server: FROM tips.query('SELECT ...')")
            if self._held(cursor) > self._limits.held << 20:
                raise SqlFailed(
                    f"with what others fetch now, the answer takes more than {self._limits.held} MiB; "
                    "aggregate on the server: FROM tips.query('SELECT ...'), or try again in a minute"
                )
        except BaseException:
            with self._lock:
                self._stale.append(name)
            raise
        return name, rows

    @staticmethod
    def _held(cursor: duckdb.DuckDBPyConnection) -> int:
        # DuckDB counts no database by itself: this holds the few rows too that the fold has not checkpointed.
        row = cursor.execute(
            "SELECT coalesce(sum(memory_usage_bytes + temporary_storage_bytes), 0)::BIGINT "
            "FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
        ).fetchone()
        return int(row[0]) if row else 0

    def _detach_stale(self) -> None:
        # On a cursor of its own: the one that made the answer may still be interrupted.
        with self._lock:
            stale, self._stale = self._stale, []
        if stale:
            with self._statements.cursor() as cursor:
                for name in stale:
                    cursor.execute(f"DETACH {name}")

    def _forget_answer(self, known: Session) -> None:
        if known.answer and known.attached:
            self._stale.append(known.answer)
        known.answer, known.attached = None, False

    def sweep(self) -> None:
        """Let go of what clients no longer read; blocks for some milliseconds, to be called every second or so."""
        now = time.monotonic()
        release: list[str] = []
        with self._lock:
            for session, known in self._sessions.items():
                idle = now - known.seen
                if known.answer and known.attached and idle > SETTLED_SECONDS:
                    self._stale.append(known.answer)
                    known.attached = False
                if known.answer and idle > self._limits.held_seconds:
                    known.to_release = True
                    release.append(session)
            gone = self._outworn(now)
            for session in gone:
                self._forget_answer(self._sessions.pop(session))
            release = [session for session in release if session not in gone]
        for session in release:
            self._tell(_PREPARE, session, self._release)
            with self._lock:
                known = self._sessions[session]
                if known.to_release:
                    known.to_release = False
                    self._forget_answer(known)
        for session in gone:
            self._tell(_DISCONNECT, session)
        self._detach_stale()

    def _outworn(self, now: float) -> set[str]:
        by_age = sorted(self._sessions, key=lambda session: -self._sessions[session].seen)
        kept: dict[str, int] = {}
        gone: set[str] = set()
        for session in by_age:
            known = self._sessions[session]
            kept[known.actor] = kept.get(known.actor, 0) + 1
            if kept[known.actor] > self._limits.sessions or now - known.seen > self._limits.session_seconds:
                gone.add(session)
        return gone

    def _tell(self, kind: bytes, session: str, query: str | None = None) -> None:
        # DuckDB's binary format: field number (two bytes), value; strings carry their length; FF FF ends an object.
        header = kind + b"\x02\x00" + _sized(session) + b"\x03\x00" + _NO_QUERY_ID + b"\xff\xff"
        content = b"" if query is None else b"\x01\x00" + _sized(query)
        connection = http.client.HTTPConnection("localhost", self._port, timeout=5)
        try:
            connection.request("POST", "/quack", header + content + b"\xff\xff")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            _log.warning("the Quack server did not answer its own process: %s", error)
        finally:
            connection.close()


def _sized(text: str) -> bytes:
    # One byte of length holds up to 127.
    return bytes([len(text)]) + text.encode()


def _raising(message: str) -> str:
    return "SELECT error('{}')".format(message.replace("'", "''").replace("\x00", ""))
