-- What `pattern` triggers know of each key: one row while something of it still counts. `owner` is a number made of the
-- trigger's key and its pattern; `due` is when the state means something by itself (an absence is sure) or nothing any more.
CREATE TABLE key_states (
    owner INTEGER NOT NULL,
    key TEXT NOT NULL,          -- JSON
    due INTEGER NOT NULL,
    value BLOB NOT NULL,        -- JSON
    PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX key_states_by_due ON key_states (owner, due);
