-- Why an event started no run of its own of a flow. Older programs neither write nor miss it.

CREATE TABLE verdicts (
    event_key INTEGER NOT NULL,
    flow TEXT NOT NULL,
    run_key INTEGER,            -- the run that it went into, or that stood in its way
    more BLOB NOT NULL,         -- JSON [at, rule, reason]
    PRIMARY KEY (event_key, flow)
) WITHOUT ROWID;
