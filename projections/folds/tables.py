"""The tables that folds write: columns, keys and which stores keep them. A table kept twice is declared once.

Every table is keyed so that one step of the fold touches few rows; `append` tables only ever gain rows (they may be
patched later), which is what DuckDB is quick at. Times are microseconds since 1970, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "integer", "float", "boolean", "time", "json", "floats", "texts", "bytes"]
Store = Literal["sqlite", "duckdb"]

SQLITE: frozenset[Store] = frozenset({"sqlite"})
DUCKDB: frozenset[Store] = frozenset({"duckdb"})
BOTH: frozenset[Store] = SQLITE | DUCKDB


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table's name, columns in order, key columns, stores; `person` is the column that names whom a row is about.

    `names_person` is the one where a row that is the system's own may name somebody; it goes when they are erased too.

    `names` are the columns' names in order; the key is the first `key_width` of them. There is one object a table, so
    tables compare by identity.
    """

    name: str
    columns: tuple[tuple[str, Kind], ...]
    key: tuple[str, ...]
    stores: frozenset[Store]
    person: str | None = None
    names_person: str | None = None
    append: bool = False
    indexes: tuple[tuple[str, ...], ...] = ()
    names: tuple[str, ...] = field(init=False, repr=False)
    key_width: int = field(init=False, repr=False)
    _positions: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = tuple(name for name, _ in self.columns)
        if names[: len(self.key)] != self.key:
            raise ValueError(f"{self.name}: the key's columns come first, in the key's order")
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "key_width", len(self.key))
        object.__setattr__(self, "_positions", {name: position for position, name in enumerate(names)})

    @property
    def erased_by(self) -> str | None:
        """The column whose rows go with a person, None when no row names anybody."""
        return self.person or self.names_person

    def position(self, column: str) -> int:
        """Where a column stands in a row."""
        return self._positions[column]


def _columns(**kinds: Kind) -> tuple[tuple[str, Kind], ...]:
    return tuple(kinds.items())


TIP_SCORES = Table(
    "tip_scores",
    _columns(
        seq="integer", decision_id="text", user_id="text", tip_id="text", policy="text", policy_version="integer",
        params="json", feature_set="text", model_version="text", kernel="text", state_version="integer",
        catalog_seq="integer", model_seq="integer", context="json", features="json", x_digest="text",
        propensity="float", explored="boolean", missing="texts", stale_sources="texts", imputed="integer",
        feature_count="integer", candidate_count="integer", mean="float", bonus="float", score="float",
        latency_us="integer", occurred_at="time", recorded_at="time", external="boolean", event_id="text",
        verdict="text", outcome="text", reward="float", reacted_at="time", reactions="integer",
    ),
    key=("seq",),
    stores=BOTH,
    person="user_id",
    append=True,
    indexes=(("user_id", "seq"), ("decision_id",)),
)  # fmt: skip

CANDIDATE_LISTS = Table(
    "candidate_lists",
    _columns(
        seq="integer", decision_id="text", user_id="text", tip_ids="texts",
        means="floats", bonuses="floats", scores="floats", x="floats",
        described="json",
    ),
    key=("seq",),
    stores=BOTH,
    person="user_id",
    append=True,
)  # fmt: skip

FEATURE_HISTORY = Table(
    "feature_history",
    _columns(
        user_id="text", slot="integer", seq="integer", decision_id="text", tip_id="text", feature_set="text",
        features="json", missing="texts", stale_sources="texts", occurred_at="time",
    ),
    key=("user_id", "slot"),
    stores=SQLITE,
    person="user_id",
)  # fmt: skip

BANDIT_STATS = Table(
    "bandit_stats",
    _columns(
        user_id="text", feature_set="text", gamma="float", pulls="integer", cumulative_reward="float",
        state_version="integer", reset_seq="integer", s="bytes", c="bytes",
    ),
    key=("user_id", "feature_set", "gamma"),
    stores=SQLITE,
    person="user_id",
)  # fmt: skip

FEEDBACK = Table(
    "feedback",
    _columns(
        seq="integer", event_id="text", user_id="text", action="text", decision_id="text", tip_id="text",
        status="text", effect="text", reward_delta="float", occurred_at="time", recorded_at="time",
    ),
    key=("seq",),
    stores=BOTH,
    person="user_id",
    append=True,
    indexes=(("user_id", "seq"), ("decision_id",)),
)  # fmt: skip

SIGNALS = Table(
    "signals",
    _columns(
        seq="integer", event_id="text", user_id="text", source="text", values="json",
        observed_at="time", token_expires_at="time", recorded_at="time",
    ),
    key=("seq",),
    stores=DUCKDB,
    person="user_id",
    append=True,
)  # fmt: skip

ONLINE_FEATURES = Table(
    "online_features",
    _columns(
        user_id="text", name="text", value="float", source="text",
        observed_at="time", token_expires_at="time", seq="integer",
    ),
    key=("user_id", "name"),
    stores=SQLITE,
    person="user_id",
)  # fmt: skip

SHADOW_SCORES = Table(
    "shadow_scores",
    _columns(
        seq="integer", event_id="text", decision_id="text", user_id="text", policy="text", policy_version="integer",
        model_version="text", state_version="integer", tip_id="text", score="float", propensity="float",
        chosen_propensity="float", agreed="boolean", latency_us="integer", occurred_at="time", recorded_at="time",
    ),
    key=("seq",),
    stores=DUCKDB,
    person="user_id",
    append=True,
)  # fmt: skip

USERS = Table(
    "users",
    _columns(
        user_id="text", first_seen="time", last_seen="time", decisions="integer", feedback="integer",
        signals="integer", last_seq="integer",
    ),
    key=("user_id",),
    stores=SQLITE,
    person="user_id",
    indexes=(("last_seq", "user_id"),),
)  # fmt: skip

TIPS = Table(
    "tips",
    _columns(
        tip_id="text", title="text", body="text", category="text", effort="integer", minutes="integer",
        active="boolean", seq="integer", changed_at="time",
    ),
    key=("tip_id",),
    stores=BOTH,
)  # fmt: skip

POLICIES = Table(
    "policies",
    _columns(
        policy="text", standing="text", weight="float", params="json", version="integer",
        changed_by="text", changed_at="time", seq="integer",
    ),
    key=("policy",),
    stores=BOTH,
)  # fmt: skip

EXPERIMENTS = Table(
    "experiments",
    _columns(
        experiment_id="text", name="text", salt="text", arms="json", holdback="float",
        started_at="time", stopped_at="time", seq="integer",
    ),
    key=("experiment_id",),
    stores=BOTH,
)  # fmt: skip

SAVED_QUERIES = Table(
    "saved_queries",
    _columns(query_id="text", owner="text", name="text", sql="text", saved_at="time", seq="integer"),
    key=("query_id",),
    stores=SQLITE,
)

ADMIN_ACTIONS = Table(
    "admin_actions",
    _columns(
        seq="integer", event_id="text", type="text", actor="text", subject="text", user_id="text", reason="text",
        body="json", occurred_at="time", recorded_at="time",
    ),
    key=("seq",),
    stores=BOTH,
    names_person="user_id",
    indexes=(("type", "seq"), ("type", "actor", "seq")),
    append=True,
)  # fmt: skip

DEAD_LETTERS = Table(
    "dead_letters",
    _columns(
        seq="integer", subject="text", user_id="text", reason="text", detail="text", headers="json", data="bytes",
        recorded_at="time", found_at="time", skipped_by="text", skipped_at="time",
    ),
    key=("seq",),
    stores=SQLITE,
    names_person="user_id",
)  # fmt: skip

REPLAYS = Table(
    "replays",
    _columns(
        replay_id="text", mode="text", projections="json", user_id="text", upto_seq="integer", upto_time="time",
        requested_by="text", requested_at="time", requested_seq="integer", outcome="text", full="boolean",
        events="integer", duration_us="integer", results="json", detail="text", completed_at="time",
    ),
    key=("replay_id",),
    stores=SQLITE,
    names_person="user_id",
)  # fmt: skip

TABLES: tuple[Table, ...] = (
    TIP_SCORES, CANDIDATE_LISTS, FEATURE_HISTORY, BANDIT_STATS, FEEDBACK, SIGNALS, ONLINE_FEATURES, SHADOW_SCORES,
    USERS, TIPS, POLICIES, EXPERIMENTS, SAVED_QUERIES, ADMIN_ACTIONS, DEAD_LETTERS, REPLAYS,
)  # fmt: skip
BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}


def tables_of(store: Store) -> tuple[Table, ...]:
    """The tables a store keeps."""
    return tuple(table for table in TABLES if store in table.stores)
