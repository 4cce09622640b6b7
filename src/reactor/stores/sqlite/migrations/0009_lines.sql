-- What actions said while they worked, in the order in which it was written. Read by those who look at one run, never with
-- its journal.

CREATE TABLE lines (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    data BLOB NOT NULL          -- JSON list of lines (model/lines.py)
);
CREATE INDEX lines_by_run ON lines (run);
