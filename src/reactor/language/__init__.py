"""YAML ⇄ model: loading with positions, expressions, checks with fixes, JSON Schema, dialects."""
