"""Discovery of connectors by entry points."""
