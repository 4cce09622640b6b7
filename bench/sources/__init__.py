"""Sources of events for the bench: real servers, and who fills them."""
