"""Other spellings of flows and expressions, read into our own."""
