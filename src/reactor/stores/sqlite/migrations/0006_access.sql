-- Who may come in, and what they did. Tokens and sessions are kept by the SHA-256 of what is sent.

CREATE TABLE users (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    password TEXT,
    disabled INTEGER NOT NULL,
    issuer TEXT,
    subject TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) WITHOUT ROWID;

CREATE TABLE tokens (
    key INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    owner TEXT NOT NULL,        -- empty: the admin token
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    more BLOB NOT NULL,         -- JSON [scopes, flows]
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at INTEGER,
    UNIQUE (owner, name)
);

CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    user TEXT NOT NULL,         -- empty: the admin token
    via TEXT NOT NULL,
    stamp BLOB NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Append-only: the triggers below refuse the rest, and each hash covers the one before it (reactor.model.audit).
CREATE TABLE audit (
    key INTEGER PRIMARY KEY,    -- 1, 2, 3, …
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    via TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    status INTEGER NOT NULL,
    details TEXT NOT NULL,      -- JSON
    hash BLOB NOT NULL
);
CREATE INDEX audit_by_who ON audit (who);
CREATE INDEX audit_by_action ON audit (action);
CREATE INDEX audit_by_target ON audit (target);
CREATE INDEX audit_by_time ON audit (at);

-- What has been forgotten, by age alone: entries go only up to here.
CREATE TABLE audit_floor (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key INTEGER NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO audit_floor VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'entries of the audit log are not changed'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit WHEN OLD.key > (SELECT key FROM audit_floor)
BEGIN SELECT RAISE(ABORT, 'entries of the audit log are not removed'); END;
-- Also `INSERT OR REPLACE`, which asks no trigger of deletions.
CREATE TRIGGER audit_grows BEFORE INSERT ON audit
WHEN NEW.key IS NOT (SELECT max((SELECT key FROM audit_floor), coalesce((SELECT max(key) FROM audit), 0)) + 1)
BEGIN SELECT RAISE(ABORT, 'entries of the audit log are added at its end'); END;
CREATE TRIGGER audit_floor_rises BEFORE UPDATE ON audit_floor WHEN NEW.key < OLD.key
BEGIN SELECT RAISE(ABORT, 'the floor of the audit log only rises'); END;
CREATE TRIGGER audit_floor_stays BEFORE DELETE ON audit_floor
BEGIN SELECT RAISE(ABORT, 'the floor of the audit log stays'); END;
CREATE TRIGGER audit_floor_alone BEFORE INSERT ON audit_floor
BEGIN SELECT RAISE(ABORT, 'the audit log has one floor'); END;
