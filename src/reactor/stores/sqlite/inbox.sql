-- The door for a whole commit. Each sqlite3_step() gives the interpreter lock away and has to win it back, which costs up
-- to the switch interval (5 ms) beside a busy main thread. So a batch is ONE statement, `INSERT INTO inbox VALUES (…), (…)`,
-- and in autocommit that statement is the transaction. These triggers hand the rows on; `kind` says to which table.
-- Temporary: this is code, not data, so it needs no migration.

CREATE TEMP VIEW inbox AS SELECT
    0 AS kind, 0 AS a, 0 AS b, 0 AS c, 0 AS d, 0 AS e, 0 AS f, 0 AS g, 0 AS h, 0 AS i, 0 AS j, 0 AS k, 0 AS l, 0 AS m,
    0 AS n, 0 AS o;

-- a claim (key, owner, until, now, event that must have been written or NULL)
CREATE TEMP TRIGGER inbox_claim INSTEAD OF INSERT ON inbox WHEN NEW.kind = 1 BEGIN
    INSERT INTO claims (key, owner, until)
    SELECT NEW.a, NEW.b, NEW.c WHERE NEW.e IS NULL OR EXISTS (SELECT 1 FROM events WHERE key = NEW.e)
    ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE claims.until <= NEW.d;
END;

-- an event (its columns, claim that it must own or NULL)
CREATE TEMP TRIGGER inbox_event INSTEAD OF INSERT ON inbox WHEN NEW.kind = 2 BEGIN
    INSERT INTO events (key, id, type, source, subject, time, external, size, more, blob, data)
    SELECT NEW.a, NEW.b, NEW.c, NEW.d, NEW.e, NEW.f, NEW.g, NEW.h, NEW.i, NEW.j, NEW.k
    WHERE NEW.l IS NULL OR (SELECT owner FROM claims WHERE key = NEW.l) = NEW.a
    ON CONFLICT (key) DO NOTHING;
END;

-- a run (its columns, event that must have been written or NULL, claim that it must own or NULL)
CREATE TEMP TRIGGER inbox_run INSTEAD OF INSERT ON inbox WHEN NEW.kind = 3 BEGIN
    INSERT INTO runs (key, origin, version, status, event_key, parent_key, created_at, started_at, finished_at, wake_at,
        owner, epoch, more, error_kind)
    SELECT NEW.a, NEW.b, NEW.c, NEW.d, NEW.e, NEW.f, NEW.g, NEW.h, NEW.i, NEW.j, NEW.k, NEW.l, NEW.m,
        CASE NEW.d WHEN 5 THEN json_extract(CAST(NEW.m AS TEXT), '$.error[0]') END
    WHERE (NEW.n IS NULL OR EXISTS (SELECT 1 FROM events WHERE key = NEW.n))
        AND (NEW.o IS NULL OR (SELECT owner FROM claims WHERE key = NEW.o) = NEW.a)
    ON CONFLICT (key) DO UPDATE SET
        origin = excluded.origin, version = excluded.version, status = excluded.status, event_key = excluded.event_key,
        parent_key = excluded.parent_key, created_at = excluded.created_at, started_at = excluded.started_at,
        finished_at = excluded.finished_at, wake_at = excluded.wake_at, owner = excluded.owner, epoch = excluded.epoch,
        more = excluded.more, error_kind = excluded.error_kind
    WHERE excluded.epoch >= runs.epoch;
END;

-- a journal segment (run, data, blob, epoch up to which the stored run must be there or NULL)
CREATE TEMP TRIGGER inbox_journal INSTEAD OF INSERT ON inbox WHEN NEW.kind = 4 BEGIN
    INSERT INTO journal (run, data, blob)
    SELECT NEW.a, NEW.b, NEW.c
    WHERE NEW.d IS NULL OR EXISTS (SELECT 1 FROM runs WHERE key = NEW.a AND epoch <= NEW.d);
END;

-- what a trigger keeps (trigger, name, value)
CREATE TEMP TRIGGER inbox_saved INSTEAD OF INSERT ON inbox WHEN NEW.kind = 5 AND NEW.c IS NOT NULL BEGIN
    INSERT INTO saved (trigger_key, name, value) VALUES (NEW.a, NEW.b, NEW.c)
    ON CONFLICT (trigger_key, name) DO UPDATE SET value = excluded.value;
END;

CREATE TEMP TRIGGER inbox_unsaved INSTEAD OF INSERT ON inbox WHEN NEW.kind = 5 AND NEW.c IS NULL BEGIN
    DELETE FROM saved WHERE trigger_key = NEW.a AND name = NEW.b;
END;

-- an origin (id, flow, trigger)
CREATE TEMP TRIGGER inbox_origin INSTEAD OF INSERT ON inbox WHEN NEW.kind = 6 BEGIN
    INSERT INTO origins (id, flow, trigger_key) VALUES (NEW.a, NEW.b, NEW.c) ON CONFLICT DO NOTHING;
END;

-- the state of a key (owner, key, due, value); it changes a row in any case but that of a removal of what is not there
CREATE TEMP TRIGGER inbox_key_state INSTEAD OF INSERT ON inbox WHEN NEW.kind = 7 AND NEW.d IS NOT NULL BEGIN
    INSERT INTO key_states (owner, key, due, value) VALUES (NEW.a, NEW.b, NEW.c, NEW.d)
    ON CONFLICT (owner, key) DO UPDATE SET due = excluded.due, value = excluded.value;
END;

CREATE TEMP TRIGGER inbox_no_key_state INSTEAD OF INSERT ON inbox WHEN NEW.kind = 7 AND NEW.d IS NULL BEGIN
    DELETE FROM key_states WHERE owner = NEW.a AND key = NEW.b;
END;

-- a run that never started goes away (key): it has no journal
CREATE TEMP TRIGGER inbox_gone INSTEAD OF INSERT ON inbox WHEN NEW.kind = 8 BEGIN
    DELETE FROM runs WHERE key = NEW.a;
END;

-- a verdict (event, flow, run, JSON)
CREATE TEMP TRIGGER inbox_verdict INSTEAD OF INSERT ON inbox WHEN NEW.kind = 9 BEGIN
    INSERT INTO verdicts (event_key, flow, run_key, more) VALUES (NEW.a, NEW.b, NEW.c, NEW.d)
    ON CONFLICT (event_key, flow) DO UPDATE SET run_key = excluded.run_key, more = excluded.more;
END;

-- a letter (key, trigger, reason, size, JSON, payload); the same again changes a row, too
CREATE TEMP TRIGGER inbox_letter INSTEAD OF INSERT ON inbox WHEN NEW.kind = 10 BEGIN
    INSERT INTO letters (key, trigger_key, reason, size, more, payload)
    VALUES (NEW.a, NEW.b, NEW.c, NEW.d, NEW.e, NEW.f) ON CONFLICT (key) DO UPDATE SET size = excluded.size;
END;

-- a letter that is answered (key)
CREATE TEMP TRIGGER inbox_answered INSTEAD OF INSERT ON inbox WHEN NEW.kind = 11 BEGIN
    DELETE FROM letters WHERE key = NEW.a;
END;

-- a tally (minute, origin, what, bucket, count, total): it is added to what is there
CREATE TEMP TRIGGER inbox_tally INSTEAD OF INSERT ON inbox WHEN NEW.kind = 12 BEGIN
    INSERT INTO tallies (minute, origin, what, bucket, count, total)
    VALUES (NEW.a, NEW.b, NEW.c, NEW.d, NEW.e, NEW.f)
    ON CONFLICT (minute, origin, what, bucket) DO UPDATE SET count = count + excluded.count,
        total = total + excluded.total;
END;

-- a sample (minute, JSON)
CREATE TEMP TRIGGER inbox_sample INSTEAD OF INSERT ON inbox WHEN NEW.kind = 13 BEGIN
    INSERT INTO samples (minute, value) VALUES (NEW.a, NEW.b) ON CONFLICT (minute) DO UPDATE SET value = excluded.value;
END;

-- what a run's actions said (run, JSON, epoch up to which the stored run must be there or NULL)
CREATE TEMP TRIGGER inbox_lines INSTEAD OF INSERT ON inbox WHEN NEW.kind = 14 BEGIN
    INSERT INTO lines (run, data)
    SELECT NEW.a, NEW.b WHERE NEW.c IS NULL OR EXISTS (SELECT 1 FROM runs WHERE key = NEW.a AND epoch <= NEW.c);
END;
