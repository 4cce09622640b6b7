"""Plain data that every floor may use: events, flows, runs, journal entries, errors. Imports nothing of ours."""
