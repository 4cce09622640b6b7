-- The first schema. Migrations go forward only: never change one that has been released, add the next number.
--
-- Keys are the ids of reactor.model.ids: they rise with time, so every table is appended to at its end, and a time is a
-- range of keys. Payload columns stand last: SQLite reads a row from its start, and lists stop before them.
-- Codes of `status`: 0 pending, 1 running, 2 waiting, 3 paused, 4 completed, 5 failed, 6 cancelled.

CREATE TABLE events (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    subject TEXT,
    time INTEGER NOT NULL,
    external INTEGER NOT NULL,  -- 0: the id is the key's own text; 1: the source's id; 2: neither
    size INTEGER NOT NULL,      -- of the data, in bytes
    more BLOB,                  -- JSON [metadata, to, causes], or NULL when all are empty
    blob TEXT,                  -- SHA-256 of data that is kept in a file
    data BLOB                   -- JSON
);
-- Ids that are the key's text need no index.
CREATE INDEX events_by_id ON events (id) WHERE external > 0;
CREATE INDEX events_by_type ON events (type);
CREATE INDEX events_by_source ON events (source);
CREATE INDEX events_by_blob ON events (blob) WHERE blob IS NOT NULL;

-- (flow, trigger) pairs as small numbers: one index on runs serves lists by flow and lists by trigger.
CREATE TABLE origins (
    id INTEGER PRIMARY KEY,
    flow TEXT NOT NULL,
    trigger_key TEXT NOT NULL,
    UNIQUE (flow, trigger_key)
);

CREATE TABLE runs (
    key INTEGER PRIMARY KEY,
    origin INTEGER NOT NULL,
    version INTEGER NOT NULL,
    status INTEGER NOT NULL,
    event_key INTEGER,
    parent_key INTEGER,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    wake_at INTEGER,
    owner INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    more BLOB                   -- JSON of what is seldom there: parent_path, forked_from, waiting_for, error
);
CREATE INDEX runs_by_origin ON runs (origin);
CREATE INDEX runs_by_status ON runs (status);
CREATE INDEX runs_by_wake ON runs (wake_at) WHERE status = 2 AND wake_at IS NOT NULL;
CREATE INDEX runs_by_parent ON runs (parent_key) WHERE parent_key IS NOT NULL;
-- A run is made within moments of its event, so its key lies just above and a short range of keys finds it. Only forks and
-- other late ones (over a second: 1000 << 22) are indexed.
CREATE INDEX runs_late ON runs (event_key) WHERE key - event_key NOT BETWEEN 0 AND 4194304000;

CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    blob TEXT,
    data BLOB                   -- JSON list of entries
);
CREATE INDEX journal_by_run ON journal (run);
CREATE INDEX journal_by_blob ON journal (blob) WHERE blob IS NOT NULL;

CREATE TABLE claims (
    key BLOB PRIMARY KEY,
    owner INTEGER NOT NULL,     -- key of the event or run that holds it
    until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE saved (
    trigger_key TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,        -- JSON
    PRIMARY KEY (trigger_key, name)
) WITHOUT ROWID;

CREATE TABLE flows (
    name TEXT PRIMARY KEY,
    enabled INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE versions (
    flow TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    current INTEGER NOT NULL,
    file TEXT,
    source TEXT NOT NULL,
    PRIMARY KEY (flow, version)
);

CREATE TABLE instances (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    lease_until INTEGER         -- NULL: as long as the process holds the lock file
);
