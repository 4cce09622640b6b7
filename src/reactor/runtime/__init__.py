"""One interpreter of flows, and the small port (`Durable`) that it runs on."""
