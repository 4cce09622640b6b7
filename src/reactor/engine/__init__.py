"""The embedded runtime: intake, committer, journal, timers, triggers, recovery."""
