-- Who waits for an event of one subject looks back by it. Most events have none, and cost nothing here.
CREATE INDEX events_by_subject ON events (subject) WHERE subject IS NOT NULL;
