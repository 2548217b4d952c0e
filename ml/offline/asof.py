"""What was known of a person at a position of the stream: the offline store's joins, over tables of the read model.

Each function gives one SELECT; `$names` are the signals of a feature set, `$feature_set` its name. Knowing has the
order of the stream: a signal that was observed before a decision but recorded after it was not known to it.
"""

VERSIONS = """
    SELECT user_id, name, value, source, observed_at, token_expires_at, seq,
           lead(seq) OVER (PARTITION BY user_id, name ORDER BY seq) AS until_seq
    FROM (
        SELECT seq, user_id, source, observed_at, token_expires_at, told.key AS name, told.value AS value
        FROM (
            SELECT * EXCLUDE ("values"), unnest(map_entries(from_json("values", '"MAP(VARCHAR, DOUBLE)"'))) AS told
            FROM signals
        ) WHERE list_contains($names, told.key)
        QUALIFY observed_at >= max(observed_at) OVER (PARTITION BY user_id, name ORDER BY seq)
    )
"""
"""Every row that `online_features` has ever held, from `seq` until before `until_seq` (NULL: it stands).

As in the fold, a value observed before the one that is held arrives late and does not replace it.
"""

DECISIONS = """
    SELECT seq, user_id, model_seq, from_json(
        context->'signals',
        '"MAP(VARCHAR, STRUCT(value DOUBLE, source VARCHAR, observed_at VARCHAR, token_expires_at VARCHAR))"'
    ) AS logged
    FROM tip_scores
    WHERE NOT external AND feature_set = $feature_set
        AND ($first_seq IS NULL OR seq >= $first_seq) AND ($last_seq IS NULL OR seq <= $last_seq)
"""
"""The decisions of a span of the stream, with the signals that their contexts were logged with."""

MOMENT = "'%Y-%m-%dT%H:%M:%S.%fZ'"
"""How contexts write a moment (`contracts.times.format_time`), for strftime."""

SIGHTINGS = f"""
    SELECT d.seq, d.user_id, d.model_seq, d.name, d.entry,
           coalesce(max(v.seq) FILTER (v.seq <= d.model_seq), min(v.seq)) AS told_seq
    FROM (
        SELECT seq, user_id, model_seq, name, map_extract_value(logged, name) AS entry
        FROM (SELECT *, unnest($names) AS name FROM decisions)
    ) d LEFT JOIN versions v
        ON v.user_id = d.user_id AND v.name = d.name AND v.seq < d.seq
        AND v.value = d.entry.value AND v.source = d.entry.source
        AND strftime(v.observed_at, {MOMENT}) = d.entry.observed_at
        AND strftime(v.token_expires_at, {MOMENT}) IS NOT DISTINCT FROM d.entry.token_expires_at
    GROUP BY ALL
"""
"""Each decision's signals as they were logged, and where the stream had told them (NULL: the caller did)."""

POSITIONS = """
    SELECT seq, model_seq, least(high, seq - 1) AS high, low,
           CASE WHEN low <= least(high, seq - 1) THEN least(greatest(model_seq, low), high, seq - 1)
                ELSE least(model_seq, seq - 1) END AS known_seq,
           low <= least(high, seq - 1) AS traced
    FROM (
        SELECT s.seq, s.model_seq, coalesce(max(s.told_seq), 0) AS low,
               coalesce(min(CASE WHEN s.told_seq IS NOT NULL THEN v.until_seq - 1
                                 WHEN s.entry IS NULL THEN f.first_seq - 1 END), s.seq - 1) AS high
        FROM sightings s
        LEFT JOIN versions v ON v.user_id = s.user_id AND v.name = s.name AND v.seq = s.told_seq
        LEFT JOIN (SELECT user_id, name, min(seq) AS first_seq FROM versions GROUP BY ALL) f
            ON f.user_id = s.user_id AND f.name = s.name
        GROUP BY s.seq, s.model_seq
    )
"""
"""How far the read model was when each decision's context was taken from it.

A logged signal says that it had come to that signal and not to the next, an absent one that it had not come to the
first. The position nearest to `model_seq` within those bounds is taken; where no position shows what was logged (the
caller made up the context), `traced` is false and `model_seq` stands.
"""

KNOWN = """
    SELECT asked.seq, asked.known_seq, asked.name, v.value, v.source, v.observed_at, v.token_expires_at,
           v.seq AS told_seq
    FROM asked ASOF LEFT JOIN versions v
        ON asked.user_id = v.user_id AND asked.name = v.name AND asked.known_seq >= v.seq
"""
"""The signal that stood at each asked position (`seq`, `user_id`, `name`, `known_seq`)."""
