"""A changed flow against what has been recorded: what would start, be dropped, merged, queued, take another path."""
