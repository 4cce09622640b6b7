-- The kind alone: so the runs of a kind lie in their order, and a page of them needs no sorting. With a flow the few of the
-- kind, or of the flow, are asked one by one.
DROP INDEX runs_by_error;
CREATE INDEX runs_by_error ON runs (error_kind) WHERE error_kind IS NOT NULL;
