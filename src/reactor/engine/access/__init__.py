"""Who may come in, and what they did: people, sessions, tokens, attempts, the audit log."""
