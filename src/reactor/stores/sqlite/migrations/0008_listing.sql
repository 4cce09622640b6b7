-- Lists of runs by any filters in a few index ranges. Runs of an origin in one state lie together, newest last; a run of
-- any state is found by merging the seven.
DROP INDEX runs_by_origin;
CREATE INDEX runs_by_origin ON runs (origin, status);

-- Failed runs by the kind of their error, of all flows or of one. Runs that did not fail cost nothing.
ALTER TABLE runs ADD COLUMN error_kind TEXT;
UPDATE runs SET error_kind = json_extract(CAST(more AS TEXT), '$.error[0]') WHERE status = 5 AND more IS NOT NULL;
CREATE INDEX runs_by_error ON runs (error_kind, origin) WHERE error_kind IS NOT NULL;
