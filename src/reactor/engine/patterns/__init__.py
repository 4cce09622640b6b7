"""Triggers of the kind `pattern`: several events that belong together, or one that does not come."""
