"""Why: an event started or did not start each flow; a run waits, and for what; what flow control holds back."""
