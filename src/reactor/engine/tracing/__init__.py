"""Traces of runs: kept while a run is in memory, made of its journal when it ends, sent by a thread of its own."""
