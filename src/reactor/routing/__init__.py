"""The compiled route table: event → matches and reasons for non-matches. Pure."""
