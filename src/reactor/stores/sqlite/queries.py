"""All questions that the store asks, as constants.

Every row that is fetched gives the interpreter lock away once, so many rows come back as ONE: a JSON list that SQLite
joins together. The order inside is set again by whoever reads it.
"""

from __future__ import annotations

from functools import cache

LATE = 1000 << 22
"""How far a run's key may be above its event's to be found without an index: a second (see the index `runs_late`)."""
MAX_KEY = (1 << 63) - 1
SOON = 60_000
"""Milliseconds after it was made within which a run has ended that is not in the index `runs_long`."""


def _joined(row: str, rest: str) -> str:
    joined = "SELECT '[' || coalesce(group_concat(x), '') || ']' FROM"
    return f"{joined} (SELECT {row} AS x {rest})"


RUN_JSON = """'[' || key || ',' || origin || ',' || version || ',' || status || ','
 || coalesce(event_key, 'null') || ',' || coalesce(parent_key, 'null') || ',' || created_at || ','
 || coalesce(started_at, 'null') || ',' || coalesce(finished_at, 'null') || ',' || coalesce(wake_at, 'null') || ','
 || owner || ',' || epoch || ',' || coalesce(more, 'null') || ']'"""

EVENT_JSON = """'[' || key || ',' || json_quote(id) || ',' || json_quote(type) || ',' || json_quote(source) || ','
 || json_quote(subject) || ',' || time || ',' || external || ',' || coalesce(more, 'null') || ','
 || json_quote(blob) || ',' || coalesce(data, 'null') || ']'"""

EVENT_ROW_JSON = """'[' || key || ',' || json_quote(id) || ',' || json_quote(type) || ',' || json_quote(source) || ','
 || json_quote(subject) || ',' || time || ',' || size || ','
 || CASE WHEN external & 4 THEN coalesce(more, 'null') ELSE 'null' END || ']'"""

JOURNAL_JSON = "'[' || run || ',' || coalesce(data, json_quote(blob)) || ']'"

_KEYS = "(SELECT value FROM json_each(?))"
RUNS_BY_KEYS = _joined(RUN_JSON, f"FROM runs WHERE key IN {_KEYS}")
EVENTS_BY_KEYS = _joined(EVENT_JSON, f"FROM events WHERE key IN {_KEYS}")
JOURNAL_BY_RUNS = _joined(JOURNAL_JSON, f"FROM journal WHERE run IN {_KEYS} ORDER BY run, id")

LINES_OF_RUN = _joined("data", "FROM lines WHERE run = ? ORDER BY id")
CHILDREN = _joined(RUN_JSON, "FROM runs WHERE parent_key = ? ORDER BY key")
DUE = _joined(
    "'[' || wake_at || ',' || key || ']'",
    """FROM runs INDEXED BY runs_by_wake WHERE status = 2 AND wake_at IS NOT NULL
    AND wake_at BETWEEN :at AND :before AND (wake_at > :at OR key > :key) ORDER BY wake_at, key LIMIT :limit""",
)
LIVE = _joined("key", "FROM runs INDEXED BY runs_by_status WHERE status = ? AND key > ? ORDER BY key LIMIT ?")

STARTED_NEAR = _joined(
    RUN_JSON,
    f"""FROM runs NOT INDEXED WHERE key BETWEEN :first AND :last AND parent_key IS NULL
    AND event_key IN {_KEYS.replace("?", ":keys")} ORDER BY key LIMIT :limit""",
)
STARTED_LATE = _joined(
    RUN_JSON,
    f"""FROM runs INDEXED BY runs_late WHERE key - event_key NOT BETWEEN 0 AND {LATE} AND parent_key IS NULL
    AND event_key IN {_KEYS.replace("?", ":keys")} ORDER BY key LIMIT :limit""",
)

_EVENT_REST = """ AND key < :below AND key >= :since
 AND (:type IS NULL OR +type = :type) AND (:source IS NULL OR +source = :source)
 AND (:subject IS NULL OR +subject = :subject)
 AND (:prefix IS NULL OR (+type >= :prefix AND +type < :prefix || char(1114111))) ORDER BY key DESC LIMIT :limit"""
EVENTS_ALL = _joined(EVENT_ROW_JSON, "FROM events NOT INDEXED WHERE 1" + _EVENT_REST)
EVENTS_BY_TYPE = _joined(EVENT_ROW_JSON, "FROM events INDEXED BY events_by_type WHERE type = :type" + _EVENT_REST)
EVENTS_BY_SOURCE = _joined(
    EVENT_ROW_JSON, "FROM events INDEXED BY events_by_source WHERE source = :source" + _EVENT_REST
)
EVENTS_BY_SUBJECT = _joined(
    EVENT_ROW_JSON,
    "FROM events INDEXED BY events_by_subject WHERE subject IS NOT NULL AND subject = :subject" + _EVENT_REST,
)
# One step of the index for each type.
TYPES_OF_PREFIX = """WITH RECURSIVE types (x) AS (
 SELECT min(type) FROM events INDEXED BY events_by_type WHERE type >= :prefix UNION ALL
 SELECT (SELECT min(type) FROM events INDEXED BY events_by_type WHERE type > x) FROM types
  WHERE x < :prefix || char(1114111))
 SELECT x FROM types WHERE x < :prefix || char(1114111) LIMIT :most"""
_SINCE_REST = """ AND key > :above AND key < :below AND (:type IS NULL OR +type = :type)
 AND (:source IS NULL OR +source = :source) AND (:subject IS NULL OR +subject = :subject)
 AND (:prefix IS NULL OR (+type >= :prefix AND +type < :prefix || char(1114111))) ORDER BY key LIMIT :limit"""
SINCE_ALL = _joined(EVENT_ROW_JSON, "FROM events NOT INDEXED WHERE 1" + _SINCE_REST)
SINCE_BY_SUBJECT = _joined(
    EVENT_ROW_JSON,
    "FROM events INDEXED BY events_by_subject WHERE subject IS NOT NULL AND subject = :subject" + _SINCE_REST,
)
SINCE_BY_TYPE = _joined(EVENT_ROW_JSON, "FROM events INDEXED BY events_by_type WHERE type = :type" + _SINCE_REST)
EVENT_BY_ID = _joined(
    EVENT_JSON, "FROM events INDEXED BY events_by_id WHERE external > 0 AND id = ? ORDER BY key DESC LIMIT 20"
)

# Counting an index reads only its pages: 20 ms a million rows. The table itself would be read with its payloads.
COUNTS = """SELECT json_array(
    (SELECT count(*) FROM runs INDEXED BY runs_by_status WHERE status = 0),
    (SELECT count(*) FROM runs INDEXED BY runs_by_status WHERE status = 1),
    (SELECT count(*) FROM runs INDEXED BY runs_by_status WHERE status = 2),
    (SELECT count(*) FROM runs INDEXED BY runs_by_status WHERE status = 3),
    (SELECT count(*) FROM events INDEXED BY events_by_type), (SELECT count(*) FROM runs INDEXED BY runs_by_status))"""

# Events in the order of the log. Looking far is bounded by the rows that are looked at, not by those that are found.
COUNT_BETWEEN = "SELECT count(*) FROM (SELECT 1 FROM events NOT INDEXED WHERE key > ? AND key < ? LIMIT ?)"
LOOKED_AT = """SELECT count(*), count(*) FILTER (WHERE before < :bytes), max(key) FILTER (WHERE before < :bytes) FROM
 (SELECT key, sum(size) OVER (ORDER BY key) - size AS before FROM
  (SELECT key, size FROM events NOT INDEXED WHERE key > :after AND key < :below ORDER BY key LIMIT :limit))"""
EVENTS_BETWEEN = _joined(
    EVENT_JSON,
    """FROM events NOT INDEXED WHERE key > :after AND key <= :upto
    AND (:types IS NULL OR type IN (SELECT value FROM json_each(:types))) ORDER BY key""",
)
_STATE_JSON = "'[' || json_quote(key) || ',' || due || ',' || value || ']'"
KEY_STATES = _joined(_STATE_JSON, f"FROM key_states WHERE owner = :owner AND key IN {_KEYS.replace('?', ':keys')}")
STATES_DUE = _joined(
    _STATE_JSON,
    """FROM key_states INDEXED BY key_states_by_due WHERE owner = :owner AND due <= :before
    ORDER BY due LIMIT :limit""",
)

VERDICTS = "SELECT flow, run_key, more FROM verdicts WHERE event_key = ? ORDER BY flow"
LETTERS = """SELECT key, trigger_key, reason, size, more FROM letters
 WHERE (:trigger IS NULL OR trigger_key = :trigger) AND key < :below ORDER BY key DESC LIMIT :limit"""
LETTER = "SELECT key, trigger_key, reason, size, more, payload FROM letters WHERE key = ?"
LETTER_COUNTS = "SELECT trigger_key, count(*) FROM letters INDEXED BY letters_by_trigger GROUP BY trigger_key"
SAVED = "SELECT name, value FROM saved WHERE trigger_key = ?"
ORIGINS = "SELECT id, flow, trigger_key FROM origins"

_VERSION = """SELECT v.flow, v.version, v.digest, v.source, v.file, v.created_at, f.enabled, v.current
 FROM versions v JOIN flows f ON f.name = v.flow """
VERSIONS_OF = _VERSION + "WHERE v.flow = ? ORDER BY v.version"
VERSIONS_CURRENT = _VERSION + "WHERE v.current ORDER BY v.created_at, v.flow"
VERSION = _VERSION + "WHERE v.flow = ? AND v.version = ?"
KEEP_FLOW = (
    "INSERT INTO flows (name, enabled) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled"
)
RETIRE_VERSIONS = "UPDATE versions SET current = 0 WHERE flow = ? AND version <> ? AND current"
KEEP_VERSION = """INSERT INTO versions (flow, version, digest, source, file, created_at, current)
 VALUES (?, ?, ?, ?, ?, ?, ?)
 ON CONFLICT (flow, version) DO UPDATE SET current = excluded.current, file = excluded.file, source = excluded.source"""

KEEP_INSTANCE = "INSERT OR REPLACE INTO instances (id, name, pid, started_at) VALUES (0, ?, ?, ?)"

# What a commit could not give.
EVENTS_THERE = _joined("key", f"FROM events WHERE key IN {_KEYS}")
EPOCHS_THERE = _joined("'[' || key || ',' || epoch || ']'", f"FROM runs WHERE key IN {_KEYS}")


@cache
def claims_there(count: int) -> str:
    """Who owns these claims. A statement for each of a few sizes: bytes cannot come in as JSON."""
    marks = ",".join("?" * count)
    return _joined("""'["' || hex(key) || '",' || owner || ']'""", f"FROM claims WHERE key IN ({marks})")


# Purging. Finished runs of which neither they nor the parent that may still read them live.
DOOMED_TABLE = "CREATE TEMP TABLE IF NOT EXISTS doomed (key INTEGER PRIMARY KEY)"
DOOMED_CLEAR = "DELETE FROM doomed"
_DOOMED = """ key < :below AND status >= 4 AND coalesce(finished_at, created_at) < :before
 AND (parent_key IS NULL OR NOT EXISTS (SELECT 1 FROM runs p WHERE p.key = r.parent_key AND p.status < 4))
 ORDER BY key LIMIT :limit"""
DOOM_RUNS = f"INSERT INTO doomed SELECT key FROM runs AS r NOT INDEXED WHERE {_DOOMED}"  # noqa: S608 - constants
_ORIGINS = "(SELECT id FROM origins WHERE flow IN (SELECT value FROM json_each(:flows)))"
DOOM_RUNS_BUT = f"INSERT INTO doomed SELECT key FROM runs AS r NOT INDEXED WHERE origin NOT IN {_ORIGINS} AND {_DOOMED}"  # noqa: S608 - constants
# By the index: the other flows' runs are not read.
DOOM_RUNS_OF = (
    f"INSERT INTO doomed SELECT key FROM runs AS r INDEXED BY runs_by_origin WHERE origin IN {_ORIGINS} AND {_DOOMED}"  # noqa: S608 - constants
)
# Called only when no run is left to doom, so few runs below are read.
DOOM_EVENTS = f"""INSERT INTO doomed SELECT key FROM events NOT INDEXED WHERE key < :below AND key NOT IN (
    SELECT event_key FROM runs NOT INDEXED WHERE key < :below + {LATE} AND event_key IS NOT NULL
    UNION ALL SELECT event_key FROM runs INDEXED BY runs_late WHERE key - event_key NOT BETWEEN 0 AND {LATE}
    UNION ALL SELECT event_key FROM verdicts v WHERE event_key < :below
        AND EXISTS (SELECT 1 FROM runs r WHERE r.key = v.run_key))
 ORDER BY key LIMIT :limit"""  # noqa: S608 - a constant
DOOMED_JOURNAL_BLOBS = "SELECT DISTINCT blob FROM journal WHERE run IN (SELECT key FROM doomed) AND blob IS NOT NULL"
DOOMED_EVENT_BLOBS = "SELECT DISTINCT blob FROM events WHERE key IN (SELECT key FROM doomed) AND blob IS NOT NULL"
DROP_JOURNALS = "DELETE FROM journal WHERE run IN (SELECT key FROM doomed)"
DROP_LINES = "DELETE FROM lines WHERE run IN (SELECT key FROM doomed)"
DROP_RUNS = "DELETE FROM runs WHERE key IN (SELECT key FROM doomed)"
DROP_VERDICTS = "DELETE FROM verdicts WHERE event_key IN (SELECT key FROM doomed)"
DROP_EVENTS = "DELETE FROM events WHERE key IN (SELECT key FROM doomed)"
CLAIMS_OVER = """SELECT key FROM claims WHERE key > ? AND until <= ? ORDER BY key LIMIT ?"""
# One step of the index for each owner, and only what is over of each.
STATES_OVER = """WITH RECURSIVE owners (x) AS (SELECT min(owner) FROM key_states UNION ALL
 SELECT (SELECT min(owner) FROM key_states WHERE owner > x) FROM owners WHERE x IS NOT NULL)
 SELECT owner, key FROM owners JOIN key_states INDEXED BY key_states_by_due ON owner = x AND due < ? LIMIT ?"""
DROP_STATE = "DELETE FROM key_states WHERE owner = ? AND key = ? AND due < ?"
DROP_CLAIM = "DELETE FROM claims WHERE key = ? AND until <= ?"
BLOB_NAMED = (
    "SELECT EXISTS (SELECT 1 FROM events WHERE blob = :name) OR EXISTS (SELECT 1 FROM journal WHERE blob = :name)"
)
BLOBS_NAMED = """SELECT blob FROM events WHERE blob IS NOT NULL UNION SELECT blob FROM journal WHERE blob IS NOT NULL"""
