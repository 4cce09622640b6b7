"""Programs of their own that the bench starts: ceilings, a target for requests, the load generator without wrk."""
