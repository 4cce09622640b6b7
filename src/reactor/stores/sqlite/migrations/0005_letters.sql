-- Messages that made no event, kept until somebody decides. Payloads stand last: lists stop before them.

CREATE TABLE letters (
    key INTEGER PRIMARY KEY,
    trigger_key TEXT NOT NULL,
    reason TEXT NOT NULL,
    size INTEGER NOT NULL,
    more BLOB NOT NULL,         -- JSON
    payload BLOB NOT NULL
);
CREATE INDEX letters_by_trigger ON letters (trigger_key);
