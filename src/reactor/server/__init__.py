"""HTTP: ingest, API, stream, page. No rules of its own."""
