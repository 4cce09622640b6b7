-- What has happened, by the minute (older: by the hour), so that figures of any time need not read the runs.
-- `what`: 4 completed, 5 failed, 6 cancelled (as `status` of runs), 7 started, 8 events (origin 0).

CREATE TABLE tallies (
    minute INTEGER NOT NULL,    -- since 1970
    origin INTEGER NOT NULL,
    what INTEGER NOT NULL,
    bucket INTEGER NOT NULL,    -- of the duration (model/histogram.py), -1: none
    count INTEGER NOT NULL,
    total INTEGER NOT NULL,     -- milliseconds
    PRIMARY KEY (minute, origin, what, bucket)
) WITHOUT ROWID;

CREATE TABLE samples (
    minute INTEGER PRIMARY KEY,
    value BLOB NOT NULL         -- JSON
);

-- Runs that ended long after they were made, found by their end. All others are found by their key: it is at most a minute
-- older than their end. (2020-01-01 is 1577836800000; a key has its milliseconds above 22 bits.)
CREATE INDEX runs_long ON runs (finished_at)
    WHERE finished_at IS NOT NULL AND finished_at - (key >> 22) NOT BETWEEN 1577836800000 AND 1577836860000;
